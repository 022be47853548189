// Deltas that come before all requests were taken wait, so that a refusal can still be answered.
#include "serve/openai/answer/generation_group.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <utility>

#include "base/log.h"

namespace fathom::serve {
namespace {

using engine::GenerationDelta;
using engine::RequestId;

class GenerationGroup {
 public:
  explicit GenerationGroup(GroupArgs& args)
      : answer_(std::move(args.answer)),
        generator_(args.generator),
        ticket_(std::move(args.ticket)) {}

  void add(RequestId id) { ids_.push_back(id); }
  const std::vector<RequestId>& ids() const { return ids_; }

  void take(std::size_t index, GenerationDelta delta) {
    bool is_broken = false;
    {
      const std::lock_guard lock(mutex_);
      if (!is_running_) {
        early_.emplace_back(index, std::move(delta));
        return;
      }
      is_broken = !deliver(index, std::move(delta));
    }
    if (is_broken) cancel();
  }

  // All requests are in: what came early goes first.
  void run() {
    bool is_broken = false;
    {
      const std::lock_guard lock(mutex_);
      is_running_ = true;
      for (auto& [index, delta] : std::exchange(early_, {})) {
        is_broken = !deliver(index, std::move(delta)) || is_broken;
      }
    }
    if (is_broken) cancel();
  }

  // Deltas that still come are dropped.
  void drop() { is_over_ = true; }

  void cancel() {
    drop();
    for (const RequestId id : ids_) generator_.cancel(id);
  }

 private:
  // False if the answer broke off here.
  bool deliver(std::size_t index, GenerationDelta delta) {
    if (is_over_) return true;
    try {
      if (delta.error) {
        fail(api_error(*delta.error, generator_));
        return false;
      }
      if (delta.finish == engine::FinishReason::kCancelled) {
        fail(api_error(base::fail(base::ErrorCode::kUnavailable, "",
                                  "the request was cancelled: the server stops"),
                       generator_));
        return false;
      }
      answer_->on_delta(index, std::move(delta));
      return true;
    } catch (const std::exception& error) {
      base::log_error("an answer could not be written: {}", error.what());
    }
    try {
      fail({.status = 500, .message = "the answer could not be written"});
    } catch (const std::exception& error) {
      base::log_error("nor its error: {}", error.what());
    }
    return false;
  }

  void fail(const ApiError& error) {
    is_over_ = true;
    answer_->fail(error);
  }

  std::mutex mutex_;
  std::unique_ptr<Answer> answer_;                              // guarded by mutex_
  std::vector<std::pair<std::size_t, GenerationDelta>> early_;  // guarded by mutex_
  bool is_running_ = false;                                     // guarded by mutex_
  std::atomic<bool> is_over_{false};
  std::vector<RequestId> ids_;  // complete before is_running_
  engine::Generator& generator_;
  std::shared_ptr<void> ticket_;
};

base::Result<void> submit_all(GroupArgs& args, const std::shared_ptr<GenerationGroup>& group) {
  for (std::size_t i = 0; i < args.requests.size(); ++i) {
    auto id = args.generator.submit(std::move(args.requests[i]), [group, i](GenerationDelta delta) {
      group->take(i, std::move(delta));
    });
    if (!id) {
      group->cancel();
      return std::move(id).error();
    }
    group->add(*id);
  }
  // Not the group, which keeps the exchange.
  args.exchange->on_client_gone([&generator = args.generator, ids = group->ids(),
                                 observer = std::weak_ptr<GenerationGroup>(group)] {
    if (const auto alive = observer.lock()) alive->drop();
    for (const RequestId id : ids) generator.cancel(id);
  });
  return {};
}

}  // namespace

base::Result<void> run_generations(GroupArgs args) {
  const auto group = std::make_shared<GenerationGroup>(args);
  try {
    TRY(submit_all(args, group));
  } catch (...) {  // the caller answers; nothing may go on behind that
    group->cancel();
    throw;
  }
  group->run();
  return {};
}

}  // namespace fathom::serve
