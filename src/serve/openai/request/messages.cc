// Reads messages; every field of each is checked or refused.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

#include "base/json.h"
#include "serve/openai/request/conversation.h"
#include "serve/openai/request/field_reader.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using base::Result;

constexpr std::size_t kMaxToolCalls = 128;

Result<void> read_assistant(FieldReader& fields, Message& message) {
  message.reasoning = TRY(fields.text("reasoning_content"));
  if (message.reasoning.empty()) message.reasoning = TRY(fields.text("reasoning"));
  TRY(fields.text("refusal"));
  const json::value* calls = fields.find("tool_calls");
  if (calls == nullptr) return {};
  if (!calls->is_array()) return fields.bad("tool_calls", "not a list");
  if (calls->get_array().size() > kMaxToolCalls) return fields.bad("tool_calls", "more than 128");
  for (const json::value& call : calls->get_array()) {
    const std::string where =
        fmt::format("{}[{}]", fields.path_of("tool_calls"), message.tool_calls.size());
    message.tool_calls.push_back(TRY(read_tool_call(call, where)));
  }
  return {};
}

Result<Message> read_message(const json::value& value, const std::string& where) {
  if (!value.is_object()) return bad_field(where, "not an object");
  FieldReader fields(value.get_object(), where);
  Message message;
  message.role = TRY(fields.text("role"));
  constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant",
                                                      "tool"};
  if (std::ranges::find(kRoles, message.role) == kRoles.end()) {
    return fields.bad("role", "must be system, developer, user, assistant or tool");
  }
  if (message.role == "developer") message.role = "system";  // no template knows the newer name
  TRY(fields.text("name"));
  if (message.role == "assistant") TRY(read_assistant(fields, message));
  if (message.role == "tool") {
    message.tool_call_id = TRY(fields.text("tool_call_id"));
    if (message.tool_call_id.empty()) return fields.bad("tool_call_id", "missing");
  }
  if (const json::value* content = fields.find("content")) {
    message.content = TRY(read_content(*content, fields.path_of("content")));
  } else if (message.tool_calls.empty()) {
    if (message.reasoning.empty()) return fields.bad("content", "missing");
    message.content = "";
  }
  TRY(fields.refuse_rest());
  return message;
}

}  // namespace

Result<std::string> read_content(const json::value& value, std::string_view where) {
  if (value.is_string()) return std::string(value.get_string());
  if (!value.is_array()) return bad_field(where, "neither a string nor a list of parts");
  std::string content;
  for (const json::value& part : value.get_array()) {
    const json::object* object = part.if_object();
    const json::value* type = object != nullptr ? object->if_contains("type") : nullptr;
    const json::value* text = object != nullptr ? object->if_contains("text") : nullptr;
    const bool is_text =
        type != nullptr && (*type == json::value("text") || *type == json::value("input_text") ||
                            *type == json::value("output_text"));
    if (!is_text || text == nullptr || !text->is_string()) {
      return bad_field(where, "only parts of type text are implemented");
    }
    content += std::string_view(text->get_string());
  }
  return content;
}

Result<ToolCall> read_tool_call(const json::value& value, const std::string& where) {
  if (!value.is_object()) return bad_field(where, "not an object");
  FieldReader fields(value.get_object(), where);
  ToolCall call;
  call.id = TRY(fields.text("id"));
  const std::string type = TRY(fields.text("type"));
  if (!type.empty() && type != "function") return fields.bad("type", "must be function");
  fields.find("index");  // of a stream's piece, which some clients send back
  const json::object* function = TRY(fields.object("function"));
  if (function == nullptr) return fields.bad("function", "missing");
  TRY(fields.refuse_rest());
  FieldReader inner(*function, fields.path_of("function"));
  call.name = TRY(inner.text("name"));
  if (call.name.empty()) return inner.bad("name", "missing");
  call.arguments = TRY(inner.text("arguments"));
  if (call.arguments.empty()) call.arguments = "{}";
  const auto arguments = base::parse_json(call.arguments, "", {.max_bytes = std::size_t{8} << 20});
  if (!arguments || !arguments->is_object()) {
    return inner.bad("arguments", "not the JSON text of an object");
  }
  TRY(inner.refuse_rest());
  return call;
}

Result<std::vector<Message>> read_messages(FieldReader& fields) {
  const json::value* value = fields.find("messages");
  if (value == nullptr || !value->is_array() || value->get_array().empty()) {
    return fields.bad("messages", "missing, or not a list with messages");
  }
  if (value->get_array().size() > kMaxMessages) {
    return fields.bad("messages", fmt::format("more than {}", kMaxMessages));
  }
  std::vector<Message> messages;
  for (const json::value& each : value->get_array()) {
    messages.push_back(TRY(read_message(each, fmt::format("messages[{}]", messages.size()))));
  }
  return messages;
}

}  // namespace fathom::serve
