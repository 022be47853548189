// CHECK: an invariant whose failure is our bug. Stops the process; never reachable from input.
#pragma once

#include <fmt/core.h>

#include <string_view>

namespace fathom::base {

// Writes "file:line: CHECK(condition) failed: message" to standard error and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view message);

}  // namespace fathom::base

#define CHECK(condition, ...)                                                                 \
  do {                                                                                        \
    if (!(condition)) [[unlikely]]                                                            \
      ::fathom::base::check_failed(__FILE__, __LINE__, #condition, fmt::format(__VA_ARGS__)); \
  } while (false)
