// JSON values as template values.
#pragma once

#include <boost/json/fwd.hpp>

#include "tokenizer/template/value/value.h"

namespace fathom::tokenizer::jinja {

// Strings (keys too) are marked untrusted. Refused: integers beyond 64 bits.
Result<Value> value_from_json(const boost::json::value& json, Budget& budget);

}  // namespace fathom::tokenizer::jinja
