// Methods of strings, dicts, lists and loops: those of Python that only read.
#pragma once

#include <string_view>

#include "tokenizer/template/builtins/arguments.h"

namespace fathom::tokenizer::jinja {

enum class MethodSupport { kNone, kSupported, kRefused };

// kRefused: Python's type has the method and this interpreter does not.
MethodSupport method_support(const Value& receiver, std::string_view name);
// Some type has the method, and it is supported.
bool is_supported_method(std::string_view name);

Result<Value> call_method(const Method& method, const Arguments& arguments, Budget& budget);

}  // namespace fathom::tokenizer::jinja
