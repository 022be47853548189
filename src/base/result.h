// Result<T>: a value, or an Error that says what failed, where, and what to do.
//
// Method names follow std::expected, which needs C++23. Propagate with TRY:
//   auto config = TRY(read_config(folder));
// Nothing here throws; reading the value of a failed Result is a bug and stops the process.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/error.h"

namespace fathom::base {

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = Error;

  template <typename U = T>
    requires std::is_constructible_v<T, U&&> && (!std::is_same_v<std::remove_cvref_t<U>, Result>) &&
             (!std::is_same_v<std::remove_cvref_t<U>, Error>)
  // NOLINTNEXTLINE(google-explicit-constructor): a value is a Result
  Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): an error is a Result
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return *checked(this); }
  const T& value() const& { return *checked(this); }
  T&& value() && { return std::move(*checked(this)); }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& {
    CHECK(!has_value(), "error() of a Result that holds a value");
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    CHECK(!has_value(), "error() of a Result that holds a value");
    return std::move(*std::get_if<1>(&state_));
  }

  template <typename U>
  T value_or(U&& fallback) && {
    return has_value() ? std::move(*this).value() : static_cast<T>(std::forward<U>(fallback));
  }

  // f: T -> U. A failed Result passes its error on.
  template <typename F>
  auto transform(F&& f) && -> Result<std::invoke_result_t<F, T&&>> {
    if (!has_value()) return std::move(*this).error();
    return std::invoke(std::forward<F>(f), std::move(*this).value());
  }

  // f: T -> Result<U>. A failed Result passes its error on.
  template <typename F>
  auto and_then(F&& f) && -> std::invoke_result_t<F, T&&> {
    if (!has_value()) return std::move(*this).error();
    return std::invoke(std::forward<F>(f), std::move(*this).value());
  }

  // f: Error -> Error, to add what only the caller knows.
  template <typename F>
  Result transform_error(F&& f) && {
    if (has_value()) return std::move(*this);
    return std::invoke(std::forward<F>(f), std::move(*this).error());
  }

 private:
  template <typename Self>
  static auto checked(Self* self) {
    auto* value = std::get_if<0>(&self->state_);
    CHECK(value != nullptr, "value() of a failed Result: {}",
          std::get_if<1>(&self->state_)->text());
    return value;
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  using error_type = Error;

  Result() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): an error is a Result
  Result(Error error) : error_(std::move(error)), failed_(true) {}

  bool has_value() const { return !failed_; }
  explicit operator bool() const { return has_value(); }
  void value() const { CHECK(!failed_, "value() of a failed Result: {}", error_.text()); }
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }

  template <typename F>
  Result transform_error(F&& f) && {
    if (has_value()) return {};
    return std::invoke(std::forward<F>(f), std::move(error_));
  }

 private:
  Error error_;
  bool failed_ = false;
};

}  // namespace fathom::base

// The value of a Result, or a return of its Error from the enclosing function.
#define TRY(...)                                                                                 \
  __extension__({                                                                                \
    auto fathom_result = (__VA_ARGS__);                                                          \
    if (!fathom_result) return std::move(fathom_result).error();                                 \
    static_cast<typename decltype(fathom_result)::value_type>(std::move(fathom_result).value()); \
  })
