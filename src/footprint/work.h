// FLOP of a model's phases: what every prediction and every limit counts. A multiply-add is two.
#pragma once

#include <cstdint>

#include "spec/model_spec.h"

namespace fathom::footprint {

// Of the matrix products of one token, the head apart; and of the head.
double layers_flop_per_token(const spec::ModelSpec& spec);
double head_flop_per_token(const spec::ModelSpec& spec);

// Of causal attention over a prompt: scores and values.
double attention_flop(const spec::ModelSpec& spec, std::int64_t num_tokens);

// Of a prompt: products and attention in every row, the head in the last.
double prefill_flop(const spec::ModelSpec& spec, std::int64_t num_tokens);

}  // namespace fathom::footprint
