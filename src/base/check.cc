// Stops the process on a broken invariant.
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace fathom::base {

void check_failed(const char* file, int line, const char* condition, std::string_view message) {
  std::fprintf(stderr,
               "%s:%d: CHECK(%s) failed: %.*s\nThis is a bug in fathom; please report it.\n", file,
               line, condition, static_cast<int>(message.size()), message.data());
  std::abort();
}

}  // namespace fathom::base
