// FakeExchange: a request and its answer for tests, without a connection.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "net/http_server.h"

namespace fathom::serve {

class FakeExchange final : public net::HttpExchange {
 public:
  FakeExchange(std::string method, std::string path, std::string body)
      : request_{std::move(method), std::move(path), "", {}, std::move(body)} {}

  const net::HttpRequest& request() const override { return request_; }
  void respond(net::HttpResponse response) override {
    const std::lock_guard lock(mutex_);
    ++num_answers;
    status = response.status;
    body = std::move(response.body);
    headers = std::move(response.headers);
    end();
  }
  void start(int code, net::HttpHeaders sent) override {
    ++num_answers;
    status = code;
    headers = std::move(sent);
  }
  void write(std::string piece) override { body += piece; }
  void finish() override {
    const std::lock_guard lock(mutex_);
    end();
  }
  void abort() override { finish(); }
  void on_client_gone(std::function<void()> callback) override {
    const std::lock_guard lock(mutex_);
    gone_ = std::move(callback);
    changed_.notify_all();
  }

  // False after ten seconds.
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [this] { return is_over_; });
  }
  bool is_over() {
    const std::lock_guard lock(mutex_);
    return is_over_;
  }
  // Waits for the callback, then calls it.
  bool leave() {
    std::function<void()> gone;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait_for(lock, std::chrono::seconds(10), [this] { return bool(gone_); })) {
        return false;
      }
      gone = gone_;
    }
    gone();
    return true;
  }
  bool wait_until_submitted() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [this] { return bool(gone_); });
  }

  int status = 0;
  int num_answers = 0;
  std::string body;
  net::HttpHeaders headers;

 private:
  void end() {
    is_over_ = true;
    gone_ = {};  // as a real one drops it
    changed_.notify_all();
  }

  net::HttpRequest request_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> gone_;
  bool is_over_ = false;
};

}  // namespace fathom::serve
