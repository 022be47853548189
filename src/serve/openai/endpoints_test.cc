// Responses, embeddings, tokens and templates.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <thread>

#include "serve/openai/answer/embedding_answer.h"
#include "serve/openai/testing/events_test_data.h"
#include "serve/openai/testing/service_test_data.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using engine::FinishReason;

std::string fault_of(const std::shared_ptr<FakeExchange>& exchange) {
  if (exchange->status != 400) return "none";
  const json::value param = json::parse(exchange->body).at("error").at("param");
  return param.is_string() ? std::string(param.as_string()) : "";
}

TEST_F(ServiceTest, AnswersAResponse) {
  const auto exchange = post("/v1/responses", R"({"model": "demo", "input": "Q",
      "instructions": "Be brief.", "max_output_tokens": 9, "temperature": 0.5, "store": false,
      "metadata": {"a": "b"}, "reasoning": {"effort": "low"}})");
  ASSERT_EQ(exchange->status, 200) << exchange->body;
  const json::value answer = json::parse(exchange->body);
  EXPECT_TRUE(answer.at("id").as_string().starts_with("resp_"));
  EXPECT_EQ(answer.at("status").as_string(), "completed");
  EXPECT_EQ(answer.at("output").at(0).at("type").as_string(), "message");
  EXPECT_EQ(answer.at("output").at(0).at("content").at(0).at("text").as_string(), "Hi there!");
  EXPECT_EQ(answer.at("usage").at("output_tokens").as_int64(), 3);
  EXPECT_EQ(answer.at("usage").at("input_tokens_details").at("cached_tokens").as_int64(), 4);
  EXPECT_EQ(answer.at("metadata").at("a").as_string(), "b");
  EXPECT_EQ(answer.at("instructions").as_string(), "Be brief.");
  EXPECT_NE(last_prompt().find("Be brief."), std::string::npos);
  EXPECT_EQ(generator_.last().stop.max_tokens, 9);
  generator_.say({"cut"}, FinishReason::kLength);
  const json::value cut =
      json::parse(post("/v1/responses", R"({"model":"demo","input":"Q"})")->body);
  EXPECT_EQ(cut.at("status").as_string(), "incomplete");
  EXPECT_EQ(cut.at("incomplete_details").at("reason").as_string(), "max_output_tokens");
}

TEST_F(ServiceTest, StreamsAResponse) {
  const auto exchange = post("/v1/responses", R"({"model":"demo","input":"Q","stream":true})");
  EXPECT_EQ(event_names(exchange->body),
            (std::vector<std::string>{"response.created", "response.in_progress",
                                      "response.output_item.added", "response.content_part.added",
                                      "response.output_text.delta", "response.output_text.delta",
                                      "response.output_text.done", "response.content_part.done",
                                      "response.output_item.done", "response.completed"}));
  const auto events = events_of(exchange->body);
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].at("sequence_number").to_number<std::size_t>(), i);
  }
  EXPECT_EQ(events[6].at("text").as_string(), "Hi there!");
  EXPECT_EQ(events[9].at("response").at("usage").at("total_tokens").as_int64(),
            std::ssize(generator_.last().prompt) + 3);
}

TEST_F(ServiceTest, ReasonsAndCallsInAResponse) {
  serve_template("{{ messages[0].content }}<think>\n", true);
  generator_.say(
      {"hm</think>\n<tool_call>{\"name\": \"f\", \"arguments\": {\"a\"", ": 1}}</tool_call>"});
  const std::string body = R"({"model":"demo","input":"Q","tools":
      [{"type":"function","name":"f","parameters":{"type":"object"}}])";
  const json::value answer = json::parse(post("/v1/responses", body + "}")->body);
  ASSERT_EQ(answer.at("output").as_array().size(), 2U);
  EXPECT_EQ(answer.at("output").at(0).at("content").at(0).at("text").as_string(), "hm");
  EXPECT_EQ(answer.at("output").at(1).at("type").as_string(), "function_call");
  EXPECT_EQ(answer.at("output").at(1).at("arguments").as_string(), R"({"a": 1})");
  const auto exchange = post("/v1/responses", body + R"(, "stream": true})");
  EXPECT_EQ(
      event_names(exchange->body),
      (std::vector<std::string>{
          "response.created", "response.in_progress", "response.output_item.added",
          "response.content_part.added", "response.reasoning_text.delta",
          "response.reasoning_text.done", "response.content_part.done", "response.output_item.done",
          "response.output_item.added", "response.function_call_arguments.delta",
          "response.function_call_arguments.delta", "response.function_call_arguments.done",
          "response.output_item.done", "response.completed"}));
}

