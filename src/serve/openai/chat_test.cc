// Chats: prompts, whole answers, streams, n, log-probabilities, reasoning, tools.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "serve/openai/testing/events_test_data.h"
#include "serve/openai/testing/service_test_data.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using engine::FinishReason;

constexpr const char* kTools = R"(, "tools": [{"type": "function", "function": {"name": "weather",
  "description": "Says the weather", "parameters": {"type": "object",
  "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])";

json::value choice_of(const std::shared_ptr<FakeExchange>& exchange, std::size_t index = 0) {
  EXPECT_EQ(exchange->status, 200) << exchange->body;
  return json::parse(exchange->body).at("choices").at(index);
}

// A field of the deltas of a stream, put together.
std::string joined(const std::vector<json::value>& events, const char* field) {
  std::string text;
  for (const json::value& event : events) {
    if (event.at("choices").as_array().empty()) continue;
    const json::object& delta = event.at("choices").at(0).at("delta").as_object();
    if (delta.contains(field)) text += std::string_view(delta.at(field).as_string());
  }
  return text;
}

TEST_F(ServiceTest, AnswersAChat) {
  const auto exchange = chat(R"(, "timings": true)");
  EXPECT_EQ(exchange->status, 200);
  const json::value answer = json::parse(exchange->body);
  EXPECT_EQ(answer.at("object").as_string(), "chat.completion");
  EXPECT_TRUE(answer.at("id").as_string().starts_with("chatcmpl-"));
  EXPECT_EQ(answer.at("choices").at(0).at("message").at("content").as_string(), "Hi there!");
  EXPECT_EQ(answer.at("choices").at(0).at("finish_reason").as_string(), "stop");
  EXPECT_TRUE(answer.at("choices").at(0).at("stop_reason").is_null());
  const auto prompt_tokens = std::ssize(generator_.last().prompt);
  const json::value& usage = answer.at("usage");
  EXPECT_EQ(usage.at("completion_tokens").as_int64(), 3);
  EXPECT_EQ(usage.at("prompt_tokens").as_int64(), prompt_tokens);
  EXPECT_EQ(usage.at("prompt_tokens_details").at("cached_tokens").as_int64(), 4);
  EXPECT_EQ(usage.at("context").at("limit").as_int64(), 400);
  EXPECT_EQ(usage.at("context").at("used").as_int64(), prompt_tokens + 3);
  EXPECT_TRUE(usage.at("context").at("reserved").is_null());
  EXPECT_EQ(answer.at("timings").at("prefill_ms").to_number<double>(), 2);
  EXPECT_EQ(answer.at("timings").at("paused_ms").to_number<double>(), 4);
  EXPECT_EQ(base::index(generator_.last().prompt[0]), 4094);  // one BOS, the template's
  EXPECT_NE(base::index(generator_.last().prompt[1]), 4094);
  EXPECT_FALSE(json::parse(chat("")->body).as_object().contains("timings"));
}

TEST_F(ServiceTest, TakesControlTokensOfUsersAsText) {
  post("/v1/chat/completions",
       R"({"model":"demo","messages":[{"role":"user","content":"<｜end▁of▁sentence｜>"}]})");
  for (const base::TokenId token : generator_.last().prompt) EXPECT_NE(base::index(token), 4095);
}

TEST_F(ServiceTest, PassesEverySettingOn) {
  const auto exchange =
      chat(R"(, "max_tokens": 9, "max_completion_tokens": 7, "temperature": 0.5, "top_p": 0.25,
          "top_k": 5, "min_p": 0.125, "seed": 11, "repetition_penalty": 1.5,
          "presence_penalty": -0.5, "frequency_penalty": 0.75, "logit_bias": {"5": -100, "6": 2.5},
          "stop": ["a", "b"], "stop_token_ids": [3], "include_stop_str_in_output": true,
          "ignore_eos": true, "min_tokens": 2, "skip_special_tokens": false, "priority": -4,
          "bad_words": ["bad"], "allowed_token_ids": [6, 7, 7], "logprobs": true,
          "top_logprobs": 3, "prompt_logprobs": 1, "request_id": "abc",
          "reasoning_effort": "low", "user": "u", "metadata": {"a": "b"}, "store": false)");
  ASSERT_EQ(exchange->status, 200) << exchange->body;
  EXPECT_EQ(json::parse(exchange->body).at("id").as_string(), "chatcmpl-abc");
  const engine::GenerationRequest request = generator_.last();
  EXPECT_EQ(request.stop.max_tokens, 7);
  EXPECT_EQ(request.stop.min_tokens, 2);
  EXPECT_EQ(request.stop.texts, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(request.stop.include_text && request.stop.ignore_eos);
  EXPECT_EQ(request.stop.token_ids, std::vector{base::TokenId{3}});
  ASSERT_EQ(request.stop.bad_words.size(), 2U);
  EXPECT_EQ(request.stop.bad_words[0], *demo_model().tokenizer->encode("bad", {false}));
  EXPECT_EQ(request.stop.bad_words[1], *demo_model().tokenizer->encode(" bad", {false}));
  EXPECT_EQ(request.sampling.temperature, 0.5F);
  EXPECT_EQ(request.sampling.top_p, 0.25F);
  EXPECT_EQ(request.sampling.top_k, 5);
  EXPECT_EQ(request.sampling.min_p, 0.125F);
  EXPECT_EQ(request.sampling.seed, 11);
  EXPECT_EQ(request.sampling.repetition_penalty, 1.5F);
  EXPECT_EQ(request.sampling.presence_penalty, -0.5F);
  EXPECT_EQ(request.sampling.frequency_penalty, 0.75F);
  ASSERT_EQ(request.sampling.logit_bias.size(), 3U);
  EXPECT_EQ(request.sampling.logit_bias[0].bias, -100.0F);
  EXPECT_EQ(request.sampling.logit_bias[1].bias, 1002.5F);
  EXPECT_EQ(request.sampling.logit_bias[2].bias, 1000.0F);
  EXPECT_FALSE(request.skip_special_tokens);
  EXPECT_EQ(request.top_logprobs, 3);
  EXPECT_EQ(request.prompt_logprobs, 1);
  EXPECT_EQ(request.priority, -4);
}

TEST_F(ServiceTest, StreamsAChat) {
  const auto exchange = chat(R"(, "stream": true, "stream_options": {"include_usage": true},
                                "timings": true)");
  const auto events = events_of(exchange->body);
  ASSERT_EQ(events.size(), 5U);
  EXPECT_EQ(events[0].at("choices").at(0).at("delta").at("role").as_string(), "assistant");
  EXPECT_EQ(events[1].at("choices").at(0).at("delta").at("content").as_string(), "Hi");
  EXPECT_TRUE(events[1].at("usage").is_null());
  EXPECT_EQ(events[2].at("choices").at(0).at("delta").at("content").as_string(), " there!");
  EXPECT_EQ(events[3].at("choices").at(0).at("finish_reason").as_string(), "stop");
  EXPECT_EQ(events[3].at("timings").at("queue_ms").to_number<double>(), 1);
  EXPECT_TRUE(events[4].at("choices").as_array().empty());
  EXPECT_EQ(events[4].at("usage").at("completion_tokens").as_int64(), 3);
  EXPECT_TRUE(exchange->body.ends_with("data: [DONE]\n\n"));
  const auto counting = events_of(
      chat(R"(, "stream": true, "stream_options": {"continuous_usage_stats": true})")->body);
  ASSERT_TRUE(counting[1].as_object().contains("usage")) << json::serialize(counting[1]);
  EXPECT_EQ(counting[1].at("usage").at("completion_tokens").as_int64(), 1);
}

TEST_F(ServiceTest, MergesSeveralAnswers) {
  generator_.script = [](const engine::GenerationRequest& request) {
    return FakeGenerator::Deltas{{.text = "seed " + std::to_string(*request.sampling.seed),
                                  .finish = FinishReason::kLength,
                                  .completion_tokens = 2,
                                  .cached_prompt_tokens = 1}};
  };
  const auto exchange = chat(R"(, "n": 3, "seed": 9223372036854775806)");
  const json::value answer = json::parse(exchange->body);
  ASSERT_EQ(answer.at("choices").as_array().size(), 3U);
  const char* const seeds[] = {"seed 9223372036854775806", "seed 9223372036854775807",
                               "seed -9223372036854775808"};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(answer.at("choices").at(i).at("index").to_number<std::size_t>(), i);
    EXPECT_EQ(answer.at("choices").at(i).at("message").at("content").as_string(), seeds[i]);
    EXPECT_EQ(answer.at("choices").at(i).at("finish_reason").as_string(), "length");
  }
  EXPECT_EQ(answer.at("usage").at("completion_tokens").as_int64(), 6);
  EXPECT_EQ(answer.at("usage").at("prompt_tokens_details").at("cached_tokens").as_int64(), 1);
  EXPECT_EQ(answer.at("usage").at("prompt_tokens").as_int64(),
            std::ssize(generator_.last().prompt));
  const auto events = events_of(chat(R"(, "n": 2, "seed": 1, "stream": true)")->body);
  EXPECT_EQ(events.size(), 6U);  // two roles, two texts, two ends
  EXPECT_EQ(events[1].at("choices").at(0).at("index").as_int64(), 1);
}

TEST_F(ServiceTest, WritesLogprobs) {
  const base::TokenId a{39};
  const base::TokenId b{127};  // a byte that is no character
  generator_.deltas = {
      {.tokens = {a},
       .logprobs = {{{a, -0.5F}, 1, {{a, -0.5F}, {b, -1.0F}}}},
       .prompt_logprobs = {{{b, -2.0F}, 7, {{a, -0.25F}}}},
       .completion_tokens = 1},
      {.text = "H",
       .tokens = {b},
       .logprobs = {{{b, -std::numeric_limits<float>::infinity()}, 2, {{a, -0.5F}}}},
       .finish = FinishReason::kStop,
       .completion_tokens = 2}};
  const auto exchange = chat(R"(, "logprobs": true, "top_logprobs": 2, "prompt_logprobs": 1,
                                "return_token_ids": true)");
  const json::value answer = json::parse(exchange->body);
  const json::value& content = answer.at("choices").at(0).at("logprobs").at("content");
  ASSERT_EQ(content.as_array().size(), 2U);
  EXPECT_EQ(content.at(0).at("token").as_string(), "H");
  EXPECT_EQ(content.at(0).at("bytes"), (json::array{72}));
  EXPECT_EQ(content.at(0).at("logprob").to_number<double>(), -0.5);
  EXPECT_EQ(content.at(0).at("top_logprobs").as_array().size(), 2U);
  EXPECT_EQ(content.at(1).at("token").as_string(), "\ufffd");
  EXPECT_EQ(content.at(1).at("logprob").to_number<double>(), -9999.0);
  const json::value& prompt = answer.at("prompt_logprobs");
  ASSERT_EQ(prompt.as_array().size(), 2U);
  EXPECT_TRUE(prompt.at(0).is_null());
  EXPECT_EQ(prompt.at(1).at("127").at("rank").as_int64(), 7);
  EXPECT_EQ(prompt.at(1).at("39").at("decoded_token").as_string(), "H");
  EXPECT_EQ(answer.at("choices").at(0).at("token_ids"), (json::array{39, 127}));
  EXPECT_EQ(answer.at("prompt_token_ids").as_array().size(), generator_.last().prompt.size());
  // A token whose text is still to come waits for it.
  const auto events = events_of(chat(R"(, "logprobs": true, "stream": true)")->body);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[1].at("choices").at(0).at("logprobs").at("content").as_array().size(), 2U);
}

