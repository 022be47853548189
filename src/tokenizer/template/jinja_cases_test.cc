// Differential test: the interpreter against jinja2's recorded renderings and refusals.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "base/file.h"
#include "base/json.h"
#include "tokenizer/template/chat_template.h"

namespace fathom::tokenizer {
namespace {

namespace json = boost::json;

ChatMessage message_from(const json::object& object) {
  ChatMessage message;
  for (const auto& member : object) {
    if (member.key() == "role") {
      message.role = member.value().get_string();
    } else if (member.key() == "content") {
      if (member.value().is_string()) message.content = std::string(member.value().get_string());
    } else {
      message.fields.push_back({member.key(), json::serialize(member.value())});
    }
  }
  return message;
}

ChatContext context_from(const json::object& object) {
  ChatContext context;
  for (const auto& member : object) {
    const json::value& value = member.value();
    if (member.key() == "messages") {
      for (const auto& item : value.get_array()) {
        context.messages.push_back(message_from(item.get_object()));
      }
    } else if (member.key() == "tools") {
      context.tools_json = json::serialize(value);
    } else if (member.key() == "add_generation_prompt") {
      context.add_generation_prompt = value.get_bool();
    } else if (member.key() == "bos_token") {
      context.bos_token = std::string(value.get_string());
    } else if (member.key() == "eos_token") {
      context.eos_token = std::string(value.get_string());
    } else {
      context.variables.push_back({member.key(), json::serialize(value)});
    }
  }
  return context;
}

base::Result<RenderedPrompt> render(std::string_view source, const ChatContext& context) {
  const auto parsed = TRY(ChatTemplate::parse(source, "case"));
  return parsed.render(context);
}

// Templates that jinja2 renders and this interpreter refuses by name: two that reach for
// __class__ (jinja2 prints nothing) and one that formats with %.
constexpr int kNumRefusedByName = 3;

bool is_refused_by_name(const base::Error& error) {
  return error.code == base::ErrorCode::kUnimplemented ||
         error.code == base::ErrorCode::kPermissionDenied;
}

constexpr char kFolder[] = FATHOM_SOURCE_DIR "/tests/data/templates/";

// Stands in the case, or in a file beside it.
std::string source_of(const json::object& expected) {
  if (const auto* text = expected.if_contains("template")) return std::string(text->get_string());
  const std::string name(expected.at("file").get_string());
  return base::read_file(kFolder + name, std::uint64_t{1} << 20).value();
}

TEST(JinjaCases, EqualJinja2) {
  const char* other = std::getenv("FATHOM_JINJA_CASES");
  const auto text =
      base::read_file(other != nullptr ? other : std::string(kFolder) + "jinja_cases.json",
                      std::uint64_t{64} << 20);
  ASSERT_TRUE(text) << text.error().text();
  const auto data = base::parse_json(*text, "jinja_cases.json");
  ASSERT_TRUE(data) << data.error().text();
  const ChatContext context = context_from(data->at("context").get_object());
  int num_refused_by_name = 0;
  for (const auto& item : data->at("cases").get_array()) {
    const json::object& expected = item.get_object();
    const std::string source = source_of(expected);
    const auto* own_context = expected.if_contains("context");
    const auto prompt =
        render(source, own_context != nullptr ? context_from(own_context->get_object()) : context);
    if (expected.contains("error")) {
      EXPECT_FALSE(prompt) << source << "\nrenders, but jinja2 gives "
                           << expected.at("error").get_string();
      continue;
    }
    if (prompt) {
      EXPECT_EQ(prompt->text, std::string(expected.at("text").get_string())) << source;
    } else if (is_refused_by_name(prompt.error())) {
      ++num_refused_by_name;
    } else {
      ADD_FAILURE() << source << "\n" << prompt.error().text();
    }
  }
  if (other == nullptr) {
    EXPECT_EQ(num_refused_by_name, kNumRefusedByName);
  }
}

}  // namespace
}  // namespace fathom::tokenizer
