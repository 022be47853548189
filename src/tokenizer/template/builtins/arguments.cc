// Binding of arguments to parameters.
#include "tokenizer/template/builtins/arguments.h"

#include <algorithm>

#include "tokenizer/template/value/operators.h"

namespace fathom::tokenizer::jinja {

Result<std::vector<std::optional<Value>>> bind(const Arguments& arguments,
                                               const Signature& signature) {
  const auto& parameters = signature.parameters;
  if (arguments.positional.size() > parameters.size()) {
    return fail(ErrorCode::kInvalidArgument, "", "{} takes at most {} argument(s), not {}",
                signature.name, parameters.size(), arguments.positional.size());
  }
  std::vector<std::optional<Value>> slots(arguments.positional.begin(), arguments.positional.end());
  slots.resize(parameters.size());
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(parameters.begin(), parameters.end(), name);
    if (found == parameters.end()) {
      return fail(ErrorCode::kInvalidArgument, "", "{} has no parameter '{}'", signature.name,
                  name);
    }
    auto& slot = slots[static_cast<std::size_t>(found - parameters.begin())];
    if (slot) {
      return fail(ErrorCode::kInvalidArgument, "", "{} gets '{}' twice", signature.name, name);
    }
    slot = value;
  }
  for (std::size_t i = 0; i < signature.num_required; ++i) {
    if (!slots[i]) {
      return fail(ErrorCode::kInvalidArgument, "", "{} needs the argument '{}'", signature.name,
                  *(parameters.begin() + i));
    }
  }
  return slots;
}

Result<Text> expect_text(const Value& value, std::string_view callee) {
  if (!value.is(Kind::kString)) {
    return fail(ErrorCode::kInvalidArgument, "", "{} needs a str, not {}", callee,
                type_name(value));
  }
  return value.as_text();
}

Result<std::int64_t> expect_integer(const Value& value, std::string_view callee) {
  const auto integer = to_integer(value);
  if (!integer) {
    return fail(ErrorCode::kInvalidArgument, "", "{} needs an int, not {}", callee,
                type_name(value));
  }
  return *integer;
}

}  // namespace fathom::tokenizer::jinja