TEST_F(ServiceTest, ShowsWhatStopped) {
  generator_.deltas = {{.text = "x", .finish = FinishReason::kStop, .stop_text = "END"}};
  EXPECT_EQ(choice_of(chat("")).at("stop_reason").as_string(), "END");
  generator_.deltas = {
      {.text = "x", .finish = FinishReason::kStop, .stop_token = base::TokenId{5}}};
  EXPECT_EQ(choice_of(chat("")).at("stop_reason").as_int64(), 5);
}

TEST_F(ServiceTest, SplitsReasoningWithEitherTemplate) {
  for (const bool is_in_prompt : {true, false}) {
    serve_template(std::string("{{ messages[0].content }}<A>") +
                       (is_in_prompt ? "{% if add_generation_prompt %}<think>\n{% endif %}" : ""),
                   true);
    std::vector<std::string> pieces = {"hm", "m\n</", "think>\n", "\nfour", "."};
    if (!is_in_prompt) pieces.insert(pieces.begin(), {"<thi", "nk>\n"});
    generator_.say(pieces);
    const json::value message = choice_of(chat("")).at("message");
    EXPECT_EQ(message.at("reasoning_content").as_string(), "hmm");
    EXPECT_EQ(message.at("content").as_string(), "four.");
    const auto exchange = chat(R"(, "stream": true)");
    EXPECT_EQ(joined(events_of(exchange->body), "reasoning_content"), "hmm");
    EXPECT_EQ(joined(events_of(exchange->body), "content"), "four.");
    EXPECT_EQ(exchange->body.find("think>"), std::string::npos);
    const json::value answer = json::parse(chat("")->body);
    EXPECT_GT(answer.at("usage").at("completion_tokens_details").at("reasoning_tokens").as_int64(),
              1);
  }
  // Cut off within: all is reasoning, and there is no content.
  serve_template("{{ messages[0].content }}<think>\n", true);
  generator_.say({"and so"}, FinishReason::kLength);
  const json::value message = choice_of(chat("")).at("message");
  EXPECT_TRUE(message.at("content").is_null());
  EXPECT_EQ(message.at("reasoning_content").as_string(), "and so");
  // A form leaves no room for it: the prompt closes the tag.
  generator_.say({"{}"});
  EXPECT_EQ(choice_of(chat(R"(, "response_format": {"type": "json_object"})"))
                .at("message")
                .at("content")
                .as_string(),
            "{}");
  EXPECT_TRUE(last_prompt().ends_with("<think>\n\n</think>\n\n"));
}

