// Error: what failed, where, and what to do; with one of gRPC's canonical codes.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace fathom::base {

// gRPC's canonical codes, with their numbers: one table maps them to HTTP and to gRPC.
enum class ErrorCode : int {
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "INVALID_ARGUMENT" and so on.
std::string_view name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kUnknown;
  std::string message;  // what is wrong, and what to do
  std::string where;    // file, field, address or flag; may be empty

  // One line: "where: message".
  std::string text() const;
};

// fail(ErrorCode::kNotFound, path, "no such file; check the name").
template <typename... Args>
Error fail(ErrorCode code, std::string_view where, fmt::format_string<Args...> format,
           Args&&... args) {
  return Error{code, fmt::format(format, std::forward<Args>(args)...), std::string(where)};
}

// "No such file or directory" for an errno value.
std::string errno_text(int error_number);

// The canonical code that fits an errno value.
ErrorCode errno_code(int error_number);

}  // namespace fathom::base
