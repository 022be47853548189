// From conversations to the interpreter and back.
#include "tokenizer/template/chat_template.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "base/json.h"
#include "tokenizer/template/evaluate/interpreter.h"
#include "tokenizer/template/json_value.h"
#include "tokenizer/template/syntax/parser.h"

namespace fathom::tokenizer {

using base::ErrorCode;
using base::fail;
using base::Result;
using jinja::Budget;
using jinja::Text;
using jinja::Value;
using jinja::Variables;

struct ChatTemplate::Parsed {
  std::string where;
  TemplateLimits limits;
  jinja::Block block;
};

namespace {

template <std::size_t kSize>
bool is_one_of(std::string_view name, const std::array<std::string_view, kSize>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::string_view, 5> kTrustedRoles = {"system", "user", "assistant", "tool",
                                                           "developer"};

// Names that a request's variables must not take.
constexpr std::array<std::string_view, 9> kReservedNames = {
    "messages", "tools",     "documents", "add_generation_prompt", "raise_exception",
    "range",    "namespace", "dict",      "strftime_now"};

Result<Value> text_value(const std::string& bytes, bool is_untrusted, Budget& budget,
                         std::string_view field) {
  if (!jinja::is_valid_utf8(bytes)) {
    return fail(ErrorCode::kInvalidArgument, field, "the text is not valid UTF-8");
  }
  return jinja::make_string(Text(bytes, is_untrusted), budget);
}

Result<Value> json_text_value(std::string_view json, std::string_view field, Budget& budget) {
  const auto parsed = TRY(base::parse_json(
      json, field, {.max_bytes = budget.limits().max_value_bytes, .max_depth = 32}));
  return jinja::value_from_json(parsed, budget);
}

Result<Value> message_value(const ChatMessage& message, Budget& budget) {
  std::vector<std::pair<Value, Value>> entries;
  const auto add = [&entries](std::string_view name, Value value) {
    entries.emplace_back(Value::trusted_string(std::string(name)), std::move(value));
  };
  const bool is_trusted_role = is_one_of(message.role, kTrustedRoles);
  add("role", TRY(text_value(message.role, !is_trusted_role, budget, "messages.role")));
  add("content", message.content
                     ? TRY(text_value(*message.content, true, budget, "messages.content"))
                     : Value::none());
  for (const ChatField& field : message.fields) {
    if (field.name == "role" || field.name == "content") {
      return fail(ErrorCode::kInvalidArgument, "messages", "a message has '{}' twice", field.name);
    }
    Value name = TRY(text_value(field.name, true, budget, "messages"));
    entries.emplace_back(std::move(name), TRY(json_text_value(field.json, field.name, budget)));
  }
  return jinja::make_dict(std::move(entries), budget);
}

Result<void> add_request_variables(const ChatContext& context, Variables& variables,
                                   Budget& budget) {
  for (const ChatField& field : context.variables) {
    const bool is_taken = std::any_of(variables.begin(), variables.end(),
                                      [&](const auto& item) { return item.first == field.name; });
    if (is_taken || is_one_of(field.name, kReservedNames) || field.name.ends_with("_token")) {
      return fail(ErrorCode::kInvalidArgument, field.name,
                  "this template variable cannot be set by a request");
    }
    variables.emplace_back(field.name, TRY(json_text_value(field.json, field.name, budget)));
  }
  return {};
}

constexpr std::array<std::string_view, 7> kSpecialTokens = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

// A special token is a string, or an object with its "content".
Result<std::vector<std::pair<std::string, std::string>>> read_special_tokens(
    const boost::json::object& config, std::string_view where) {
  std::vector<std::pair<std::string, std::string>> tokens;
  for (const std::string_view name : kSpecialTokens) {
    const boost::json::value* value = config.if_contains(name);
    if (value == nullptr || value->is_null()) continue;
    if (const auto* object = value->if_object()) value = object->if_contains("content");
    if (value == nullptr || !value->is_string()) {
      return fail(ErrorCode::kInvalidArgument, where,
                  "'{}' is neither a string nor an object with 'content'", name);
    }
    tokens.emplace_back(name, std::string(value->get_string()));
  }
  return tokens;
}

// The template's source, or nothing.
Result<std::optional<std::string>> read_source(const boost::json::object& config,
                                               std::string_view where) {
  const boost::json::value* value = config.if_contains("chat_template");
  if (value == nullptr || value->is_null()) return std::optional<std::string>();
  if (const auto* text = value->if_string()) return std::optional<std::string>(*text);
  const auto* entries = value->if_array();
  if (entries == nullptr) {
    return fail(ErrorCode::kInvalidArgument, where,
                "'chat_template' is neither a string nor a list of templates");
  }
  for (const auto& entry : *entries) {
    const auto* object = entry.if_object();
    const auto* name = object != nullptr ? object->if_contains("name") : nullptr;
    const auto* text = object != nullptr ? object->if_contains("template") : nullptr;
    if (name == nullptr || !name->is_string() || text == nullptr || !text->is_string()) {
      return fail(ErrorCode::kInvalidArgument, where,
                  "an entry of 'chat_template' lacks 'name' or 'template'");
    }
    if (name->get_string() == "default") {
      return std::optional<std::string>(text->get_string());
    }
  }
  return fail(ErrorCode::kInvalidArgument, where, "'chat_template' has no entry named 'default'");
}

Result<boost::json::object> parse_object(std::string_view json, std::string_view where) {
  auto config = TRY(base::parse_json(json, where));
  auto* object = config.if_object();
  if (object == nullptr) return fail(ErrorCode::kInvalidArgument, where, "not a JSON object");
  return std::move(*object);
}

}  // namespace

Result<ChatTemplate> ChatTemplate::parse(std::string_view source, std::string_view where,
                                         const TemplateLimits& limits) {
  if (!jinja::is_valid_utf8(source)) {
    return fail(ErrorCode::kInvalidArgument, where, "the template is not valid UTF-8");
  }
  auto parsed = std::make_shared<Parsed>();
  parsed->where = where;
  parsed->limits = limits;
  parsed->block = TRY(jinja::parse_template(source, where, limits));
  return ChatTemplate(std::move(parsed), {});
}

Result<std::optional<ChatTemplate>> ChatTemplate::from_tokenizer_config(
    std::string_view json, std::string_view where, const TemplateLimits& limits) {
  const auto config = TRY(parse_object(json, where));
  const auto source = TRY(read_source(config, where));
  if (!source) return std::optional<ChatTemplate>();
  ChatTemplate result = TRY(parse(*source, std::string(where) + ": chat_template", limits));
  result.special_tokens_ = TRY(read_special_tokens(config, where));
  return std::optional<ChatTemplate>(std::move(result));
}

Result<ChatTemplate> ChatTemplate::with_special_tokens(std::string_view json,
                                                       std::string_view where) const {
  const auto config = TRY(parse_object(json, where));
  return ChatTemplate(parsed_, TRY(read_special_tokens(config, where)));
}

std::optional<std::string> ChatTemplate::special_token(std::string_view name) const {
  for (const auto& [known, token] : special_tokens_) {
    if (known == name) return token;
  }
  return std::nullopt;
}

Result<RenderedPrompt> ChatTemplate::render(const ChatContext& context) const {
  Budget budget(parsed_->limits);
  std::vector<Value> messages;
  for (const ChatMessage& message : context.messages) {
    messages.push_back(TRY(message_value(message, budget)));
  }
  Variables variables;
  variables.emplace_back("messages", TRY(jinja::make_sequence(jinja::SequenceType::kList,
                                                              std::move(messages), budget)));
  variables.emplace_back("tools", context.tools_json.empty()
                                      ? Value::none()
                                      : TRY(json_text_value(context.tools_json, "tools", budget)));
  variables.emplace_back("documents", Value::none());
  variables.emplace_back("add_generation_prompt", Value::boolean(context.add_generation_prompt));
  for (const std::string_view name : kSpecialTokens) {
    auto token = special_token(name);
    if (name == "bos_token" && context.bos_token) token = context.bos_token;
    if (name == "eos_token" && context.eos_token) token = context.eos_token;
    if (token) variables.emplace_back(name, TRY(text_value(*token, false, budget, name)));
  }
  TRY(add_request_variables(context, variables, budget));
  jinja::Interpreter interpreter(parsed_->where, budget, std::move(variables));
  Text output = TRY(interpreter.run(parsed_->block));
  auto untrusted = output.take_untrusted();
  return RenderedPrompt{output.take_bytes(), std::move(untrusted)};
}

}  // namespace fathom::tokenizer
