// What a caller asks of the engine, and what it gets back.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/token_id.h"

namespace fathom::engine {

using base::TokenId;

enum class RequestId : std::uint64_t {};

// The order in which they apply is that of kernels/sample/sample.h.
struct SamplingParameters {
  float temperature = 1.0F;          // 0: greedy
  std::int32_t top_k = 0;            // 0: off
  float top_p = 1.0F;                // (0, 1]
  float min_p = 0.0F;                // [0, 1]
  std::optional<std::int64_t> seed;  // absent: one is drawn
};

struct GenerationRequest {
  std::vector<TokenId> prompt;  // at least one token
  std::int64_t max_tokens = 0;  // at least one; prompt + max_tokens must fit the context
  SamplingParameters sampling;
  std::vector<std::string> stop;  // text that ends the answer and is not part of it
  bool ignore_eos = false;
};

enum class FinishReason { kStop, kLength, kCancelled, kError };

// "stop", "length", "cancelled", "error".
std::string_view name(FinishReason reason);

// Milliseconds from the submission: waiting, then the prompt, then the answer.
struct Timings {
  double queue_ms = 0;
  double prefill_ms = 0;
  double decode_ms = 0;
};

// A piece of an answer. Text comes in whole characters, and never holds a part of a stop string;
// tokens may come before their text. The last delta has `finish`.
struct GenerationDelta {
  std::string text;
  std::vector<TokenId> tokens;
  std::optional<FinishReason> finish;
  std::optional<base::Error> error;    // with kError
  std::int64_t completion_tokens = 0;  // so far
  Timings timings;                     // complete in the last delta
};

// Called on the engine's thread, in order, until the delta with `finish`: must not block.
using DeltaCallback = std::function<void(GenerationDelta)>;

}  // namespace fathom::engine