TEST_F(ServiceTest, ReadsItemsOfAResponse) {
  const auto exchange = post("/v1/responses", R"({"model": "demo", "input": [
      {"role": "developer", "content": "D"},
      {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "U"}]},
      {"type": "reasoning", "id": "r", "summary": []},
      {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{}"},
      {"type": "function_call_output", "call_id": "c", "output": "42"}]})");
  ASSERT_EQ(exchange->status, 200) << exchange->body;
  for (const char* const text : {"D\n", "User: U", "<tool_call>{\"name\": \"f\"", "\n42\n"}) {
    EXPECT_NE(last_prompt().find(text), std::string::npos) << last_prompt();
  }
}

TEST_F(ServiceTest, RefusesWhatResponsesCannotKeep) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("previous_response_id": "resp_1")", "previous_response_id"},
      {R"("store": true)", "store"},
      {R"("background": true)", "background"},
      {R"("truncation": "auto")", "truncation"},
      {R"("include": ["message.output_text.logprobs"])", "include"},
      {R"("tools": [{"type": "web_search"}])", "tools[0].type"},
      {R"("n": 2)", "n"},
      {R"("max_output_tokens": 0)", "max_output_tokens"},
      {R"("text": {"format": {"type": "xml"}})", "text.format.type"},
      {R"("input": [{"type": "item_reference", "id": "x"}])", "input[0].type"},
      {R"("input": [{"type": "function_call", "name": "f", "arguments": "["}])",
       "input[0].arguments.function.arguments"},
      {R"("input": [{"role": "user", "content": [{"type": "input_image"}]}])", "input[0].content"},
  };
  for (const auto& [field, name] : cases) {
    const bool has_input = std::string_view(field).starts_with("\"input\"");
    const auto exchange =
        post("/v1/responses", std::string(R"({"model":"demo",)") +
                                  (has_input ? "" : R"("input":"Q",)") + field + "}");
    EXPECT_EQ(fault_of(exchange), name) << exchange->body;
  }
  EXPECT_EQ(post("/v1/responses", R"({"model":"demo","input":"Q","text":{"format":
      {"type":"json_schema","name":"n","schema":{"type":"object"}}}})")
                ->status,
            200);
  EXPECT_TRUE(generator_.last().grammar);
}

TEST_F(ServiceTest, FailsAResponseInMidStream) {
  generator_.waits = true;
  auto exchange = send("POST", "/v1/responses", R"({"model":"demo","input":"Q","stream":true})");
  ASSERT_TRUE(exchange->wait_until_submitted());
  generator_.pending()[0]({.text = "a"});
  generator_.pending()[0]({.finish = FinishReason::kError,
                           .error = base::fail(base::ErrorCode::kInternal, "model", "broken")});
  ASSERT_TRUE(exchange->wait());
  EXPECT_EQ(event_names(exchange->body).back(), "response.failed");
}

TEST_F(ServiceTest, Embeds) {
  const auto exchange =
      post("/v1/embeddings", R"({"model":"demo","input":["a b","c"],"pooling":"last"})");
  ASSERT_EQ(exchange->status, 200) << exchange->body;
  const json::value answer = json::parse(exchange->body);
  ASSERT_EQ(answer.at("data").as_array().size(), 2U);
  EXPECT_EQ(answer.at("data").at(1).at("index").as_int64(), 1);
  EXPECT_FLOAT_EQ(answer.at("data").at(0).at("embedding").at(0).to_number<float>(), 0.6F);
  EXPECT_FLOAT_EQ(answer.at("data").at(0).at("embedding").at(1).to_number<float>(), 0.8F);
  const auto requests = generator_.embeddings();
  EXPECT_EQ(requests[0].pooling, engine::Pooling::kLast);
  EXPECT_EQ(answer.at("usage").at("prompt_tokens").to_number<std::size_t>(),
            requests[0].prompt.size() + requests[1].prompt.size());
  const json::value packed = json::parse(
      post("/v1/embeddings",
           R"({"model":"demo","input":[[1],[2]],"encoding_format":"base64","dimensions":3})")
          ->body);
  EXPECT_EQ(packed.at("data").at(0).at("embedding").as_string(), "mpkZP83MTD8AAAAA");
  EXPECT_EQ(fault_of(post("/v1/embeddings", R"({"model":"demo","input":"a","dimensions":2})")),
            "dimensions");
  EXPECT_EQ(fault_of(post("/v1/embeddings", R"({"model":"demo","input":[9999]})")), "input");
}

