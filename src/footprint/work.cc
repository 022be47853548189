// The formulas.
#include "footprint/work.h"

namespace fathom::footprint {

double layers_flop_per_token(const spec::ModelSpec& spec) {
  const std::int64_t attention =
      spec.hidden_size * (spec.q_size() + 2 * spec.kv_size()) + spec.q_size() * spec.hidden_size;
  const std::int64_t mlp = 3 * spec.hidden_size * spec.intermediate_size;
  return 2.0 * static_cast<double>(spec.num_layers * (attention + mlp));
}

double head_flop_per_token(const spec::ModelSpec& spec) {
  return 2.0 * static_cast<double>(spec.vocab_rows * spec.hidden_size);
}

double attention_flop(const spec::ModelSpec& spec, std::int64_t num_tokens) {
  const auto tokens = static_cast<double>(num_tokens);
  // Row i meets i + 1 keys: on average half of the prompt, once for scores and once for values.
  return 2.0 * static_cast<double>(spec.num_layers * spec.q_size()) * tokens * (tokens + 1.0);
}

double prefill_flop(const spec::ModelSpec& spec, std::int64_t num_tokens) {
  return layers_flop_per_token(spec) * static_cast<double>(num_tokens) +
         attention_flop(spec, num_tokens) + head_flop_per_token(spec);
}

}  // namespace fathom::footprint
