// ByteRange: [begin, end) of a text, in bytes.
#pragma once

#include <cstddef>

namespace fathom::base {

struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;

  bool operator==(const ByteRange&) const = default;
};

}  // namespace fathom::base
