// Input items become messages; the rest is shared with chat.
#include "serve/openai/request/responses_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

#include "serve/openai/request/field_reader.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using base::Result;

// Ids and states that answers carry and clients send back.
constexpr std::array<std::string_view, 3> kItemExtras = {"id", "status", "phase"};

Result<void> add_message(FieldReader& fields, std::vector<Message>& messages) {
  Message message;
  message.role = TRY(fields.text("role"));
  if (message.role == "developer") message.role = "system";
  if (message.role != "user" && message.role != "system" && message.role != "assistant") {
    return fields.bad("role", "must be user, system, developer or assistant");
  }
  const json::value* content = fields.find("content");
  if (content == nullptr) return fields.bad("content", "missing");
  message.content = TRY(read_content(*content, fields.path_of("content")));
  messages.push_back(std::move(message));
  return {};
}

// A call belongs to the assistant's message before it, if there is one.
Result<void> add_call(FieldReader& fields, std::vector<Message>& messages) {
  ToolCall call;
  call.id = TRY(fields.text("call_id"));
  call.name = TRY(fields.text("name"));
  if (call.name.empty()) return fields.bad("name", "missing");
  const std::string arguments = TRY(fields.text("arguments"));
  // The same check as chat's.
  const json::value as_chat{
      {"function", json::object{{"name", call.name}, {"arguments", arguments}}}};
  call.arguments = TRY(read_tool_call(as_chat, fields.path_of("arguments")))
  .arguments;
  if (messages.empty() || messages.back().role != "assistant") {
    messages.push_back({.role = "assistant"});
  }
  messages.back().tool_calls.push_back(std::move(call));
  return {};
}

Result<void> add_call_output(FieldReader& fields, std::vector<Message>& messages) {
  Message message{.role = "tool"};
  message.tool_call_id = TRY(fields.text("call_id"));
  if (message.tool_call_id.empty()) return fields.bad("call_id", "missing");
  const json::value* output = fields.find("output");
  if (output == nullptr) return fields.bad("output", "missing");
  message.content = TRY(read_content(*output, fields.path_of("output")));
  messages.push_back(std::move(message));
  return {};
}

Result<void> add_item(const json::value& value, const std::string& where,
                      std::vector<Message>& messages) {
  if (!value.is_object()) return bad_field(where, "not an object");
  FieldReader fields(value.get_object(), where);
  const std::string type = TRY(fields.text("type"));
  if (type.empty() || type == "message") {
    TRY(add_message(fields, messages));
  } else if (type == "function_call") {
    TRY(add_call(fields, messages));
  } else if (type == "function_call_output") {
    TRY(add_call_output(fields, messages));
  } else if (type == "reasoning") {
    return {};  // models do not see the reasoning of earlier turns
  } else {
    return fields.bad("type", "only messages, function calls, their outputs and reasoning");
  }
  return fields.refuse_rest(kItemExtras);
}

Result<std::vector<Message>> read_input(FieldReader& fields) {
  std::vector<Message> messages;
  const std::string instructions = TRY(fields.text("instructions"));
  if (!instructions.empty()) messages.push_back({.role = "system", .content = instructions});
  const json::value* input = fields.find("input");
  if (input == nullptr) return fields.bad("input", "missing");
  if (input->is_string()) {
    messages.push_back({.role = "user", .content = std::string(input->get_string())});
    return messages;
  }
  if (!input->is_array() || input->get_array().empty()) {
    return fields.bad("input", "neither a string nor a list with items");
  }
  if (input->get_array().size() > kMaxMessages) {
    return fields.bad("input", fmt::format("more than {} items", kMaxMessages));
  }
  std::size_t index = 0;
  for (const json::value& item : input->get_array()) {
    TRY(add_item(item, fmt::format("input[{}]", index++), messages));
  }
  if (messages.empty()) return fields.bad("input", "holds no message");
  return messages;
}

// What chat has and this endpoint does not answer to.
Result<void> refuse_chat_only(FieldReader& fields, const GenerationOptions& options) {
  if (options.num_answers != 1) return fields.bad("n", "this endpoint gives one answer");
  if (options.prompt_logprobs) return fields.bad("prompt_logprobs", "not at this endpoint");
  if (options.return_token_ids) return fields.bad("return_token_ids", "not at this endpoint");
  if (options.include_usage || options.continuous_usage) {
    return fields.bad("stream_options", "usage always comes with the last event here");
  }
  if (TRY(fields.boolean("store"))) return fields.bad("store", "responses are not stored here");
  const std::string truncation = TRY(fields.text("truncation"));
  if (!truncation.empty() && truncation != "disabled") {
    return fields.bad("truncation", "must be disabled: prompts are never cut unasked");
  }
  for (const std::string& each : TRY(fields.texts("include", {}))) {
    // There is nothing encrypted: reasoning comes as it is.
    if (each != "reasoning.encrypted_content") return fields.bad("include", "not implemented");
  }
  return {};
}

Result<void> read_text(FieldReader& fields, GenerationOptions& options) {
  const json::object* text = TRY(fields.object("text"));
  if (text == nullptr) return {};
  FieldReader inner(*text, "text");
  TRY(inner.text("verbosity"));
  if (const json::object* format = TRY(inner.object("format"))) {
    auto demand = TRY(read_format(*format, "text.format"));
    if (demand.kind != StructuredOutput::Kind::kNone) {
      if (options.structured.kind != StructuredOutput::Kind::kNone) {
        return bad_field(options.structured.field, "only one of this and text.format");
      }
      options.structured = std::move(demand);
    }
  }
  return inner.refuse_rest();
}

std::string repeated(const json::object& root) {
  json::object repeated;
  const auto add = [&](std::string_view field, const json::value& fallback) {
    const json::value* value = root.if_contains(field);
    repeated[field] = value == nullptr || value->is_null() ? fallback : *value;
  };
  add("instructions", nullptr);
  add("max_output_tokens", nullptr);
  add("metadata", json::object{});
  add("parallel_tool_calls", true);
  add("temperature", 1.0);
  add("text", json::object{{"format", json::object{{"type", "text"}}}});
  add("tool_choice", "auto");
  add("tools", json::array{});
  add("top_p", 1.0);
  return json::serialize(repeated);
}

}  // namespace

Result<ResponsesRequest> parse_responses_request(std::string_view body) {
  const json::value root = TRY(parse_body(body));
  FieldReader fields(root.get_object());
  ResponsesRequest request;
  request.options = TRY(read_generation_options(fields));
  TRY(refuse_chat_only(fields, request.options));
  request.options.stop.max_tokens = TRY(fields.integer("max_output_tokens", 1, kMaxMaxTokens));
  TRY(read_text(fields, request.options));
  request.conversation.messages = TRY(read_input(fields));
  TRY(read_tools(fields, request.conversation));
  TRY(fields.refuse_rest(harmless_fields()));
  const auto& structured = request.options.structured;
  if (structured.kind != StructuredOutput::Kind::kNone && !request.conversation.tools.empty()) {
    return bad_field(structured.field,
                     "an answer of a given form calls no tools; say tool_choice: none");
  }
  request.repeated_json = repeated(root.get_object());
  return request;
}

}  // namespace fathom::serve
