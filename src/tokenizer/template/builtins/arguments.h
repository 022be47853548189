// Arguments of a call, and how they meet the parameters of what is called.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/template/value/value.h"

namespace fathom::tokenizer::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

struct Signature {
  std::string_view name;  // of the callee, for errors
  std::initializer_list<std::string_view> parameters;
  std::size_t num_required = 0;
};

// One slot a parameter, empty where the call gives nothing. Refused: too many, unknown names,
// one parameter twice, a required one missing.
Result<std::vector<std::optional<Value>>> bind(const Arguments& arguments,
                                               const Signature& signature);

// The value as a string, an integer or a truth; an error that names the callee otherwise.
Result<Text> expect_text(const Value& value, std::string_view callee);
Result<std::int64_t> expect_integer(const Value& value, std::string_view callee);

}  // namespace fathom::tokenizer::jinja
