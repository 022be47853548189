// The order in which the workspace's arrays lie.
#include "footprint/decoder_arrays.h"

#include <algorithm>

#include "footprint/scratch.h"

namespace fathom::footprint {

using tensor::DType;

namespace {

// Every array starts on its own cache line, so that no two kernels' outputs share one; and where
// cuBLASLt wants its workspace.
constexpr std::int64_t kAlignmentBytes = 256;

}  // namespace

DecoderArrays decoder_arrays(const spec::ModelSpec& spec, const DecoderDemand& demand,
                             const DeviceShape& device) {
  const DType dtype = demand.compute_dtype;
  const std::int64_t tokens = demand.max_step_tokens;
  const std::int64_t max_in = std::max({spec.hidden_size, spec.q_size(), spec.intermediate_size});
  const std::int64_t quantized_tokens = demand.quantizes_rows ? tokens : 0;
  ArrayLayout layout(kAlignmentBytes);
  DecoderArrays a;
  a.residual = layout.place(DType::kF32, {tokens, spec.hidden_size});
  a.normed = layout.place(dtype, {tokens, spec.hidden_size});
  a.qkv = layout.place(dtype, {tokens, spec.q_size() + 2 * spec.kv_size()});
  a.queries = layout.place(dtype, {tokens, spec.num_heads, spec.head_dim});
  a.attended = layout.place(dtype, {tokens, spec.num_heads, spec.head_dim});
  a.gate_up = layout.place(dtype, {tokens, 2 * spec.intermediate_size});
  a.gated = layout.place(dtype, {tokens, spec.intermediate_size});
  a.selected = layout.place(dtype, {demand.max_logit_rows, spec.hidden_size});
  a.logits = layout.place(DType::kF32, {demand.max_logit_rows, spec.vocab_rows});
  a.cos_sin = layout.place(DType::kF32, {demand.max_context_tokens, 2, spec.head_dim / 2});
  a.attention = layout.place(DType::kF32, {attention_scratch_floats(device, spec.head_dim)});
  a.linear = layout.place(DType::kU8, {linear_scratch_bytes(device, tokens, max_in)});
  a.quantized = layout.place(DType::kF8E4M3, {quantized_tokens, max_in});
  a.scales = layout.place(DType::kF32, {quantized_tokens});
  a.total_bytes = layout.end_bytes();
  return a;
}

}  // namespace fathom::footprint
