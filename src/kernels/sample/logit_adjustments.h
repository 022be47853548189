// What a request asks to change in a row of logits before a token is drawn from it.
//
// In this order, in f32:
//   1. masks: a token whose bit is clear becomes -infinity; so does a token with a bias of
//      -infinity (a ban: min_tokens, bad words)
//   2. repetition (arXiv:1909.05858) on tokens of the prompt or the answer:
//      logit > 0 ? logit / penalty : logit * penalty
//   3. frequency and presence (OpenAI's API) on tokens of the answer:
//      logit - frequency * count - presence
//   4. finite biases are added
// All arrays are in device memory. An empty view switches its part off for every row; a
// default-constructed struct adjusts nothing.
#pragma once

#include "kernels/kernel_tasks.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct LogitAdjustments {
  // Penalties. Given together or not at all.
  tensor::View slots;               // i32 [num_rows]: row of token_counts; -1: no penalties
  tensor::View token_counts;        // i32 [num_slots, vocab_rows]: see kInPrompt
  tensor::View repetition_penalty;  // f32 [num_rows], > 0; 1 is off
  tensor::View presence_penalty;    // f32 [num_rows]; 0 is off
  tensor::View frequency_penalty;   // f32 [num_rows]; 0 is off
  // Biases: entries [bias_starts[i], bias_starts[i + 1]) belong to row i. A token that stands
  // twice gets both, in order; one outside [0, num_valid_tokens) is skipped.
  tensor::View bias_starts;  // i32 [num_rows + 1]
  tensor::View bias_tokens;  // i32 [num_biases]
  tensor::View bias_values;  // f32 [num_biases], finite or -infinity
  // Masks: bit t % 32 of word t / 32 set: token t is allowed.
  tensor::View masks;      // i32 [num_masks, ceil(vocab_rows / 32)]
  tensor::View mask_rows;  // i32 [num_rows]: row of masks; -1: every token is allowed
};

}  // namespace fathom::kernels
