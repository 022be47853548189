// Reasoning and calls come out the same however the text is cut.
#include "serve/openai/output/output_parser.h"

#include <gtest/gtest.h>

#include <random>

namespace fathom::serve {
namespace {

using Kind = OutputPiece::Kind;

// "R:..|C:..|T:name|A:..", neighbours of a kind joined.
std::string shown(const OutputFormat& format, const std::vector<std::string>& texts) {
  OutputParser parser(format);
  std::vector<OutputPiece> all;
  const auto add = [&](const std::vector<OutputPiece>& pieces) {
    for (const OutputPiece& piece : pieces) append_piece(all, piece.kind, piece.text);
  };
  for (const std::string& text : texts) add(parser.push(text));
  add(parser.finish());
  std::string result;
  for (const OutputPiece& piece : all) {
    const char* const names = "RCTA";
    result += names[static_cast<int>(piece.kind)];
    result += ":" + piece.text + "|";
  }
  return result;
}

struct Case {
  OutputFormat format;
  const char* text;
  const char* expected;
};

constexpr OutputFormat kPlain{};
constexpr OutputFormat kThinks{.splits_reasoning = true};
constexpr OutputFormat kInThought{.splits_reasoning = true, .starts_in_reasoning = true};
constexpr OutputFormat kTools{.tools = ToolFormat::kMarked};
constexpr OutputFormat kOneTool{.tools = ToolFormat::kMarked, .has_parallel_calls = false};
constexpr OutputFormat kForced{.tools = ToolFormat::kWhole};
constexpr OutputFormat kAll{
    .splits_reasoning = true, .starts_in_reasoning = true, .tools = ToolFormat::kMarked};

const Case kCases[] = {
    {kPlain, "a <think>b</think> <tool_call>{}", "C:a <think>b</think> <tool_call>{}|"},
    {kThinks, "\n<think>\nwhy\n\nso\n</think>\n\nyes\n", "R:why\n\nso|C:yes\n|"},
    {kThinks, "no thought", "C:no thought|"},
    {kThinks, "<thinking", "C:<thinking|"},
    {kThinks, "<thi", "C:<thi|"},
    {kThinks, "", ""},
    {kThinks, "<think></think>x", "C:x|"},
    {kInThought, "why</think>yes</think>", "R:why|C:yes</think>|"},
    {kInThought, "why</thin", "R:why</thin|"},
    {kInThought, "a</b</think>", "R:a</b|"},
    {kInThought, "\n\n</think>\n\n4", "C:4|"},
    {kTools, R"(x <tool_call> {"name": "f", "arguments": {"a": "}</tool_call>\""}} </tool_call> )",
     R"(C:x|T:f|A:{"a": "}</tool_call>\""}|)"},
    {kTools,
     "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n<tool_call>\n{\"name\":\"g\","
     "\"parameters\":{\"b\":[1,{}]}}\n</tool_call> bye",
     R"(T:f|A:{}|T:g|A:{"b":[1,{}]}|C:bye|)"},
    {kOneTool, R"(<tool_call>{"name":"f","arguments":{}}</tool_call><tool_call>{"name":"g"})",
     "T:f|A:{}|"},
    {kTools, R"(<tool_call>{"arguments": {"a": 1}, "name": "f"}</tool_call>)", R"(T:f|A:{"a":1}|)"},
    {kTools, R"(<tool_call>{"name": "f"}</tool_call>)", "T:f|A:{}|"},
    {kTools, R"(<tool_call>{"name": "f", "arguments": "{\"a\":1}"})", R"(T:f|A:{"a":1}|)"},
    {kTools, "<tool_call>none of it</tool_call> so", "C:none of it so|"},
    {kTools, "<tool_call>cut", "C:cut|"},
    {kTools, R"(<tool_call>{"name": "a</tool_call>b", "arguments": {}}</tool_call>)",
     R"(C:{"name": "ab", "arguments": {}}</tool_call>|)"},
    {kTools, R"(<tool_call>{"name": "f", "arguments": {"a": 1</tool_call>x)",
     R"(T:f|A:{"a": 1|C:x|)"},
    {kTools, "a < b <tool", "C:a < b <tool|"},
    {kTools,
     "ok<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": "
     "1}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n"
     "```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "C:ok|T:f|A:{\"a\": 1}|T:g|A:{}|"},
    {kForced, R"({"name": "f", "arguments": {"x": {"y": 1}}})", R"(T:f|A:{"x": {"y": 1}}|)"},
    {kForced, R"({"name": "f", "argum)", R"(C:{"name": "f", "argum|)"},
    {kForced, R"({"name": "f", "arguments": {"x": )", R"(T:f|A:{"x": |)"},
    {kAll, R"(hm <tool_call></think><tool_call>{"name":"f","arguments":{}}</tool_call>)",
     "R:hm <tool_call>|T:f|A:{}|"},
};

TEST(OutputParser, ReadsWholeTexts) {
  for (const Case& each : kCases) EXPECT_EQ(shown(each.format, {each.text}), each.expected);
}

TEST(OutputParser, DoesNotCareHowTextIsCut) {
  std::mt19937 random(7);
  for (const Case& each : kCases) {
    const std::string text = each.text;
    std::vector<std::string> bytes;
    for (const char c : text) bytes.emplace_back(1, c);
    EXPECT_EQ(shown(each.format, bytes), each.expected);
    for (int round = 0; round < 50; ++round) {
      std::vector<std::string> pieces(1);
      for (const char c : text) {
        if (random() % 4 == 0) pieces.emplace_back();
        pieces.back() += c;
      }
      ASSERT_EQ(shown(each.format, pieces), each.expected);
    }
  }
}

TEST(OutputParser, DoesNotCareHowLongHeadsAreCut) {
  for (const std::size_t size : {900, 1005, 1010, 1024, 1100}) {
    for (const bool is_marked : {true, false}) {
      const std::string name(size, 'n');
      const std::string text =
          is_marked
              ? "<｜tool▁call▁begin｜>function<｜tool▁sep｜>" + name + "\n{}<｜tool▁call▁end｜>"
              : "<tool_call>{\"name\": \"" + name + "\", \"arguments\": {}}</tool_call>";
      std::vector<std::string> bytes;
      for (const char c : text) bytes.emplace_back(1, c);
      EXPECT_EQ(shown(kTools, bytes), shown(kTools, {text})) << size;
    }
  }
}

TEST(OutputParser, StreamsArgumentsAsTheyCome) {
  OutputParser parser(kTools);
  parser.push(R"(<tool_call>{"name":"f","arguments":)");
  const auto first = parser.push(R"({"a":)");
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[1].text, R"({"a":)");
  EXPECT_EQ(parser.push("12").at(0).text, "12");
}

TEST(OutputParser, HoldsNothingBackThatIsPlain) {
  OutputParser parser(kTools);
  EXPECT_EQ(parser.push("a").at(0).text, "a");
  EXPECT_EQ(parser.push(" b<").at(0).text, " b");
  EXPECT_EQ(parser.push("c").at(0).text, "<c");
}

}  // namespace
}  // namespace fathom::serve
