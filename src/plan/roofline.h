// The time of a model's phases: bytes and FLOP over the shares of a device's peaks that are
// reached.
//
//   decode step = max(weight bytes / (bandwidth * memory share), FLOP / (rate * compute share))
//                 + KV bytes / (bandwidth * memory share)
//                 + operations * launch + all-reduces
//                 (on a CPU, whose cores load and multiply in turn, weights and products add up)
//   prompt      = for each chunk max(FLOP / (rate * compute share), weight bytes / ...), the same
#pragma once

#include <cstdint>

#include "plan/catalogue.h"
#include "plan/precision.h"
#include "plan/range.h"
#include "spec/model_spec.h"

namespace fathom::plan {

// What runs, on one device or on each rank of several.
struct Placement {
  const spec::ModelSpec& spec;  // the whole model
  const Accelerator& device;
  int ranks = 1;  // of tensor parallelism
  Weights weights = Weights::kFp16;
  KvType kv = KvType::kFp16;
};

// The terms of a step, in seconds but where a unit is named; sums are ranges.
struct DecodeTime {
  double weight_bytes = 0;  // read by the largest rank
  double kv_bytes = 0;
  double flop = 0;
  double operations = 0;
  double all_reduces = 0;
  double all_reduce_seconds = 0;  // of one
  Range weights_seconds;
  Range products_seconds;
  Range kv_seconds;
  Range launch_seconds;
  Range total_seconds;
};

DecodeTime decode_time(const Placement& placement, std::int64_t batch, std::int64_t context_tokens);

struct PrefillTime {
  double flop = 0;  // of the largest rank
  std::int64_t num_steps = 0;
  double all_reduce_seconds = 0;  // of all
  Range products_seconds;
  Range weights_seconds;  // what reading them takes, which products hide
  Range total_seconds;
};

PrefillTime prefill_time(const Placement& placement, std::int64_t num_tokens);

// The shares that apply to the device.
Efficiency efficiency_of(const Accelerator& device);

}  // namespace fathom::plan
