// Filters that give numbers.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "tokenizer/template/builtins/filters.h"
#include "tokenizer/template/value/operators.h"

namespace fathom::tokenizer::jinja {
namespace {

// Without white space around it, a leading plus, and underscores between digits; or nothing.
std::optional<std::string> number_text(std::string_view bytes) {
  bytes.remove_prefix(leading_space_bytes(bytes));
  bytes.remove_suffix(trailing_space_bytes(bytes));
  if (bytes.starts_with('+')) {
    bytes.remove_prefix(1);
    if (bytes.starts_with('-')) return std::nullopt;
  }
  const auto is_digit = [](char byte) { return byte >= '0' && byte <= '9'; };
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != '_') {
      text.push_back(bytes[i]);
    } else if (i == 0 || i + 1 == bytes.size() || !is_digit(bytes[i - 1]) ||
               !is_digit(bytes[i + 1])) {
      return std::nullopt;
    }
  }
  return text;
}

std::optional<double> parse_float(std::string_view bytes) {
  const auto text = number_text(bytes);
  if (!text || text->empty() || text->find('(') != std::string::npos) return std::nullopt;
  double value = 0;
  const char* end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, value);
  if (parsed.ptr != end || parsed.ec == std::errc::invalid_argument) return std::nullopt;
  if (parsed.ec == std::errc::result_out_of_range) return std::strtod(text->c_str(), nullptr);
  return value;
}

base::Error overflow() {
  return fail(ErrorCode::kOutOfRange, "", "an integer of the template goes beyond 64 bits");
}

// int(): towards zero. Nothing for infinities and NaN.
Result<std::optional<std::int64_t>> truncate(double value) {
  if (!std::isfinite(value)) return std::optional<std::int64_t>();
  if (value >= 0x1p63 || value < -0x1p63) return overflow();
  return std::optional<std::int64_t>(static_cast<std::int64_t>(value));
}

Result<std::optional<std::int64_t>> parse_integer(std::string_view bytes) {
  const auto text = number_text(bytes);
  if (!text) return std::optional<std::int64_t>();
  std::int64_t value = 0;
  const char* end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, value);
  if (parsed.ptr == end && parsed.ec == std::errc()) return std::optional<std::int64_t>(value);
  if (parsed.ptr == end && parsed.ec == std::errc::result_out_of_range) return overflow();
  if (const auto real = parse_float(bytes)) return truncate(*real);
  return std::optional<std::int64_t>();
}

base::Error not_a_number(std::string_view filter, const Value& input) {
  return fail(ErrorCode::kInvalidArgument, "", "{} needs a number, not {}", filter,
              type_name(input));
}

Result<Value> to_int(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"int", {"default", "base"}}));
  if (slots[1] && to_integer(*slots[1]) != 10) {
    return fail(ErrorCode::kUnimplemented, "", "int: only base 10 is supported");
  }
  std::optional<std::int64_t> result;
  if (input.is(Kind::kUndefined)) {
    return fail(ErrorCode::kInvalidArgument, "", "{} is undefined; it has no integer",
                input.undefined_what());
  }
  if (input.is(Kind::kString)) {
    TRY(budget.charge_walk(input.as_text().size_bytes()));
    result = TRY(parse_integer(input.as_bytes()));
  } else if (input.is(Kind::kFloat)) {
    result = TRY(truncate(input.as_float()));
  } else {
    result = to_integer(input);
  }
  if (result) return Value::integer(*result);
  return slots[0].value_or(Value::integer(0));
}

Result<Value> to_float(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"float", {"default"}}));
  if (input.is(Kind::kUndefined)) {
    return fail(ErrorCode::kInvalidArgument, "", "{} is undefined; it has no number",
                input.undefined_what());
  }
  if (input.is_number()) return Value::number(to_double(input));
  if (input.is(Kind::kString)) {
    TRY(budget.charge_walk(input.as_text().size_bytes()));
    if (const auto value = parse_float(input.as_bytes())) return Value::number(*value);
  }
  return slots[0].value_or(Value::number(0));
}

Result<Value> absolute(const Value& input, const Arguments& arguments, Budget&) {
  TRY(bind(arguments, {"abs", {}}));
  if (!input.is_number()) return not_a_number("abs", input);
  if (input.is(Kind::kFloat)) return Value::number(std::fabs(input.as_float()));
  const std::int64_t value = *to_integer(input);
  return value < 0 ? negate(Value::integer(value)) : Value::integer(value);
}

Result<Value> rounded(const Value& input, const Arguments& arguments, Budget&) {
  const auto slots = TRY(bind(arguments, {"round", {"precision", "method"}}));
  const std::int64_t precision = slots[0] ? TRY(expect_integer(*slots[0], "round")) : 0;
  const std::string method = slots[1]     ? TRY(expect_text(*slots[1], "round"))
  .bytes() : "common";
  if (!input.is_number()) return not_a_number("round", input);
  if (precision < 0 || precision > 15) {
    return fail(ErrorCode::kInvalidArgument, "", "round: precision is 0 to 15, not {}", precision);
  }
  const double value = to_double(input);
  if (method == "common") {
    // Python rounds integers to integers and floats by their exact decimal value.
    if (!input.is(Kind::kFloat)) return Value::integer(*to_integer(input));
    if (!std::isfinite(value)) return Value::number(value);
    return Value::number(std::strtod(fmt::format("{:.{}f}", value, precision).c_str(), nullptr));
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (method == "ceil") return Value::number(std::ceil(value * scale) / scale);
  if (method == "floor") return Value::number(std::floor(value * scale) / scale);
  return fail(ErrorCode::kInvalidArgument, "", "round: method is common, ceil or floor");
}

}  // namespace

Filter find_number_filter(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Filter>, 4> kFilters = {
      {{"int", to_int}, {"float", to_float}, {"abs", absolute}, {"round", rounded}}};
  for (const auto& [known, filter] : kFilters) {
    if (known == name) return filter;
  }
  return nullptr;
}

}  // namespace fathom::tokenizer::jinja
