// Generator: something that answers token sequences; the engine, or a fake in tests.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "engine/request.h"

namespace fathom::engine {

// Thread-safe.
class Generator {
 public:
  virtual ~Generator() = default;

  // Queues a request, or says why it can never run: the context is too short (kOutOfRange), the
  // queue full (kResourceExhausted), a token out of the vocabulary (kInvalidArgument).
  // on_delta may be called before submit() returns.
  virtual base::Result<RequestId> submit(GenerationRequest request, DeltaCallback on_delta) = 0;

  // Stops a request; its last delta has kCancelled, unless it ended before. Unknown ids are
  // ignored.
  virtual void cancel(RequestId id) = 0;

  // The longest prompt and answer together.
  virtual std::int64_t max_context_tokens() const = 0;
};

}  // namespace fathom::engine
