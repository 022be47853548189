// The pre_tokenizer of a tokenizer.json.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "base/result.h"
#include "tokenizer/pre_tokenizer.h"

namespace fathom::tokenizer {

// Sequence, Split, Digits and ByteLevel become splits; others are refused by name. `value` may be
// nullptr, which is an error.
base::Result<void> read_pre_tokenizer(const boost::json::value* value, const std::string& where,
                                      PreTokenizer& pre_tokenizer);

}  // namespace fathom::tokenizer
