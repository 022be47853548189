// The sums.
#include "diagnose/model_bytes.h"

#include <utility>

namespace fathom::diagnose {

ModelBytes model_bytes(const spec::ModelSpec& spec, std::string name) {
  const std::int64_t total = spec.total_parameters();
  const std::int64_t table = spec.vocab_rows * spec.hidden_size;
  // A layer's matrices, and how many outputs they have.
  const std::int64_t matrices =
      spec.num_layers * (spec.hidden_size * (2 * spec.q_size() + 2 * spec.kv_size()) +
                         3 * spec.hidden_size * spec.intermediate_size);
  const std::int64_t outputs =
      spec.num_layers *
      (spec.q_size() + 2 * spec.kv_size() + 2 * spec.intermediate_size + 2 * spec.hidden_size);
  const std::int64_t rest = 2 * (total - matrices);
  constexpr std::int64_t kGroup = 128;
  constexpr std::int64_t kScaleBytes = 4;
  constexpr std::int64_t kTwoGroupsBytes = 5;  // each has a scale in 16 bits, a zero point in 4
  ModelBytes bytes;
  bytes.name = std::move(name);
  bytes.weights_16_bit = 2 * total;
  bytes.weights_8_bit = matrices + outputs * kScaleBytes + rest;
  bytes.weights_4_bit = matrices / 2 + matrices / (2 * kGroup) * kTwoGroupsBytes + rest;
  bytes.parameters_per_token = spec.tied_embeddings ? total : total - table;
  bytes.read_per_token = 2 * bytes.parameters_per_token;
  bytes.kv_per_token_16_bit = 2 * spec.kv_values_per_token();
  // A scale for each token and head, for keys and for values.
  bytes.kv_per_token_8_bit =
      spec.kv_values_per_token() + 2 * spec.num_layers * spec.num_kv_heads * kScaleBytes;
  bytes.max_context_tokens = spec.max_context_tokens;
  return bytes;
}

}  // namespace fathom::diagnose
