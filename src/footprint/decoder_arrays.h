// The arrays of a forward pass: what model::Decoder allocates, and where each lies.
#pragma once

#include <cstdint>

#include "footprint/array_layout.h"
#include "footprint/device_shape.h"
#include "spec/model_spec.h"
#include "tensor/dtype.h"

namespace fathom::footprint {

struct DecoderDemand {
  tensor::DType compute_dtype = tensor::DType::kBF16;
  std::int64_t max_step_tokens = 0;
  std::int64_t max_logit_rows = 0;
  std::int64_t max_context_tokens = 0;
  bool quantizes_rows = false;  // products may read rows in fp8
};

// One allocation.
struct DecoderArrays {
  PlacedArray residual;   // f32 [tokens, hidden]
  PlacedArray normed;     // [tokens, hidden]
  PlacedArray qkv;        // [tokens, q_size + 2 * kv_size]
  PlacedArray queries;    // [tokens, num_heads, head_dim]
  PlacedArray attended;   // [tokens, num_heads, head_dim]
  PlacedArray gate_up;    // [tokens, 2 * intermediate]
  PlacedArray gated;      // [tokens, intermediate]
  PlacedArray selected;   // [logit rows, hidden]
  PlacedArray logits;     // f32 [logit rows, vocab_rows]
  PlacedArray cos_sin;    // f32 [max_context, 2, head_dim / 2]
  PlacedArray attention;  // what paged_attention asks for
  PlacedArray linear;     // what linear asks for
  PlacedArray quantized;  // f8_e4m3 [tokens, widest input]: rows as the next product reads them
  PlacedArray scales;     // f32 [tokens]
  std::int64_t total_bytes = 0;
};

DecoderArrays decoder_arrays(const spec::ModelSpec& spec, const DecoderDemand& demand,
                             const DeviceShape& device);

}  // namespace fathom::footprint
