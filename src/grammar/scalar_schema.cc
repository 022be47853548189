// Reads the keywords of strings and numbers.
#include "grammar/scalar_schema.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "grammar/number_range.h"
#include "grammar/regex.h"
#include "grammar/string_format.h"

namespace fathom::grammar {
namespace {

using base::Result;

// A keyword's bound: the whole numbers next to it.
struct Bound {
  std::int64_t floor;
  std::int64_t ceiling;
};

Result<Bound> read_bound(const SchemaNode& node) {
  if (const auto* number = node.value().if_int64()) return Bound{*number, *number};
  const auto* number = node.value().if_double();
  // Beyond 2^53 a double does not say exactly which integer it is.
  constexpr double kMaxExact = 9007199254740992.0;
  if (number == nullptr || std::abs(*number) > kMaxExact)
    return node.error("must be a number that fits into 64 bits");
  return Bound{static_cast<std::int64_t>(std::floor(*number)),
               static_cast<std::int64_t>(std::ceil(*number))};
}

// Makes the range end at the bounds that are there.
Result<void> narrow(const SchemaNode& node, bool is_integer, NumberRange& range) {
  auto& [min, max] = range.bounds;
  const auto check_whole = [&](const SchemaNode& keyword, const Bound& bound) -> Result<void> {
    if (is_integer || bound.floor == bound.ceiling) return {};
    return keyword.error("a bound of numbers must be whole; of integers it need not be");
  };
  for (const std::string_view keyword : {"minimum", "exclusiveMinimum"}) {
    if (!node.has(keyword)) continue;
    const auto bound = TRY(read_bound(node.child(keyword)));
    TRY(check_whole(node.child(keyword), bound));
    // An integer above 2.5 is one from 3 on, as without "exclusive".
    const bool excludes = keyword != "minimum" && bound.floor == bound.ceiling;
    if (bound.ceiling < min || (bound.ceiling == min && !excludes)) continue;
    min = bound.ceiling;
    range.excludes_min = excludes;
  }
  for (const std::string_view keyword : {"maximum", "exclusiveMaximum"}) {
    if (!node.has(keyword)) continue;
    const auto bound = TRY(read_bound(node.child(keyword)));
    TRY(check_whole(node.child(keyword), bound));
    const bool excludes = keyword != "maximum" && bound.floor == bound.ceiling;
    if (bound.floor > max || (bound.floor == max && !excludes)) continue;
    max = bound.floor;
    range.excludes_max = excludes;
  }
  return {};
}

Result<ExpressionId> compile_pattern(const SchemaNode& keyword, std::string_view pattern,
                                     RegexAnchoring anchoring, Expressions& expressions) {
  const RegexOptions options{.anchoring = anchoring, .spelling = Spelling::kJsonString};
  const auto content = parse_regex(pattern, "", options, expressions);
  if (!content) return keyword.error(content.error().message);
  return expressions.sequence({expressions.literal("\""), *content, expressions.literal("\"")});
}

}  // namespace

Result<ExpressionId> compile_string_schema(const SchemaNode& node, JsonRules& rules,
                                           Expressions& expressions) {
  for (const std::string_view keyword : {"pattern", "format"}) {
    if (!node.has(keyword)) continue;
    for (const std::string_view other : {"minLength", "maxLength", "format"}) {
      if (node.has(other) && other != keyword)
        return node.error(fmt::format("'{}' beside '{}' is not supported", other, keyword));
    }
    const auto text = TRY(node.string(keyword));
    const auto child = node.child(keyword);
    if (keyword == "pattern")
      return compile_pattern(child, text, RegexAnchoring::kSearch, expressions);
    const std::string pattern = pattern_of_format(text);
    if (pattern.empty()) {
      return child.error(
          fmt::format("the format '{}' is not supported; {} are", text, kSupportedFormats));
    }
    return compile_pattern(child, pattern, RegexAnchoring::kWhole, expressions);
  }
  const auto min = TRY(node.count("minLength", 0));
  const auto max = TRY(node.count("maxLength", kUnbounded));
  if (min > max) return node.error("'minLength' is above 'maxLength'");
  if (min == 0 && max == kUnbounded) return rules.any_string();
  return expressions.sequence({expressions.literal("\""),
                               expressions.repeat(rules.string_character(), min, max),
                               expressions.literal("\"")});
}

Result<ExpressionId> compile_number_schema(const SchemaNode& node, bool is_integer,
                                           JsonRules& rules, Expressions& expressions) {
  NumberRange range;
  TRY(narrow(node, is_integer, range));
  const IntegerRange unbounded;
  if (range.bounds.min == unbounded.min && range.bounds.max == unbounded.max)
    return is_integer ? rules.any_integer() : rules.any_number();
  if (range.bounds.min > range.bounds.max) return node.error("no number is within the bounds");
  if (!is_integer) return number_in(range, expressions);
  return integer_in(range, expressions);
}

}  // namespace fathom::grammar
