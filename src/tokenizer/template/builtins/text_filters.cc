// Filters that give texts.
#include <algorithm>
#include <array>
#include <utility>

#include "tokenizer/template/builtins/filters.h"
#include "tokenizer/template/builtins/strings.h"
#include "tokenizer/template/value/format.h"

namespace fathom::tokenizer::jinja {
namespace {

Result<Value> trim(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"trim", {"chars"}}));
  const Text text = TRY(to_text(input, budget));
  if (!slots[0] || slots[0]->is(Kind::kNone)) {
    return Value::string(TRY(strip(text, Side::kBoth, nullptr, budget)));
  }
  const Text characters = TRY(expect_text(*slots[0], "trim"));
  return Value::string(TRY(strip(text, Side::kBoth, &characters, budget)));
}

template <Case kCase>
Result<Value> in_case(const Value& input, const Arguments& arguments, Budget& budget) {
  TRY(bind(arguments, {"the filter", {}}));
  const Text text = TRY(to_text(input, budget));
  if (kCase == Case::kTitle) return Value::string(TRY(title_words(text, budget)));
  return Value::string(TRY(change_case(text, kCase, budget)));
}

Result<Value> replace_filter(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"replace", {"old", "new", "count"}, 2}));
  const Text text = TRY(to_text(input, budget));
  const Text from = TRY(to_text(*slots[0], budget));
  const Text to = TRY(to_text(*slots[1], budget));
  std::int64_t count = -1;
  if (slots[2] && !slots[2]->is(Kind::kNone)) count = TRY(expect_integer(*slots[2], "replace"));
  return Value::string(TRY(replace(text, {from, to, count}, budget)));
}

Result<Value> string(const Value& input, const Arguments& arguments, Budget& budget) {
  TRY(bind(arguments, {"string", {}}));
  return Value::string(TRY(to_text(input, budget)));
}

Result<std::string> indentation(const Value& width) {
  if (width.is(Kind::kString)) return width.as_bytes();
  const std::int64_t spaces = TRY(expect_integer(width, "an indentation"));
  constexpr std::int64_t kMaxSpaces = 1024;
  if (spaces > kMaxSpaces) {
    return fail(ErrorCode::kInvalidArgument, "", "an indentation of {} is beyond {}", spaces,
                kMaxSpaces);
  }
  return std::string(static_cast<std::size_t>(std::max<std::int64_t>(spaces, 0)), ' ');
}

Result<Value> indent(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"indent", {"width", "first", "blank"}}));
  const Text prefix(TRY(indentation(slots[0].value_or(Value::integer(4)))),
                    slots[0] && slots[0]->is_untrusted());
  const bool indents_first = slots[1] && is_truthy(*slots[1]);
  const bool indents_blank = slots[2] && is_truthy(*slots[2]);
  // The newline added here keeps a last empty line.
  Text text = TRY(to_text(input, budget));
  text.append("\n");
  const auto lines = TRY(split_lines(text, false, budget));
  Text result;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Text& line = lines[i].as_text();
    if (i > 0) result.append("\n");
    const bool is_indented = i == 0 ? indents_first : indents_blank || line.size_bytes() > 0;
    if (is_indented) {
      TRY(budget.charge_bytes(prefix.held_bytes()));
      result.append(prefix);
    }
    result.append(line);
  }
  return make_string(std::move(result), budget);
}

Result<Value> tojson(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots =
      TRY(bind(arguments, {"tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}}));
  JsonStyle style;
  style.escapes_non_ascii = slots[0] && is_truthy(*slots[0]);
  style.sorts_keys = slots[3] && is_truthy(*slots[3]);
  if (slots[1] && !slots[1]->is(Kind::kNone)) {
    style.indent = TRY(indentation(*slots[1]));
    style.item_separator.assign(1, ',');
  }
  if (slots[2] && !slots[2]->is(Kind::kNone)) {
    const auto pair = TRY(iterate(*slots[2], budget));
    if (pair->items.size() != 2) {
      return fail(ErrorCode::kInvalidArgument, "", "tojson: separators is a pair of texts");
    }
    style.item_separator = TRY(expect_text(pair->items[0], "tojson"))
    .bytes();
    style.key_separator = TRY(expect_text(pair->items[1], "tojson"))
    .bytes();
  }
  Text json = TRY(to_json(input, style, budget));
  const bool is_styled_by_untrusted =
      (slots[1] && slots[1]->is_untrusted()) || (slots[2] && slots[2]->is_untrusted());
  return Value::string(is_styled_by_untrusted ? Text(json.take_bytes(), true) : std::move(json));
}

}  // namespace

Filter find_text_filter(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Filter>, 9> kFilters = {{
      {"trim", trim},
      {"upper", in_case<Case::kUpper>},
      {"lower", in_case<Case::kLower>},
      {"title", in_case<Case::kTitle>},
      {"capitalize", in_case<Case::kCapitalized>},
      {"replace", replace_filter},
      {"string", string},
      {"indent", indent},
      {"tojson", tojson},
  }};
  for (const auto& [known, filter] : kFilters) {
    if (known == name) return filter;
  }
  return nullptr;
}

Filter find_filter(std::string_view name) {
  if (const Filter filter = find_text_filter(name)) return filter;
  if (const Filter filter = find_number_filter(name)) return filter;
  return find_sequence_filter(name);
}

}  // namespace fathom::tokenizer::jinja
