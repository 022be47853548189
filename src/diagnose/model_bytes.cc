// Asks footprint, which the engine allocates by.
#include "diagnose/model_bytes.h"

#include <utility>

#include "footprint/kv_cache.h"
#include "footprint/weights.h"

namespace fathom::diagnose {

ModelBytes model_bytes(const spec::ModelSpec& spec, std::string name) {
  using footprint::MatrixFormat;
  const std::int64_t total = spec.total_parameters();
  const std::int64_t table = spec.tied_embeddings ? 0 : spec.vocab_rows * spec.hidden_size;
  const auto narrow = [&](MatrixFormat format) {
    return footprint::read_weight_bytes(spec, {.matrices = format, .has_wide_head = true}) +
           2 * table;
  };
  ModelBytes bytes;
  bytes.name = std::move(name);
  bytes.weights_16_bit = footprint::stored_weight_bytes(spec, tensor::DType::kBF16);
  bytes.weights_8_bit = narrow(MatrixFormat::kI8);
  bytes.weights_4_bit = narrow(MatrixFormat::kI4Group);
  bytes.parameters_per_token = total - table;
  bytes.read_per_token = 2 * bytes.parameters_per_token;
  const auto kv_per_token = [&](tensor::DType dtype) {
    return footprint::kv_block_bytes(spec, {.dtype = dtype}) / footprint::kBlockTokens;
  };
  bytes.kv_per_token_16_bit = kv_per_token(tensor::DType::kBF16);
  bytes.kv_per_token_8_bit = kv_per_token(tensor::DType::kI8);
  bytes.max_context_tokens = spec.max_context_tokens;
  return bytes;
}

}  // namespace fathom::diagnose