TEST_F(ServiceTest, SplitsReasoningWithBothPublishedTemplates) {
  const auto folder = std::filesystem::path(FATHOM_SOURCE_DIR) / "tests/data/templates";
  for (const bool is_in_prompt : {true, false}) {
    std::ifstream file(folder /
                       (is_in_prompt ? "deepseek_r1_think.jinja" : "deepseek_r1_original.jinja"));
    std::stringstream source;
    source << file.rdbuf();
    ASSERT_GT(source.str().size(), 100U);
    serve_template(source.str(), true);
    const std::string opening = is_in_prompt ? "" : "<think>\n";
    generator_.say({opening + "one and", " one\n</think>", "\n\ntwo"});
    const json::value message = choice_of(chat("")).at("message");
    EXPECT_EQ(message.at("reasoning_content").as_string(), "one and one");
    EXPECT_EQ(message.at("content").as_string(), "two");
    EXPECT_EQ(last_prompt().ends_with("<think>\n"), is_in_prompt);
    // A tool's result, for which these templates would not ask for an answer.
    const std::string body = R"({"model": "demo", "messages": [
        {"role": "user", "content": "Q"}, {"role": "assistant", "content": null, "tool_calls": [
          {"id": "c", "function": {"name": "weather", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "snow"}])";
    generator_.say({opening + "so</think>It snows."});
    const json::value answer =
        choice_of(post("/v1/chat/completions", body + kTools + "}")).at("message");
    EXPECT_EQ(answer.at("content").as_string(), "It snows.");
    EXPECT_NE(last_prompt().find("snow\n</tool_response><｜Assistant｜>"), std::string::npos)
        << last_prompt();
  }
}

TEST_F(ServiceTest, CallsTools) {
  generator_.say({"Let me see.\n<tool_", "call>{\"name\": \"weather\", \"argu",
                  "ments\": {\"city\": \"Ber", "lin\"}}</tool_call>"});
  const json::value choice = choice_of(chat(kTools));
  EXPECT_EQ(choice.at("finish_reason").as_string(), "tool_calls");
  EXPECT_EQ(choice.at("message").at("content").as_string(), "Let me see.");
  const json::value& call = choice.at("message").at("tool_calls").at(0);
  EXPECT_EQ(call.at("function").at("name").as_string(), "weather");
  EXPECT_EQ(call.at("function").at("arguments").as_string(), R"({"city": "Berlin"})");
  EXPECT_FALSE(generator_.last().grammar);
  EXPECT_NE(last_prompt().find("Says the weather"), std::string::npos);

  const auto events = events_of(chat(std::string(kTools) + R"(, "stream": true)")->body);
  std::string name;
  std::string arguments;
  for (const json::value& event : events) {
    const json::object& delta = event.at("choices").at(0).at("delta").as_object();
    if (!delta.contains("tool_calls")) continue;
    const json::object& piece = delta.at("tool_calls").at(0).as_object();
    EXPECT_EQ(piece.at("index").as_int64(), 0);
    if (piece.contains("id")) name += std::string_view(piece.at("function").at("name").as_string());
    arguments += std::string_view(piece.at("function").at("arguments").as_string());
  }
  EXPECT_EQ(name, "weather");
  EXPECT_EQ(arguments, R"({"city": "Berlin"})");
  EXPECT_EQ(events.back().at("choices").at(0).at("finish_reason").as_string(), "tool_calls");
}

TEST_F(ServiceTest, ForcesCalls) {
  generator_.say({R"({"name":"weather","argum)", R"(ents":{"city":"Rome"}})"});
  for (const char* const tool_choice :
       {R"("required")", R"({"type":"function","function":{"name":"weather"}})"}) {
    const json::value choice =
        choice_of(chat(std::string(kTools) + R"(, "tool_choice": )" + tool_choice));
    const json::value& message = choice.at("message");
    EXPECT_TRUE(message.at("content").is_null());
    EXPECT_EQ(message.at("tool_calls").at(0).at("function").at("arguments").as_string(),
              R"({"city":"Rome"})");
    ASSERT_TRUE(generator_.last().grammar);
  }
  generator_.say({"plain"});
  EXPECT_EQ(choice_of(chat(std::string(kTools) + R"(, "tool_choice": "none")"))
                .at("message")
                .at("content")
                .as_string(),
            "plain");
  EXPECT_FALSE(generator_.last().grammar);
  EXPECT_EQ(last_prompt().find("weather"), std::string::npos);
}

TEST_F(ServiceTest, ShowsEarlierCallsToAnyTemplate) {
  const std::string body = R"({"model": "demo", "messages": [
      {"role": "user", "content": "Q"},
      {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function",
       "function": {"name": "weather", "arguments": "{\"city\": \"Oslo\"}"}}]},
      {"role": "tool", "tool_call_id": "c1", "content": "snow"}])" +
                           std::string(kTools) + "}";
  EXPECT_EQ(post("/v1/chat/completions", body)->status, 200);
  EXPECT_NE(last_prompt().find(R"(<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}<)"),
            std::string::npos)
      << last_prompt();
  EXPECT_NE(last_prompt().find("<tool_response>\nsnow\n"), std::string::npos);
  serve_template(
      "{% for t in tools %}T:{{ t.function.name }};{% endfor %}{% for m in messages %}"
      "{{ m.role }}:{{ m.content }}{% for c in m.tool_calls %}{{ c.function.arguments.city }}"
      "{% endfor %};{% endfor %}");
  EXPECT_EQ(post("/v1/chat/completions", body)->status, 200);
  EXPECT_EQ(last_prompt(), "T:weather;user:Q;assistant:NoneOslo;tool:snow;");
}

TEST_F(ServiceTest, ContinuesTheLastMessage) {
  const std::string messages =
      R"({"model": "demo", "continue_final_message": true, "messages": [
          {"role": "user", "content": "Q"}, {"role": "assistant", "content": "It is "}])";
  EXPECT_EQ(choice_of(post("/v1/chat/completions", messages + R"(, "echo": true})"))
                .at("message")
                .at("content")
                .as_string(),
            "It is Hi there!");
  EXPECT_TRUE(last_prompt().ends_with("Assistant: It is")) << last_prompt();
  EXPECT_EQ(post("/v1/chat/completions", messages + R"(, "add_generation_prompt": true})")->status,
            400);
}

}  // namespace
}  // namespace fathom::serve
