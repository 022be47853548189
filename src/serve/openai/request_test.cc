// What requests may say: every field is read, harmless, or refused by its name.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "serve/openai/request/chat_request.h"
#include "serve/openai/request/completion_request.h"
#include "serve/openai/request/embedding_request.h"
#include "serve/openai/request/token_request.h"

namespace fathom::serve {
namespace {

std::string chat_body(const std::string& fields) {
  return R"({"model": "m", "messages": [{"role": "user", "content": "Q"}])" + fields + "}";
}

std::string field_at_fault(const std::string& fields) {
  const auto request = parse_chat_request(chat_body(fields));
  return request ? "none" : request.error().where;
}

const std::pair<const char*, const char*> kBadChatFields[] = {
    {R"(, "temperature": 3)", "temperature"},
    {R"(, "temperature": "hot")", "temperature"},
    {R"(, "top_p": 0)", "top_p"},
    {R"(, "max_tokens": 0)", "max_tokens"},
    {R"(, "max_tokens": 1e30)", "max_tokens"},
    {R"(, "max_tokens": 18446744073709551615)", "max_tokens"},
    {R"(, "max_completion_tokens": -1)", "max_completion_tokens"},
    {R"(, "stop": [""])", "stop"},
    {R"(, "stop": ["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])",
     "stop"},
    {R"(, "n": 17)", "n"},
    {R"(, "n": 0)", "n"},
    {R"(, "logprobs": 3)", "logprobs"},
    {R"(, "top_logprobs": 3)", "top_logprobs"},
    {R"(, "logprobs": true, "top_logprobs": 21)", "top_logprobs"},
    {R"(, "prompt_logprobs": 1, "stream": true)", "prompt_logprobs"},
    {R"(, "tools": [{}])", "tools[0].type"},
    {R"(, "tools": [{"type": "function", "function": {"name": "a b"}}])", "tools[0].function.name"},
    {R"(, "tools": [{"type": "function", "function": {"name": "a"}},
                      {"type": "function", "function": {"name": "a"}}])",
     "tools"},
    {R"(, "tool_choice": "required")", "tool_choice"},
    {R"(, "tool_choice": {"type": "function", "function": {"name": "a"}})", "tool_choice"},
    {R"(, "response_format": {"type": "xml"})", "response_format.type"},
    {R"(, "response_format": {"type": "json_schema"})", "response_format.schema"},
    {R"(, "response_format": {"type": "json_schema", "json_schema": {"name": "a"}})",
     "response_format.json_schema.schema"},
    {R"(, "response_format": {"type": "json_object"}, "guided_regex": "a")", "guided_regex"},
    {R"(, "structured_outputs": {"regex": "a", "choice": ["b"]})", "structured_outputs.choice"},
    {R"(, "structured_outputs": {"xml": "a"})", "structured_outputs.xml"},
    {R"(, "response_format": {"type": "json_object"},
           "tools": [{"type": "function", "function": {"name": "a"}}])",
     "response_format"},
    {R"(, "frequency_penalty": 2.5)", "frequency_penalty"},
    {R"(, "repetition_penalty": 0)", "repetition_penalty"},
    {R"(, "logit_bias": {"a": 1})", "logit_bias"},
    {R"(, "logit_bias": {"1": 101})", "logit_bias"},
    {R"(, "logit_bias": {"1": 1, "01": 1})", "logit_bias"},
    {R"(, "logit_bias": {"99999999999999999999": 1})", "logit_bias"},
    {R"(, "no_such_field": 1)", "no_such_field"},
    {R"(, "stream_options": {})", "stream_options"},
    {R"(, "stream": true, "stream_options": {"x": 1})", "stream_options.x"},
    {R"(, "stream": "yes")", "stream"},
    {R"(, "seed": 1.5)", "seed"},
    {R"(, "min_tokens": -1)", "min_tokens"},
    {R"(, "stop_token_ids": [-1])", "stop_token_ids"},
    {R"(, "allowed_token_ids": [1.5])", "allowed_token_ids"},
    {R"(, "bad_words": [""])", "bad_words"},
    {R"(, "truncate_prompt_tokens": 0)", "truncate_prompt_tokens"},
    {R"(, "priority": 1e300)", "priority"},
    {R"(, "request_id": "a b")", "request_id"},
    {R"(, "echo": true)", "echo"},
    {R"(, "chat_template_kwargs": {"tokenize": true})", "chat_template_kwargs.tokenize"},
    {R"(, "chat_template_kwargs": {"messages": []})", "chat_template_kwargs.messages"},
    {R"(, "modalities": ["audio"])", "modalities"},
    {R"(, "best_of": 2)", "best_of"},
};

