// Strict JSON from untrusted sources: sizes and depth capped, duplicate keys refused.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace fathom::base {

struct JsonLimits {
  std::size_t max_bytes = std::size_t{64} << 20;
  std::size_t max_depth = 32;
};

// Parses one JSON text. `where` names the source in errors, which give the byte offset.
// Refused: more bytes or depth than the limits, invalid UTF-8, a key twice in one object,
// anything after the value. Callers include <boost/json.hpp> in their .cc to use the value.
Result<boost::json::value> parse_json(std::string_view text, std::string_view where,
                                      const JsonLimits& limits = {});

}  // namespace fathom::base
