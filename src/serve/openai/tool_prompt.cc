// The words are short: small models follow an example better than rules.
#include "serve/openai/tool_prompt.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

namespace fathom::serve {
namespace {

namespace json = boost::json;
using Kind = ToolChoice::Kind;

std::string call_json(const ToolCall& call) {
  return fmt::format(R"({{"name": {}, "arguments": {}}})", json::serialize(json::string(call.name)),
                     call.arguments);
}

std::string describe(const Conversation& conversation) {
  std::string text = "You can call these functions:\n";
  for (const Tool& tool : conversation.tools) {
    json::object function{{"name", tool.name}};
    if (!tool.description.empty()) function["description"] = tool.description;
    function["parameters"] = json::parse(tool.parameters);
    text += json::serialize(function) + "\n";
  }
  const bool is_forced = conversation.tool_choice.kind == Kind::kRequired ||
                         conversation.tool_choice.kind == Kind::kNamed;
  if (is_forced) {
    text += "Answer with one call, as JSON and nothing else:\n";
    text += R"({"name": "the function's name", "arguments": {"argument": "value"}})";
    return text;
  }
  text += "To call one, write its name and arguments as JSON between tags, and nothing after:\n";
  text += R"(<tool_call>{"name": "the function's name", "arguments": {"argument": "value"}})";
  text += "</tool_call>\nIts result comes between <tool_response> tags. ";
  text += "If you need no function, answer as usual.";
  return text;
}

}  // namespace

std::vector<Message> with_tools_as_text(const Conversation& conversation) {
  std::vector<Message> messages;
  bool follows_tool = false;
  for (const Message& message : conversation.messages) {
    Message shown = message;
    for (const ToolCall& call : message.tool_calls) {
      std::string& content = shown.content ? *shown.content : shown.content.emplace();
      if (!content.empty()) content += "\n";
      content += "<tool_call>" + call_json(call) + "</tool_call>";
    }
    shown.tool_calls.clear();
    if (message.role != "tool") {
      follows_tool = false;
      messages.push_back(std::move(shown));
      continue;
    }
    const std::string result =
        "<tool_response>\n" + message.content.value_or("") + "\n</tool_response>";
    if (follows_tool) {  // one turn of the user, since templates want roles to alternate
      *messages.back().content += "\n" + result;
    } else {
      messages.push_back({.role = "user", .content = result});
    }
    follows_tool = true;
  }
  if (conversation.tools.empty()) return messages;
  const std::string description = describe(conversation);
  if (messages.front().role == "system") {
    messages.front().content = messages.front().content.value_or("") + "\n\n" + description;
  } else {
    messages.insert(messages.begin(), {.role = "system", .content = description});
  }
  return messages;
}

std::vector<tokenizer::ChatMessage> to_chat_messages(const std::vector<Message>& messages) {
  std::vector<tokenizer::ChatMessage> shown;
  shown.reserve(messages.size());
  for (const Message& message : messages) {
    tokenizer::ChatMessage& each = shown.emplace_back();
    each.role = message.role;
    each.content = message.content;
    if (!message.reasoning.empty()) {
      each.fields.push_back(
          {"reasoning_content", json::serialize(json::string(message.reasoning))});
    }
    if (!message.tool_call_id.empty()) {
      each.fields.push_back({"tool_call_id", json::serialize(json::string(message.tool_call_id))});
    }
    if (message.tool_calls.empty()) continue;
    json::array calls;
    for (const ToolCall& call : message.tool_calls) {
      // Templates write arguments as JSON themselves: they want the object.
      calls.push_back(json::object{
          {"id", call.id},
          {"type", "function"},
          {"function",
           json::object{{"name", call.name}, {"arguments", json::parse(call.arguments)}}}});
    }
    each.fields.push_back({"tool_calls", json::serialize(calls)});
  }
  return shown;
}

}  // namespace fathom::serve
