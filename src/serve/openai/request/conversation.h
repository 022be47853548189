// Conversation: messages and tools, as every endpoint that chats understands them.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fathom::serve {

class FieldReader;

struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  // JSON text of an object
};

struct Message {
  std::string role;                    // system, user, assistant or tool
  std::optional<std::string> content;  // absent beside tool calls
  std::string reasoning;               // of an assistant; empty: none
  std::vector<ToolCall> tool_calls;    // of an assistant
  std::string tool_call_id;            // of a tool
};

struct Tool {
  std::string name;
  std::string description;
  std::string parameters;  // JSON text of a schema
};

struct ToolChoice {
  enum class Kind { kNone, kAuto, kRequired, kNamed };
  Kind kind = Kind::kNone;
  std::string name;  // of kNamed
};

struct Conversation {
  std::vector<Message> messages;
  std::vector<Tool> tools;  // those that may be called; none with ToolChoice::kNone
  ToolChoice tool_choice;
  bool parallel_tool_calls = true;  // otherwise an answer has one call at most
};

inline constexpr std::size_t kMaxMessages = 10'000;
inline constexpr std::size_t kMaxTools = 128;

// All of these fail with kInvalidArgument, whose place is the field's path.

// "messages": roles system, developer (the newer name of system), user, assistant, tool; contents
// are texts or lists of text parts.
base::Result<std::vector<Message>> read_messages(FieldReader& fields);
// A text, or a list of parts of types text, input_text, output_text.
base::Result<std::string> read_content(const boost::json::value& value, std::string_view where);
base::Result<ToolCall> read_tool_call(const boost::json::value& value, const std::string& where);

// "tools", "tool_choice" and "parallel_tool_calls". The fields of a function lie in "function", or
// beside "type" as /v1/responses has them.
base::Result<void> read_tools(FieldReader& fields, Conversation& conversation);

// The schema of {"name": ..., "arguments": ...}, a call of one of the tools that `choice` allows.
std::string call_schema(const Conversation& conversation);
// OpenAI's list of the tools, as templates take it.
std::string tools_json(const std::vector<Tool>& tools);

}  // namespace fathom::serve
