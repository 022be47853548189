// Generator: something that answers token sequences; the engine, or a fake in tests.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/result.h"
#include "engine/request.h"

namespace fathom::engine {

// What an engine is doing now.
struct EngineStatus {
  std::int64_t num_running = 0;
  std::int64_t num_waiting = 0;
  std::int64_t num_kv_blocks = 0;
  std::int64_t num_used_kv_blocks = 0;  // by running requests; cached ones are free to take
  std::int64_t num_steps = 0;
  // Since the last step ended, or the first waiting work came; zero when there is no work.
  std::chrono::milliseconds since_progress{0};
};

// Thread-safe.
class Generator {
 public:
  virtual ~Generator() = default;

  // Queues a request, or says why it can never run: the context is too short (kOutOfRange), a
  // token out of the vocabulary (kInvalidArgument); or that it should come again later: the queue
  // is full (kResourceExhausted), the engine stops (kUnavailable).
  // on_delta may be called before submit() returns.
  virtual base::Result<RequestId> submit(GenerationRequest request, DeltaCallback on_delta) = 0;
  virtual base::Result<RequestId> submit_embedding(EmbeddingRequest request,
                                                   EmbeddingCallback on_answer) = 0;

  // Stops a request; its last delta has kCancelled, unless it ended before. Unknown ids are
  // ignored.
  virtual void cancel(RequestId id) = 0;

  // The longest prompt and answer together.
  virtual std::int64_t max_context_tokens() const = 0;
  virtual std::int64_t embedding_size() const = 0;
  virtual EngineStatus status() const = 0;
  // How long until a request that is refused now would probably be taken.
  virtual std::chrono::seconds retry_after() const = 0;
};

}  // namespace fathom::engine