TEST_F(ServiceTest, EmbedsManyAFewAtATime) {
  std::string inputs = "[[1]";
  for (int i = 1; i < 1000; ++i) inputs += ",[" + std::to_string(i) + "]";
  const auto exchange = post("/v1/embeddings", R"({"model":"demo","input":)" + inputs + "]}");
  EXPECT_EQ(json::parse(exchange->body).at("data").as_array().size(), 1000U);
  generator_.waits = true;
  const std::size_t before = generator_.embeddings().size();
  auto waiting = send("POST", "/v1/embeddings", R"({"model":"demo","input":)" + inputs + "]}");
  while (generator_.embeddings().size() < before + 8) std::this_thread::yield();
  ASSERT_TRUE(waiting->leave());
  EXPECT_EQ(generator_.embeddings().size(), before + 8);
  for (int i = 0; i < 1000 && generator_.cancelled().size() < 8; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(generator_.cancelled().size(), 8U);
}

TEST(EmbeddingAnswer, EncodesBase64) {
  const auto encode = [](const std::string& text) {
    return to_base64({reinterpret_cast<const unsigned char*>(text.data()), text.size()});
  };
  EXPECT_EQ(encode(""), "");
  EXPECT_EQ(encode("f"), "Zg==");
  EXPECT_EQ(encode("fo"), "Zm8=");
  EXPECT_EQ(encode("foo"), "Zm9v");
  EXPECT_EQ(encode("foob\xff"), "Zm9vYv8=");
  std::vector<float> zeros(3);
  normalize(zeros);
  EXPECT_EQ(zeros, std::vector<float>(3));
}

TEST_F(ServiceTest, TokenizesAndBack) {
  const json::value plain = json::parse(
      post("/tokenize", R"({"model":"demo","prompt":"Hello","return_token_strs":true})")->body);
  EXPECT_EQ(plain.at("tokens"), (json::array{4094, 39, 3964}));
  EXPECT_EQ(plain.at("count").as_int64(), 3);
  EXPECT_EQ(plain.at("max_model_len").as_int64(), 400);
  EXPECT_EQ(plain.at("token_strs").at(1).as_string(), "H");
  EXPECT_EQ(json::parse(post("/tokenize", R"({"prompt":"Hello","add_special_tokens":false})")->body)
                .at("tokens"),
            (json::array{39, 3964}));
  const json::value chat =
      json::parse(post("/tokenize", R"({"messages":[{"role":"user","content":"Hello"}]})")->body);
  EXPECT_EQ(chat.at("tokens").at(0).as_int64(), 4094);
  EXPECT_TRUE(chat.at("token_strs").is_null());
  EXPECT_EQ(
      json::parse(post("/detokenize", R"({"tokens":[39,3964]})")->body).at("prompt").as_string(),
      "Hello");
  EXPECT_EQ(fault_of(post("/detokenize", R"({"tokens":[4096]})")), "tokens");
  EXPECT_EQ(post("/tokenize", R"({"model":"other","prompt":"x"})")->status, 404);
}

TEST_F(ServiceTest, ShowsTheTemplatesText) {
  const std::string body = R"({"messages":[{"role":"user","content":"Hello"}])";
  EXPECT_EQ(json::parse(post("/apply-template", body + "}")->body).at("prompt").as_string(),
            "<｜begin▁of▁sentence｜>User: Hello\n\nAssistant:");
  EXPECT_EQ(fault_of(post("/apply-template", body + R"(, "chat_template": "x"})")),
            "chat_template");
  serve(demo_model(), {.allows_request_templates = true});
  EXPECT_EQ(
      json::parse(post("/apply-template", body + R"(, "chat_template": "{{ bos_token }}x"})")->body)
          .at("prompt")
          .as_string(),
      "<｜begin▁of▁sentence｜>x");
  EXPECT_EQ(post("/apply-template", body + R"(, "chat_template": "{% for %}"})")->status, 400);
}

}  // namespace
}  // namespace fathom::serve
