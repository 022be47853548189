// run_with_deadline(): for calls into drivers and file systems that may never come back.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

namespace fathom::diagnose {

// What f() returns, or nothing after `timeout`: then its thread is left behind, and f must not use
// anything of the caller's. f must not throw.
template <typename F>
std::optional<std::invoke_result_t<F>> run_with_deadline(F f, std::chrono::milliseconds timeout) {
  auto promise = std::make_shared<std::promise<std::invoke_result_t<F>>>();
  auto future = promise->get_future();
  std::thread([promise, f = std::move(f)]() mutable { promise->set_value(f()); }).detach();
  if (future.wait_for(timeout) != std::future_status::ready) return std::nullopt;
  return future.get();
}

}  // namespace fathom::diagnose
