// Ranges digit by digit.
#include "grammar/number_range.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace fathom::grammar {
namespace {

constexpr std::uint32_t kMaxFractionDigits = 17;

// Decimal numbers without sign, by comparing digits with those of the bounds.
class DigitRange {
 public:
  explicit DigitRange(Expressions& expressions) : expressions_(expressions) {}

  // All integers from min to max.
  ExpressionId between(std::uint64_t min, std::uint64_t max) {
    std::vector<ExpressionId> options;
    const std::string last = fmt::format("{}", max);
    for (std::string first = fmt::format("{}", min); first.size() <= last.size() && min <= max;) {
      const bool is_last = first.size() == last.size();
      options.push_back(same_length(first, is_last ? last : std::string(first.size(), '9'), 0));
      first = "1" + std::string(first.size(), '0');
    }
    return options.empty() ? expressions_.nothing() : expressions_.choice(std::move(options));
  }

 private:
  ExpressionId digit(char first, char last) {
    return expressions_.code_points({{static_cast<char32_t>(first), static_cast<char32_t>(last)}});
  }

  ExpressionId digits(std::size_t count) {
    const auto n = static_cast<std::uint32_t>(count);
    return expressions_.repeat(digit('0', '9'), n, n);
  }

  // Of the digits from `i` on, all that are not below `min` and not above `max`; either may be
  // without bound (empty).
  ExpressionId same_length(const std::string& min, const std::string& max, std::size_t i) {
    const std::size_t length = std::max(min.size(), max.size());
    if (i == length) return expressions_.literal("");
    if (min.empty() && max.empty()) return digits(length - i);
    const char low = min.empty() ? '0' : min[i];
    const char high = max.empty() ? '9' : max[i];
    if (!min.empty() && !max.empty() && low == high)
      return expressions_.sequence({digit(low, low), same_length(min, max, i + 1)});
    std::vector<ExpressionId> options;
    const char low_free = min.empty() ? low : static_cast<char>(low + 1);
    const char high_free = max.empty() ? high : static_cast<char>(high - 1);
    if (!min.empty())
      options.push_back(expressions_.sequence({digit(low, low), same_length(min, "", i + 1)}));
    if (low_free <= high_free)
      options.push_back(
          expressions_.sequence({digit(low_free, high_free), digits(length - i - 1)}));
    if (!max.empty())
      options.push_back(expressions_.sequence({digit(high, high), same_length("", max, i + 1)}));
    return expressions_.choice(std::move(options));
  }

  Expressions& expressions_;
};

std::uint64_t magnitude(std::int64_t value) {
  return value < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(value)
                   : static_cast<std::uint64_t>(value);
}

}  // namespace

ExpressionId integer_in(const NumberRange& range, Expressions& expressions) {
  auto [min, max] = range.bounds;
  if (min > max || (min == max && (range.excludes_min || range.excludes_max)))
    return expressions.nothing();
  if (range.excludes_min) ++min;
  if (range.excludes_max) --max;
  DigitRange digits(expressions);
  std::vector<ExpressionId> options;
  if (max >= 0 && min <= max) {
    options.push_back(digits.between(magnitude(std::max<std::int64_t>(min, 0)), magnitude(max)));
  }
  if (min < 0 && min <= max) {
    options.push_back(expressions.sequence(
        {expressions.literal("-"),
         digits.between(magnitude(std::min<std::int64_t>(max, -1)), magnitude(min))}));
  }
  return options.empty() ? expressions.nothing() : expressions.choice(std::move(options));
}

ExpressionId number_in(const NumberRange& range, Expressions& expressions) {
  DigitRange digits(expressions);
  const auto [min, max] = range.bounds;
  std::vector<ExpressionId> options;
  options.push_back(integer_in(range, expressions));
  const auto digit = expressions.code_points({{'0', '9'}});
  const auto any_fraction = expressions.sequence(
      {expressions.literal("."), expressions.repeat(digit, 1, kMaxFractionDigits)});
  // Not all zeros: strictly between two integers.
  const auto fraction =
      expressions.sequence({expressions.literal("."),
                            expressions.repeat(expressions.literal("0"), 0, kMaxFractionDigits / 2),
                            expressions.code_points({{'1', '9'}}),
                            expressions.repeat(digit, 0, kMaxFractionDigits / 2)});
  // Written as n.f: between n and n + 1, or between -n - 1 and -n.
  const auto with_fraction = [&](std::int64_t nearest, std::int64_t farthest, bool excludes_nearest,
                                 std::string_view sign) {
    const auto first = magnitude(nearest);
    const auto last = magnitude(farthest);
    if (first >= last) return;
    const auto whole = [&](std::uint64_t from, std::uint64_t to) {
      return expressions.sequence({expressions.literal(sign), digits.between(from, to)});
    };
    options.push_back(
        expressions.sequence({whole(first, first), excludes_nearest ? fraction : any_fraction}));
    if (first + 1 < last)
      options.push_back(expressions.sequence({whole(first + 1, last - 1), any_fraction}));
  };
  if (max > 0)
    with_fraction(std::max<std::int64_t>(min, 0), max, range.excludes_min && min >= 0, "");
  if (min < 0)
    with_fraction(std::min<std::int64_t>(max, 0), min, range.excludes_max && max <= 0, "-");
  return options.empty() ? expressions.nothing() : expressions.choice(std::move(options));
}

}  // namespace fathom::grammar