TEST(ChatRequest, RefusesBadFieldsByName) {
  for (const auto& [fields, name] : kBadChatFields) {
    EXPECT_EQ(field_at_fault(fields), name) << fields;
  }
}

TEST(ChatRequest, AcceptsWhatAsksForNothing) {
  EXPECT_EQ(field_at_fault(R"(, "n": 1, "logprobs": false, "top_logprobs": 0, "tools": [],
      "tool_choice": "auto", "user": "u", "presence_penalty": 0, "seed": null, "stop": null,
      "response_format": {"type": "text"}, "stream": false, "parallel_tool_calls": true,
      "reasoning_effort": "high", "metadata": {"a": "b"}, "store": true, "functions": [],
      "service_tier": "auto", "chat_template_kwargs": {"enable_thinking": false},
      "structured_outputs": null, "best_of": null, "web_search_options": {})"),
            "none");
}

TEST(ChatRequest, RefusesBadMessages) {
  const std::pair<const char*, const char*> cases[] = {
      {R"([])", "messages"},
      {R"({})", "messages"},
      {R"(["x"])", "messages[0]"},
      {R"([{"role":"robot","content":"x"}])", "messages[0].role"},
      {R"([{"role":"user"}])", "messages[0].content"},
      {R"([{"role":"user","content":7}])", "messages[0].content"},
      {R"([{"role":"user","content":[{"type":"image_url"}]}])", "messages[0].content"},
      {R"([{"role":"user","content":"x","tool_calls":[1]}])", "messages[0].tool_calls"},
      {R"([{"role":"user","content":"x","audio":{"id":"a"}}])", "messages[0].audio"},
      {R"([{"role":"tool","content":"x"}])", "messages[0].tool_call_id"},
      {R"([{"role":"assistant","tool_calls":[{"function":{"name":""}}]}])",
       "messages[0].tool_calls[0].function.name"},
      {R"([{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{"}}]}])",
       "messages[0].tool_calls[0].function.arguments"},
  };
  for (const auto& [messages, where] : cases) {
    const auto request =
        parse_chat_request(std::string(R"({"model":"m","messages":)") + messages + "}");
    ASSERT_FALSE(request) << messages;
    EXPECT_EQ(request.error().where, where) << messages;
  }
  EXPECT_FALSE(parse_chat_request("{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}"));
}

TEST(ChatRequest, ReadsMessages) {
  const auto request = parse_chat_request(R"({"model": "m", "messages": [
      {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
      {"role": "assistant", "reasoning_content": "r", "content": null, "tool_calls":
        [{"id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
      {"role": "tool", "tool_call_id": "1", "content": "42", "name": "f"}]})");
  ASSERT_TRUE(request) << request.error().text();
  const auto& messages = request->conversation.messages;
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[0].content, "ab");
  EXPECT_EQ(messages[1].reasoning, "r");
  EXPECT_FALSE(messages[1].content);
  EXPECT_EQ(messages[1].tool_calls[0].arguments, "{}");
  EXPECT_EQ(messages[2].tool_call_id, "1");
}

TEST(ChatRequest, ReadsStructuredOutputs) {
  using Kind = StructuredOutput::Kind;
  const std::tuple<const char*, Kind, const char*> cases[] = {
      {R"(, "response_format": {"type": "json_object"})", Kind::kJsonObject, ""},
      {R"(, "response_format": {"type": "json_schema", "json_schema":
            {"name": "n", "strict": true, "schema": {"type": "object"}}})",
       Kind::kJsonSchema, R"({"type":"object"})"},
      {R"(, "structured_outputs": {"json": "{\"type\": \"string\"}"})", Kind::kJsonSchema,
       R"({"type": "string"})"},
      {R"(, "structured_outputs": {"grammar": "root ::= \"a\""})", Kind::kEbnf, "root ::= \"a\""},
      {R"(, "structured_outputs": {"choice": ["a", "b"]})", Kind::kChoice, ""},
      {R"(, "structured_outputs": {"json_object": true})", Kind::kJsonObject, ""},
      {R"(, "guided_json": {"type": "string"})", Kind::kJsonSchema, R"({"type":"string"})"},
      {R"(, "guided_regex": "a+")", Kind::kRegex, "a+"},
      {R"(, "guided_choice": ["a"])", Kind::kChoice, ""},
      {R"(, "guided_grammar": "x")", Kind::kEbnf, "x"},
  };
  for (const auto& [fields, kind, text] : cases) {
    const auto request = parse_chat_request(chat_body(fields));
    ASSERT_TRUE(request) << request.error().text();
    EXPECT_EQ(request->options.structured.kind, kind) << fields;
    EXPECT_EQ(request->options.structured.text, text);
  }
}

