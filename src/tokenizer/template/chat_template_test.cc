// Chat templates: the DeepSeek family's renderings, requests' fields, and model folders.
#include "tokenizer/template/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file.h"

namespace fathom::tokenizer {
namespace {

using base::ErrorCode;
using ::testing::HasSubstr;

ChatTemplate parse(std::string_view source) {
  auto parsed = ChatTemplate::parse(source, "t");
  EXPECT_TRUE(parsed) << parsed.error().text();
  return std::move(parsed).value();
}

ChatTemplate parse_file(const std::string& name) {
  const std::string path = FATHOM_SOURCE_DIR "/tests/data/templates/" + name;
  return parse(base::read_file(path, std::uint64_t{1} << 20).value());
}

std::string text_of(const base::Result<RenderedPrompt>& prompt) {
  return prompt ? prompt->text : "error: " + prompt.error().text();
}

constexpr char kDefaultCoderSystem[] =
    "You are an AI programming assistant, utilizing the Deepseek Coder model, developed by "
    "Deepseek Company, and you only answer questions related to computer science. For politically "
    "sensitive questions, security and privacy issues, and other non-computer science questions, "
    "you will refuse to answer\n";

struct FamilyCase {
  std::string name;
  std::string file;
  std::vector<ChatMessage> messages;
  std::string expected;
};

void PrintTo(const FamilyCase& item, std::ostream* out) { *out << item.name; }

class Family : public ::testing::TestWithParam<FamilyCase> {};

TEST_P(Family, RendersAsItsModelExpects) {
  const FamilyCase& item = GetParam();
  const auto prompt = parse_file(item.file).render(
      {.messages = item.messages, .bos_token = "<BOS>", .eos_token = "<EOS>"});
  EXPECT_EQ(text_of(prompt), item.expected);
}

const std::vector<ChatMessage> kTurns = {{"user", "Q"}, {"assistant", "A"}, {"user", "Q2"}};
const std::vector<ChatMessage> kThoughts = {
    {"system", "S"}, {"user", "Q"}, {"assistant", "<think>\nhm\n</think>\n\nA"}, {"user", "Q2"}};
const std::vector<ChatMessage> kSystem = {{"system", "S"}, {"user", "Q"}};
const std::vector<ChatMessage> kTools = {
    {"user", "Q"},
    {"assistant",
     std::nullopt,
     {{"tool_calls",
       R"([{"type": "function", "function": {"name": "f", "arguments": "{}"}},
           {"type": "function", "function": {"name": "g", "arguments": "{}"}}])"}}},
    {"tool", "1"},
    {"assistant", "A"}};

INSTANTIATE_TEST_SUITE_P(
    DeepSeek, Family,
    ::testing::Values(
        FamilyCase{"llm", "deepseek_llm.jinja", kTurns,
                   "<BOS>User: Q\n\nAssistant: A<EOS>User: Q2\n\nAssistant:"},
        FamilyCase{"llm_system", "deepseek_llm.jinja", kSystem, "<BOS>S\n\nUser: Q\n\nAssistant:"},
        FamilyCase{"coder", "deepseek_coder.jinja", kTurns,
                   std::string("<BOS>") + kDefaultCoderSystem +
                       "### Instruction:\nQ\n### Response:\nA\n<|EOT|>\n"
                       "### Instruction:\nQ2\n### Response:\n"},
        FamilyCase{"coder_system", "deepseek_coder.jinja", kSystem,
                   "<BOS>S### Instruction:\nQ\n### Response:\n"},
        FamilyCase{"r1", "deepseek_r1_original.jinja", kThoughts,
                   "<BOS>S<｜User｜>Q<｜Assistant｜>\n\nA<｜end▁of▁sentence｜><｜User｜>Q2"
                   "<｜Assistant｜>"},
        FamilyCase{"r1_think", "deepseek_r1_think.jinja", kThoughts,
                   "<BOS>S<｜User｜>Q<｜Assistant｜>\n\nA<｜end▁of▁sentence｜><｜User｜>Q2"
                   "<｜Assistant｜><think>\n"},
        FamilyCase{"r1_tools", "deepseek_r1_original.jinja", kTools,
                   "<BOS><｜User｜>Q<｜Assistant｜><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>"
                   "function<｜tool▁sep｜>f\n```json\n{}\n```<｜tool▁call▁end｜>\n"
                   "<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```"
                   "<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>"
                   "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>1<｜tool▁output▁end｜>"
                   "<｜tool▁outputs▁end｜>A<｜end▁of▁sentence｜><｜Assistant｜>"},
        FamilyCase{"qwen2", "qwen2.jinja", kTurns,
                   "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
                   "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
                   "<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\n"},
        FamilyCase{"qwen2_system", "qwen2.jinja", kSystem,
                   "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n"
                   "<|im_start|>assistant\n"}),
    [](const auto& info) { return info.param.name; });

TEST(ChatTemplate, HasTransformersVariables) {
  const auto shown = parse(
      "{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}"
      "{{ bos_token is defined }}{{ extra.a | tojson }}");
  ChatContext context{.add_generation_prompt = false,
                      .variables = {{"extra", R"({"a": [1, "x"]})"}}};
  EXPECT_EQ(text_of(shown.render(context)), "TrueTrueFalseFalse[1, \"x\"]");
  context.tools_json = "[]";
  EXPECT_THAT(text_of(shown.render(context)), HasSubstr("FalseTrueFalse"));
}

TEST(ChatTemplate, RefusesVariablesThatReplaceItsOwn) {
  const auto empty = parse("");
  for (const char* name : {"messages", "tools", "add_generation_prompt", "bos_token",
                           "raise_exception", "namespace", "eos_token"}) {
    const auto prompt = empty.render({.variables = {{name, "1"}}});
    ASSERT_FALSE(prompt) << name;
    EXPECT_EQ(prompt.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(empty.render({.messages = {{"user", "x", {{"content", "1"}}}}}));
  EXPECT_FALSE(empty.render({.messages = {{"user", "x", {{"a", "{"}}}}}));
  EXPECT_FALSE(empty.render({.messages = {{"user", "\xFF"}}}));
  EXPECT_FALSE(empty.render({.tools_json = "[18446744073709551615]"}));
}

TEST(ChatTemplate, RaiseExceptionGivesItsMessageAndLine) {
  const auto prompt = parse(
                          "a\n{% if true %}\n{{ raise_exception('roles must ' ~ 'alternate') }}\n"
                          "{% endif %}")
                          .render({});
  ASSERT_FALSE(prompt);
  EXPECT_EQ(prompt.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(prompt.error().message, "roles must alternate");
  EXPECT_EQ(prompt.error().where, "t:3");
}

TEST(ChatTemplate, IsSharedBetweenThreads) {
  const auto shared = parse_file("deepseek_r1_think.jinja");
  const std::string expected = text_of(shared.render({.messages = kTools}));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 20; ++j)
        EXPECT_EQ(text_of(shared.render({.messages = kTools})), expected);
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(TokenizerConfig, GivesTemplateAndSpecialTokens) {
  const auto parsed = ChatTemplate::from_tokenizer_config(
      R"({"bos_token": {"content": "<B>", "lstrip": false}, "eos_token": "<E>", "unk_token": null,
          "chat_template": [{"name": "tool_use", "template": "no"},
                            {"name": "default", "template": "{{ bos_token }}{{ unk_token }}x"}]})",
      "c.json");
  ASSERT_TRUE(parsed && parsed->has_value());
  EXPECT_EQ(text_of((*parsed)->render({})), "<B>x");
  EXPECT_EQ((*parsed)->special_token("eos_token"), "<E>");
  EXPECT_EQ((*parsed)->special_token("unk_token"), std::nullopt);
}

TEST(TokenizerConfig, MayHaveNoTemplateButNotABrokenOne) {
  const auto none = ChatTemplate::from_tokenizer_config("{}", "c.json");
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
  for (const char* broken :
       {"[]", "{", R"({"chat_template": 1})", R"({"chat_template": []})",
        R"({"chat_template": [{"name": "a"}]})", R"({"chat_template": "", "bos_token": 1})",
        R"({"chat_template": "{% if %}"})"}) {
    EXPECT_FALSE(ChatTemplate::from_tokenizer_config(broken, "c.json")) << broken;
  }
}

class Folder : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(::testing::TempDir()) /
            ("chat_template_" +
             std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }
  void write(const char* name, std::string_view content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
  }
  std::filesystem::path path_;
};

TEST_F(Folder, PrefersTheJinjaFile) {
  EXPECT_FALSE(load_chat_template(path_).value().has_value());
  write("tokenizer_config.json", R"({"bos_token": "<B>", "chat_template": "config"})");
  EXPECT_EQ(text_of(load_chat_template(path_).value()->render({})), "config");
  write("chat_template.jinja", "{{ bos_token }}file\n");
  EXPECT_EQ(text_of(load_chat_template(path_).value()->render({})), "<B>file");
}

TEST_F(Folder, SaysWhichFileIsBroken) {
  write("chat_template.jinja", "a\n{% nonsense %}");
  const auto loaded = load_chat_template(path_);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().where, HasSubstr("chat_template.jinja:2"));
}

TEST(SharedFixtures, MiniModelsUseTheLlmTemplate) {
  const std::filesystem::path folder = FATHOM_SOURCE_DIR "/../shared/fixtures/mini-llama";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "NOT RUN: no fixtures at " << folder;
  const auto loaded = load_chat_template(folder);
  ASSERT_TRUE(loaded && loaded->has_value());
  EXPECT_EQ(text_of((*loaded)->render({.messages = kTurns})),
            "<｜begin▁of▁sentence｜>User: Q\n\nAssistant: A<｜end▁of▁sentence｜>User: Q2\n\n"
            "Assistant:");
}

}  // namespace
}  // namespace fathom::tokenizer
