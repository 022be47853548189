// OpenAI's response_format, vLLM's structured_outputs and its older guided_* fields.
#include "serve/openai/request/structured_output.h"

#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>
#include <optional>
#include <utility>

#include "serve/openai/request/field_reader.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using base::Result;
using Kind = StructuredOutput::Kind;

constexpr StringListLimits kChoiceLimits{.max_count = 1024, .max_bytes = 4096};
constexpr std::size_t kMaxPatternBytes = std::size_t{64} << 10;

struct FieldNames {
  std::string_view json;
  std::string_view regex;
  std::string_view choice;
  std::string_view ebnf;
  std::string_view json_object;
};

// A schema as an object or as JSON text.
Result<std::string> schema_text(const json::value& schema, const std::string& where) {
  if (schema.is_string()) return std::string(schema.get_string());
  if (schema.is_object() || schema.is_bool()) return json::serialize(schema);
  return bad_field(where, "not a JSON schema");
}

Result<void> read_pattern(FieldReader& fields, std::string_view name, Kind kind,
                          std::vector<StructuredOutput>& found) {
  const std::string text = TRY(fields.text(name));
  if (text.size() > kMaxPatternBytes) return fields.bad(name, "longer than 64 KiB");
  if (!text.empty()) found.push_back({kind, text, {}, fields.path_of(name)});
  return {};
}

// Appends what is asked for, so that a second demand can be refused.
Result<void> read_demands(FieldReader& fields, const FieldNames& names,
                          std::vector<StructuredOutput>& found) {
  if (const json::value* schema = fields.find(names.json)) {
    const std::string path = fields.path_of(names.json);
    found.push_back({
      Kind::kJsonSchema, TRY(schema_text(*schema, path))
      , {}, path
    });
  }
  TRY(read_pattern(fields, names.regex, Kind::kRegex, found));
  TRY(read_pattern(fields, names.ebnf, Kind::kEbnf, found));
  auto choices = TRY(fields.texts(names.choice, kChoiceLimits));
  if (!choices.empty()) {
    found.push_back({Kind::kChoice, "", std::move(choices), fields.path_of(names.choice)});
  }
  if (TRY(fields.boolean(names.json_object))) {
    found.push_back({Kind::kJsonObject, "", {}, fields.path_of(names.json_object)});
  }
  return {};
}

}  // namespace

Result<StructuredOutput> read_format(const json::object& format, const std::string& path) {
  FieldReader fields(format, path);
  const std::string type = TRY(fields.text("type"));
  if (type == "text" || type == "json_object") {
    TRY(fields.refuse_rest());
    if (type == "text") return StructuredOutput();
    return StructuredOutput{Kind::kJsonObject, "", {}, path};
  }
  if (type != "json_schema") return fields.bad("type", "must be text, json_object or json_schema");
  const json::object* nested = TRY(fields.object("json_schema"));
  const std::string inner_path = nested == nullptr ? path : path + ".json_schema";
  FieldReader inner(nested == nullptr ? format : *nested, inner_path);
  inner.find("type");
  inner.find("json_schema");
  TRY(inner.text("name"));
  TRY(inner.text("description"));
  TRY(inner.boolean("strict"));  // answers always conform
  const json::value* schema = inner.find("schema");
  if (schema == nullptr) return inner.bad("schema", "missing");
  TRY(inner.refuse_rest());
  return StructuredOutput {
    Kind::kJsonSchema, TRY(schema_text(*schema, inner.path_of("schema")))
    , {}, path
  };
}

Result<StructuredOutput> read_structured_output(FieldReader& fields) {
  std::vector<StructuredOutput> found;
  if (const json::object* format = TRY(fields.object("response_format"))) {
    auto demand = TRY(read_format(*format, "response_format"));
    if (demand.kind != Kind::kNone) found.push_back(std::move(demand));
  }
  if (const json::object* demands = TRY(fields.object("structured_outputs"))) {
    FieldReader inner(*demands, "structured_outputs");
    TRY(read_demands(inner, {"json", "regex", "choice", "grammar", "json_object"}, found));
    TRY(inner.refuse_rest());
  }
  TRY(read_demands(
      fields,
      {"guided_json", "guided_regex", "guided_choice", "guided_grammar", "guided_json_object"},
      found));
  if (found.empty()) return StructuredOutput();
  if (found.size() > 1) {
    return bad_field(found[1].field, fmt::format("only one of this and {}", found[0].field));
  }
  return std::move(found[0]);
}

Result<std::shared_ptr<const grammar::Grammar>> compile(const StructuredOutput& structured) {
  using grammar::Grammar;
  auto compiled = [&]() -> Result<std::shared_ptr<const Grammar>> {
    switch (structured.kind) {
      case Kind::kNone:
        break;
      case Kind::kJsonObject:
        return Grammar::from_json_object();
      case Kind::kJsonSchema:
        return Grammar::from_json_schema(structured.text);
      case Kind::kRegex:
        return Grammar::from_regex(structured.text);
      case Kind::kChoice:
        return Grammar::from_choice(structured.choices);
      case Kind::kEbnf:
        return Grammar::from_ebnf(structured.text);
    }
    return std::shared_ptr<const Grammar>();
  }();
  return std::move(compiled).transform_error(
      [&](const base::Error& error) { return bad_field(structured.field, error.text()); });
}

}  // namespace fathom::serve
