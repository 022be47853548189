// FakeGenerator: a generator for tests that answers from a script.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/generator.h"

namespace fathom::serve {

// Answers every request with `deltas` at once, unless told to wait or to fail.
class FakeGenerator final : public engine::Generator {
 public:
  using Deltas = std::vector<engine::GenerationDelta>;

  base::Result<engine::RequestId> submit(engine::GenerationRequest request,
                                         engine::DeltaCallback on_delta) override {
    Deltas answer;
    {
      const std::lock_guard lock(mutex_);
      if (throws) throw std::runtime_error("a library broke");
      if (failure && std::ssize(requests_) >= fails_from) return *failure;
      requests_.push_back(std::move(request));
      if (waits) {
        pending_.push_back(std::move(on_delta));
        return engine::RequestId{requests_.size()};
      }
      answer = script ? script(requests_.back()) : deltas;
    }
    for (engine::GenerationDelta& delta : answer) on_delta(std::move(delta));
    return engine::RequestId{1};
  }

  base::Result<engine::RequestId> submit_embedding(engine::EmbeddingRequest request,
                                                   engine::EmbeddingCallback on_answer) override {
    if (failure) return *failure;
    const auto size = static_cast<float>(request.prompt.size());
    {
      const std::lock_guard lock(mutex_);
      embeddings_.push_back(std::move(request));
      if (waits) {
        pending_embeddings_.push_back(std::move(on_answer));
        return engine::RequestId{embeddings_.size()};
      }
    }
    on_answer({.values = {3.0F * size, 4.0F * size, 0.0F}});
    return engine::RequestId{1};
  }

  void cancel(engine::RequestId id) override {
    const std::lock_guard lock(mutex_);
    cancelled_.push_back(static_cast<int>(id));
  }
  std::int64_t max_context_tokens() const override { return max_context; }
  std::int64_t embedding_size() const override { return 3; }
  engine::EngineStatus status() const override { return current; }
  std::chrono::seconds retry_after() const override { return std::chrono::seconds(9); }

  engine::GenerationRequest last() {
    const std::lock_guard lock(mutex_);
    return requests_.empty() ? engine::GenerationRequest() : requests_.back();
  }
  std::vector<engine::GenerationRequest> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::vector<engine::EmbeddingRequest> embeddings() {
    const std::lock_guard lock(mutex_);
    return embeddings_;
  }
  std::vector<engine::DeltaCallback> pending() {
    const std::lock_guard lock(mutex_);
    return pending_;
  }
  std::vector<engine::EmbeddingCallback> pending_embeddings() {
    const std::lock_guard lock(mutex_);
    return pending_embeddings_;
  }
  std::vector<int> cancelled() {
    const std::lock_guard lock(mutex_);
    return cancelled_;
  }
  // The answers of requests to come: the pieces of text, then the end.
  void say(const std::vector<std::string>& pieces,
           engine::FinishReason finish = engine::FinishReason::kStop) {
    deltas.clear();
    std::int64_t count = 0;
    for (const std::string& piece : pieces) {
      deltas.push_back(
          {.text = piece, .tokens = {base::TokenId{65}}, .completion_tokens = ++count});
    }
    deltas.push_back({.finish = finish, .completion_tokens = count});
  }

  Deltas deltas = {{.text = "Hi", .tokens = {base::TokenId{39}}, .completion_tokens = 1},
                   {.text = "", .tokens = {base::TokenId{40}}, .completion_tokens = 2},
                   {.text = " there!",
                    .tokens = {base::TokenId{41}},
                    .finish = engine::FinishReason::kStop,
                    .completion_tokens = 3,
                    .cached_prompt_tokens = 4,
                    .timings = {.queue_ms = 1, .prefill_ms = 2, .decode_ms = 3, .paused_ms = 4}}};
  std::function<Deltas(const engine::GenerationRequest&)> script;  // in place of deltas
  bool waits = false;
  bool throws = false;
  std::optional<base::Error> failure;
  std::ptrdiff_t fails_from = 0;  // how many requests are taken before the failure
  std::int64_t max_context = 400;
  engine::EngineStatus current;

 private:
  std::mutex mutex_;
  std::vector<engine::GenerationRequest> requests_;
  std::vector<engine::EmbeddingRequest> embeddings_;
  std::vector<engine::DeltaCallback> pending_;
  std::vector<engine::EmbeddingCallback> pending_embeddings_;
  std::vector<int> cancelled_;
};

}  // namespace fathom::serve
