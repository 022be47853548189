// What a machine could do at best: the limits that measured rates are held against.
//
// A decode step reads every weight but the embedding once and the keys and values of every
// sequence; its products can hide behind the weights' reading, but the cache is read after them:
//   step >= max(weight bytes / bandwidth, FLOP / dot rate) + KV bytes / bandwidth
// A prompt is bound by its products: step >= FLOP / dot rate.
#pragma once

#include <cstdint>

#include "footprint/work.h"
#include "spec/model_spec.h"

namespace fathom::bench {

// Rates measured on the machine itself.
struct Ceilings {
  double read_bytes_per_s = 0;
  double dot_flop_per_s = 0;  // a multiply-add counts two
};

using footprint::head_flop_per_token;
using footprint::layers_flop_per_token;
using footprint::prefill_flop;

struct DecodeWork {
  std::int64_t batch = 0;           // sequences, one token each
  std::int64_t context_tokens = 0;  // of each sequence
  double weight_bytes = 0;          // read once a step
  double kv_bytes_per_token = 0;    // over all layers
  double flop_per_token = 0;
};

double decode_limit_tokens_per_s(const DecodeWork& work, const Ceilings& ceilings);
double prefill_limit_tokens_per_s(const spec::ModelSpec& spec, std::int64_t num_tokens,
                                  const Ceilings& ceilings);

}  // namespace fathom::bench
