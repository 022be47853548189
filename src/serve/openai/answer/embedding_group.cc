// A window of requests keeps the engine busy without filling its queue.
#include "serve/openai/answer/embedding_group.h"

#include <cmath>
#include <exception>
#include <map>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "serve/openai/answer/answer.h"
#include "serve/openai/answer/embedding_answer.h"
#include "serve/openai/error_response.h"

namespace fathom::serve {
namespace {

constexpr std::size_t kWindow = 8;

class EmbeddingGroup : public std::enable_shared_from_this<EmbeddingGroup> {
 public:
  explicit EmbeddingGroup(EmbeddingGroupArgs args)
      : args_(std::move(args)), values_(args_.requests.size()), is_answered_(values_.size()) {}

  // Submits while there is room. One thread at a time; others leave it what they made room for.
  void pump() {
    std::unique_lock lock(mutex_);
    if (is_pumping_) return;
    is_pumping_ = true;
    while (!is_over_ && next_ < is_answered_.size() && num_running_ < kWindow) {
      const std::size_t index = next_++;
      ++num_running_;
      lock.unlock();
      auto id = submit(index);
      if (!id) fail(id.error());
      lock.lock();
      if (!id || is_answered_[index]) continue;
      running_.emplace(index, *id);
      if (!is_over_) continue;
      lock.unlock();
      args_.generator.cancel(*id);  // the others ended meanwhile
      lock.lock();
    }
    is_pumping_ = false;
  }

  void stop() {
    std::map<std::size_t, engine::RequestId> running;
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
      running = std::exchange(running_, {});
    }
    for (const auto& [index, id] : running) args_.generator.cancel(id);
  }

 private:
  base::Result<engine::RequestId> submit(std::size_t index) {
    try {
      return args_.generator.submit_embedding(
          std::move(args_.requests[index]),
          [self = shared_from_this(), index](engine::EmbeddingAnswer answer) {
            self->take(index, std::move(answer));
          });
    } catch (const std::exception& error) {
      return base::fail(base::ErrorCode::kInternal, "", "{}", error.what());
    }
  }

  void take(std::size_t index, engine::EmbeddingAnswer answer) {
    if (answer.error) return fail(*answer.error);
    for (const float value : answer.values) {
      if (!std::isfinite(value)) {
        return fail(base::fail(base::ErrorCode::kInternal, "", "an embedding is not finite"));
      }
    }
    normalize(answer.values);
    bool is_last = false;
    {
      const std::lock_guard lock(mutex_);
      running_.erase(index);
      is_answered_[index] = true;
      --num_running_;
      if (is_over_) return;
      values_[index] = std::move(answer.values);
      is_last = ++num_done_ == is_answered_.size();
      is_over_ = is_last;
    }
    if (!is_last) return pump();
    std::string body;
    try {
      body = args_.to_json(values_);
    } catch (const std::exception& error) {
      base::log_error("embeddings could not be written: {}", error.what());
      return args_.exchange->respond(
          error_response({.status = 500, .message = "the answer could not be written"}));
    }
    respond_json(*args_.exchange, std::move(body));
  }

  void fail(const base::Error& error) {
    {
      const std::lock_guard lock(mutex_);
      if (is_over_) return;
      is_over_ = true;
    }
    args_.exchange->respond(error_response(api_error(error, args_.generator)));
    stop();
  }

  EmbeddingGroupArgs args_;
  std::mutex mutex_;
  std::vector<std::vector<float>> values_;  // the rest is guarded by mutex_
  std::vector<bool> is_answered_;
  std::map<std::size_t, engine::RequestId> running_;  // submitted, and not answered
  std::size_t next_ = 0;
  std::size_t num_running_ = 0;
  std::size_t num_done_ = 0;
  bool is_pumping_ = false;
  bool is_over_ = false;
};

}  // namespace

void run_embeddings(EmbeddingGroupArgs args) {
  const auto exchange = args.exchange;
  const auto group = std::make_shared<EmbeddingGroup>(std::move(args));
  exchange->on_client_gone([observer = std::weak_ptr<EmbeddingGroup>(group)] {
    if (const auto alive = observer.lock()) alive->stop();
  });
  group->pump();
}

}  // namespace fathom::serve
