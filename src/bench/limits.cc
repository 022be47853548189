// The formulas.
#include "bench/limits.h"

#include <algorithm>

namespace fathom::bench {

double layers_flop_per_token(const spec::ModelSpec& spec) {
  const std::int64_t attention =
      spec.hidden_size * (spec.q_size() + 2 * spec.kv_size()) + spec.q_size() * spec.hidden_size;
  const std::int64_t mlp = 3 * spec.hidden_size * spec.intermediate_size;
  return 2.0 * static_cast<double>(spec.num_layers * (attention + mlp));
}

double head_flop_per_token(const spec::ModelSpec& spec) {
  return 2.0 * static_cast<double>(spec.vocab_rows * spec.hidden_size);
}

double prefill_flop(const spec::ModelSpec& spec, std::int64_t num_tokens) {
  const auto tokens = static_cast<double>(num_tokens);
  // Row i meets i + 1 keys: on average half of the prompt, once for scores and once for values.
  const double attention =
      2.0 * static_cast<double>(spec.num_layers * spec.q_size()) * tokens * (tokens + 1.0);
  return layers_flop_per_token(spec) * tokens + attention + head_flop_per_token(spec);
}

double decode_limit_tokens_per_s(const DecodeWork& work, const Ceilings& ceilings) {
  const auto batch = static_cast<double>(work.batch);
  const double weights_s = work.weight_bytes / ceilings.read_bytes_per_s;
  const double products_s = batch * work.flop_per_token / ceilings.dot_flop_per_s;
  const double kv_s = batch * static_cast<double>(work.context_tokens) * work.kv_bytes_per_token /
                      ceilings.read_bytes_per_s;
  return batch / (std::max(weights_s, products_s) + kv_s);
}

double prefill_limit_tokens_per_s(const spec::ModelSpec& spec, std::int64_t num_tokens,
                                  const Ceilings& ceilings) {
  return static_cast<double>(num_tokens) * ceilings.dot_flop_per_s / prefill_flop(spec, num_tokens);
}

}  // namespace fathom::bench
