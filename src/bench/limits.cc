// The formulas.
#include "bench/limits.h"

#include <algorithm>

namespace fathom::bench {

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
