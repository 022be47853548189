// Finds the template in a folder, and gives it its variables.
#include "tokenizer/template/chat_template.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "tokenizer/template/parser.h"

namespace fathom::tokenizer {
namespace {

namespace json = boost::json;
using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::size_t kMaxSourceBytes = std::size_t{1} << 20;
constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{64} << 20;

// Roles of the API's own vocabulary are no one's words.
bool is_known_role(std::string_view role) {
  constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant",
                                                      "tool"};
  return std::ranges::find(kRoles, role) != kRoles.end();
}

// A token's content: a string, or an object with "content".
std::string token_content(const json::object& config, std::string_view field) {
  const json::value* value = config.if_contains(field);
  if (value != nullptr && value->is_object()) value = value->get_object().if_contains("content");
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// The template named "default" of a list, or the one that stands alone.
Result<std::string> template_source(const json::value& value, std::string_view where) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_array()) {
    for (const json::value& each : value.get_array()) {
      const json::object* entry = each.if_object();
      const json::value* name = entry != nullptr ? entry->if_contains("name") : nullptr;
      const json::value* source = entry != nullptr ? entry->if_contains("template") : nullptr;
      if (name != nullptr && *name == json::value("default") && source != nullptr &&
          source->is_string()) {
        return std::string(source->get_string());
      }
    }
  }
  return fail(ErrorCode::kInvalidArgument, where,
              "chat_template: neither a string nor a list with a template named default");
}

}  // namespace

Result<ChatTemplate> ChatTemplate::parse(std::string_view source, std::string_view where,
                                         const TemplateLimits& limits) {
  if (source.size() > kMaxSourceBytes) {
    return fail(ErrorCode::kInvalidArgument, where,
                "a template of {} bytes is over the limit of {}", source.size(), kMaxSourceBytes);
  }
  ChatTemplate made;
  made.source_ = std::string(source);
  made.block_ = std::make_shared<const Block>(TRY(parse_template(source, where)));
  made.limits_ = limits;
  return made;
}

Result<std::optional<ChatTemplate>> ChatTemplate::load(const std::filesystem::path& folder) {
  std::error_code code;
  const std::filesystem::path config_path = folder / "tokenizer_config.json";
  const std::filesystem::path template_path = folder / "chat_template.jinja";
  json::object config;
  if (std::filesystem::exists(config_path, code)) {
    const std::string text = TRY(base::read_file(config_path, kMaxConfigBytes));
    const json::value root =
        TRY(base::parse_json(text, config_path.native(), {.max_bytes = kMaxConfigBytes}));
    if (!root.is_object()) {
      return fail(ErrorCode::kInvalidArgument, config_path.native(), "not an object");
    }
    config = root.get_object();
  }
  std::string source;
  std::string where = config_path.native();
  if (std::filesystem::exists(template_path, code)) {
    source = TRY(base::read_file(template_path, kMaxSourceBytes));
    where = template_path.native();
  } else {
    const json::value* value = config.if_contains("chat_template");
    if (value == nullptr || value->is_null()) return std::optional<ChatTemplate>();
    source = TRY(template_source(*value, where));
  }
  ChatTemplate made = TRY(parse(source, where));
  made.set_special_tokens(token_content(config, "bos_token"), token_content(config, "eos_token"));
  return std::optional<ChatTemplate>(std::move(made));
}

Result<RenderedPrompt> ChatTemplate::render(const ChatContext& context) const {
  List messages;
  for (const ChatMessage& message : context.messages) {
    Value role = is_known_role(message.role) ? make_text(message.role)
                                             : Value{Text::from_user(message.role)};
    messages.push_back(make_dict(
        {{"role", std::move(role)}, {"content", Value{Text::from_user(message.content)}}}));
  }
  const Dict variables = {{"messages", make_list(std::move(messages))},
                          {"bos_token", make_text(bos_token_)},
                          {"eos_token", make_text(eos_token_)},
                          {"add_generation_prompt", Value{context.add_generation_prompt}}};
  Text text = TRY(evaluate_template(*block_, variables, limits_));
  return RenderedPrompt{std::move(text.bytes), std::move(text.untrusted)};
}

}  // namespace fathom::tokenizer