TEST(CallSchema, KeepsReferencesWhole) {
  const auto request = parse_chat_request(chat_body(R"(, "tool_choice": "required", "tools": [
      {"type": "function", "function": {"name": "a", "parameters": {"type": "object",
        "properties": {"x": {"$ref": "#/$defs/X"}}, "$defs": {"X": {"type": "string"}}}}},
      {"type": "function", "function": {"name": "b", "parameters": {"type": "object",
        "properties": {"next": {"$ref": "#"}}}}}])"));
  ASSERT_TRUE(request) << request.error().text();
  const auto schema = boost::json::parse(call_schema(request->conversation));
  EXPECT_EQ(schema.at("anyOf").as_array().size(), 2U);
  const auto& a = schema.at("anyOf").at(0).at("properties");
  EXPECT_EQ(a.at("name").at("const").as_string(), "a");
  EXPECT_EQ(a.at("arguments").at("properties").at("x").at("$ref").as_string(), "#/$defs/a:X");
  EXPECT_EQ(schema.at("$defs").at("a:X").at("type").as_string(), "string");
  EXPECT_EQ(schema.at("$defs").at("b").at("properties").at("next").at("$ref").as_string(),
            "#/$defs/b");
}

TEST(CompletionRequest, RefusesBadFieldsByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("prompt": "a", "logprobs": 6)", "logprobs"},
      {R"("prompt": "a", "best_of": 2)", "best_of"},
      {R"("prompt": "a", "max_tokens": 0)", "max_tokens"},
      {R"("prompt": "a", "max_tokens": 0, "echo": true, "stream": true)", "max_tokens"},
      {R"("prompt": "a", "messages": [1])", "messages"},
      {R"("prompt": [])", "prompt"},
      {R"("prompt": [[]])", "prompt"},
      {R"("prompt": [1, "a"])", "prompt"},
      {R"("prompt": [{}])", "prompt"},
      {R"("prompt": [-1])", "prompt"},
      {R"("prompt": 7)", "prompt"},
      {R"("n": 1)", "prompt"},
      {R"("prompt": [1], "suffix": "b")", "suffix"},
      {R"("prompt": "a", "suffix": "b", "echo": true)", "suffix"},
      {R"("prompt": ["a","a","a","a","a","a","a","a","a"], "n": 16)", "n"},
  };
  for (const auto& [fields, name] : cases) {
    const auto request = parse_completion_request(std::string(R"({"model": "m", )") + fields + "}");
    ASSERT_FALSE(request) << fields;
    EXPECT_EQ(request.error().where, name) << fields;
  }
  EXPECT_EQ(parse_completion_request(R"({"model":"m","prompt":["a",[1,2]],"n":2,"best_of":2})")
                ->prompts.size(),
            2U);
}

TEST(OtherRequests, RefuseBadFieldsByName) {
  const std::pair<const char*, const char*> embeddings[] = {
      {R"("input": "")", "input"},
      {R"("input": ["a", ""])", "input"},
      {R"("input": "a", "encoding_format": "hex")", "encoding_format"},
      {R"("input": "a", "pooling": "max")", "pooling"},
      {R"("input": "a", "dimensions": 0)", "dimensions"},
      {R"("input": "a", "temperature": 1)", "temperature"},
  };
  for (const auto& [fields, name] : embeddings) {
    const auto request = parse_embeddings_request(std::string(R"({"model": "m", )") + fields + "}");
    ASSERT_FALSE(request) << fields;
    EXPECT_EQ(request.error().where, name);
  }
  EXPECT_EQ(parse_tokenize_request(R"({"prompt":"a","messages":[]})").error().where, "prompt");
  EXPECT_EQ(parse_tokenize_request(R"({"prompt":"a","x":1})").error().where, "x");
  EXPECT_EQ(parse_detokenize_request(R"({"tokens":"a"})").error().where, "tokens");
  EXPECT_EQ(parse_detokenize_request("{}").error().where, "tokens");
  EXPECT_EQ(parse_template_request(R"({"messages":[]})").error().where, "messages");
}

}  // namespace
}  // namespace fathom::serve
