// Decode and prefill rates of a model's shape, with random weights, beside the machine's limits.
//
// What runs is the engine's own scheduler and runner. The KV cache is filled by computing the
// prompts of random tokens that stand in it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bench/limits.h"
#include "device/device.h"
#include "model/decoder.h"
#include "spec/model_spec.h"
#include "tensor/tensor.h"

namespace fathom::bench {

// Steps of a decode measurement: the first ones are not counted, the others' median is.
inline constexpr std::int64_t kWarmUpSteps = 8;
inline constexpr std::int64_t kMeasuredSteps = 32;
// The least context: the measured steps lie around it.
inline constexpr std::int64_t kMinContextTokens = kWarmUpSteps + kMeasuredSteps / 2 + 1;

struct ShapeBenchOptions {
  spec::ModelSpec spec;
  tensor::DType compute_dtype = tensor::DType::kBF16;
  bool weights_in_fp8 = false;
  tensor::DType kv_dtype = tensor::DType::kBF16;
  model::Determinism determinism = model::Determinism::kSchedule;
  std::vector<std::int64_t> batches;    // of decoding; may be empty
  std::int64_t context_tokens = 600;    // on average over the measured steps
  std::int64_t prompt_tokens = 2048;    // 0: no prefill
  std::int64_t max_dot_size = 8192;     // see CeilingOptions
  std::int64_t ceiling_read_bytes = 0;  // the same
  // Called before each phase with what it is.
  std::function<void(std::string_view)> on_phase;
};

struct DecodeRate {
  std::int64_t batch = 0;
  std::int64_t context_tokens = 0;
  double step_ms = 0;  // median
  double tokens_per_s = 0;
  double limit_tokens_per_s = 0;

  double percent_of_limit() const { return 100.0 * tokens_per_s / limit_tokens_per_s; }
};

struct PrefillRate {
  std::int64_t num_tokens = 0;
  double seconds = 0;  // from scheduling to the first token on the host, median
  double tokens_per_s = 0;
  double limit_tokens_per_s = 0;

  double percent_of_limit() const { return 100.0 * tokens_per_s / limit_tokens_per_s; }
};

struct ShapeReport {
  std::string device;
  Ceilings ceilings;
  std::vector<DecodeRate> decode;
  std::vector<PrefillRate> prefill;
  std::size_t resident_bytes = 0;  // device memory held at a time: weights, cache, workspaces
};

// kInvalidArgument and kOutOfRange name the flag to change; kResourceExhausted says, before
// anything is allocated, how much memory is needed and how much there is.
base::Result<ShapeReport> bench_shape(device::Device& device, const ShapeBenchOptions& options);

}  // namespace fathom::bench
