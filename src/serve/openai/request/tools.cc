// Reads tools and the choice between them, and writes the schema of a forced call.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "serve/openai/request/conversation.h"
#include "serve/openai/request/field_reader.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using base::Result;
using Kind = ToolChoice::Kind;

constexpr std::size_t kMaxNameBytes = 64;

bool is_function_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         std::ranges::all_of(name, [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
         });
}

Result<Tool> read_function(FieldReader& fields) {
  Tool tool;
  tool.name = TRY(fields.text("name"));
  if (!is_function_name(tool.name)) {
    return fields.bad("name", "must be 1 to 64 letters, digits, '_', '-' and '.'");
  }
  tool.description = TRY(fields.text("description"));
  TRY(fields.boolean("strict"));  // arguments of forced calls always conform
  const json::object* parameters = TRY(fields.object("parameters"));
  tool.parameters =
      parameters == nullptr ? R"({"type":"object","properties":{}})" : json::serialize(*parameters);
  TRY(fields.refuse_rest());
  return tool;
}

Result<Tool> read_tool(const json::value& value, const std::string& where) {
  if (!value.is_object()) return bad_field(where, "not an object");
  FieldReader fields(value.get_object(), where);
  const std::string type = TRY(fields.text("type"));
  if (type != "function") return fields.bad("type", "must be function");
  if (const json::object* function = TRY(fields.object("function"))) {
    TRY(fields.refuse_rest());
    FieldReader inner(*function, fields.path_of("function"));
    return read_function(inner);
  }
  return read_function(fields);
}

Result<ToolChoice> read_named_choice(const json::object& object, const std::vector<Tool>& tools) {
  FieldReader fields(object, "tool_choice");
  const std::string type = TRY(fields.text("type"));
  if (type != "function") return fields.bad("type", "must be function");
  std::string name = TRY(fields.text("name"));
  if (const json::object* function = TRY(fields.object("function"))) {
    FieldReader inner(*function, "tool_choice.function");
    name = TRY(inner.text("name"));
    TRY(inner.refuse_rest());
  }
  TRY(fields.refuse_rest());
  if (std::ranges::find(tools, name, &Tool::name) == tools.end()) {
    return bad_field("tool_choice", "names a function that is not among the tools");
  }
  return ToolChoice{Kind::kNamed, std::move(name)};
}

Result<ToolChoice> read_tool_choice(FieldReader& fields, const std::vector<Tool>& tools) {
  const json::value* choice = fields.find("tool_choice");
  if (choice == nullptr) return ToolChoice{tools.empty() ? Kind::kNone : Kind::kAuto, ""};
  if (choice->is_object()) return read_named_choice(choice->get_object(), tools);
  if (*choice == json::value("none")) return ToolChoice{};
  if (*choice == json::value("auto")) {
    return ToolChoice{tools.empty() ? Kind::kNone : Kind::kAuto, ""};
  }
  if (*choice != json::value("required")) {
    return fields.bad("tool_choice", "must be none, auto, required or a function");
  }
  if (tools.empty()) return fields.bad("tool_choice", "required, but there are no tools");
  return ToolChoice{Kind::kRequired, ""};
}

// A schema's references count from the document's root: when it becomes a part of a larger one,
// its definitions move to that one's, under names that no other tool has.
class SchemaMover {
 public:
  SchemaMover(const Tool& tool, json::object& definitions)
      : tool_(tool), definitions_(definitions) {}

  json::value move() {
    json::value schema = json::parse(tool_.parameters);
    rewrite(schema);
    for (const char* const place : {"$defs", "definitions"}) {
      json::object& object = schema.get_object();
      const json::value* const found = object.if_contains(place);
      if (found == nullptr || !found->is_object()) continue;
      for (const auto& entry : found->get_object()) {
        definitions_[name_of(std::string(entry.key()))] = entry.value();
      }
      object.erase(place);
    }
    if (refers_to_itself_) definitions_[tool_.name] = schema;
    return schema;
  }

 private:
  std::string name_of(std::string_view definition) const {
    return fmt::format("{}:{}", tool_.name, definition);
  }

  // As deep as a request may be.
  void rewrite(json::value& value) {
    if (value.is_array()) {
      for (json::value& each : value.get_array()) rewrite(each);
    }
    if (!value.is_object()) return;
    for (auto& entry : value.get_object()) {
      if (entry.key() == "$ref" && entry.value().is_string()) {
        entry.value() = moved(entry.value().get_string());
      } else {
        rewrite(entry.value());
      }
    }
  }

  std::string moved(std::string_view reference) {
    for (const std::string_view start : {"#/$defs/", "#/definitions/"}) {
      if (reference.starts_with(start)) {
        return "#/$defs/" + name_of(reference.substr(start.size()));
      }
    }
    if (reference != "#") return std::string(reference);
    refers_to_itself_ = true;
    return "#/$defs/" + tool_.name;
  }

  const Tool& tool_;
  json::object& definitions_;
  bool refers_to_itself_ = false;
};

json::object call_of(const Tool& tool, json::object& definitions) {
  return {{"type", "object"},
          {"properties", json::object{{"name", json::object{{"const", tool.name}}},
                                      {"arguments", SchemaMover(tool, definitions).move()}}},
          {"required", json::array{"name", "arguments"}},
          {"additionalProperties", false}};
}

}  // namespace

Result<void> read_tools(FieldReader& fields, Conversation& conversation) {
  std::vector<Tool>& tools = conversation.tools;
  if (const json::value* list = fields.find("tools")) {
    if (!list->is_array()) return fields.bad("tools", "not a list");
    if (list->get_array().size() > kMaxTools) {
      return fields.bad("tools", fmt::format("more than {}", kMaxTools));
    }
    for (const json::value& each : list->get_array()) {
      Tool tool = TRY(read_tool(each, fmt::format("tools[{}]", tools.size())));
      if (std::ranges::find(tools, tool.name, &Tool::name) != tools.end()) {
        return fields.bad("tools", fmt::format("two functions are called {}", tool.name));
      }
      tools.push_back(std::move(tool));
    }
  }
  conversation.tool_choice = TRY(read_tool_choice(fields, tools));
  if (conversation.tool_choice.kind == Kind::kNone) tools.clear();
  conversation.parallel_tool_calls = TRY(fields.boolean("parallel_tool_calls", true));
  return {};
}

std::string call_schema(const Conversation& conversation) {
  json::array calls;
  json::object definitions;
  for (const Tool& tool : conversation.tools) {
    const bool is_allowed =
        conversation.tool_choice.kind != Kind::kNamed || conversation.tool_choice.name == tool.name;
    if (is_allowed) calls.push_back(call_of(tool, definitions));
  }
  json::object schema = calls.size() == 1 ? std::move(calls[0].get_object())
                                          : json::object{{"anyOf", std::move(calls)}};
  if (!definitions.empty()) schema["$defs"] = std::move(definitions);
  return json::serialize(schema);
}

std::string tools_json(const std::vector<Tool>& tools) {
  json::array list;
  for (const Tool& tool : tools) {
    json::object function{{"name", tool.name}};
    if (!tool.description.empty()) function["description"] = tool.description;
    function["parameters"] = json::parse(tool.parameters);
    list.push_back(json::object{{"type", "function"}, {"function", std::move(function)}});
  }
  return json::serialize(list);
}

}  // namespace fathom::serve
