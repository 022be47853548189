// How often tokens stand in answers, and which stand in prompts, on the device: what penalties
// read. count_tokens: for each i, token_counts[slots[i]][tokens[i]] gets 1 more, or kInPrompt set
// if
//   is_prompt[i] is not 0. Entries that name the same place all count. An entry whose slot or token
//   is outside token_counts (-1 is the way to say none) is skipped.
// clear_counts: token_counts[slots[i]] = 0, all of the row; slots outside token_counts are skipped.
// Shapes: slots, tokens, is_prompt i32 [n]; token_counts i32 [num_slots, vocab_rows], as
//   LogitAdjustments describes it. Exact. A count is below 2^31: contexts are far shorter.
// Cost: 4 bytes read and written for each entry; for clear_counts, of each row.
#pragma once

#include "device/device.h"
#include "kernels/sample/logit_adjustments.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct CountTokensArgs {
  tensor::View slots;
  tensor::View tokens;
  tensor::View is_prompt;
  tensor::MutableView token_counts;
};

struct ClearCountsArgs {
  tensor::View slots;
  tensor::MutableView token_counts;
};

void count_tokens(const CountTokensArgs& args, device::Stream& stream);
void count_tokens_reference(const CountTokensArgs& args);
void clear_counts(const ClearCountsArgs& args, device::Stream& stream);
void clear_counts_reference(const ClearCountsArgs& args);

}  // namespace fathom::kernels
