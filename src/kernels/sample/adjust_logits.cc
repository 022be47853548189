// One dense pass for masks and penalties, then the few biases.
#include "kernels/sample/adjust_logits.h"

#include <algorithm>
#include <limits>

#include "kernels/element.h"

namespace fathom::kernels {
namespace {

constexpr float kBanned = -std::numeric_limits<float>::infinity();

void apply_mask(const std::int32_t* words, std::int64_t count, float* logits) {
  for (std::int64_t first = 0; first < count; first += 32) {
    const auto word = static_cast<std::uint32_t>(words[first / 32]);
    if (word == UINT32_MAX) continue;
    const std::int64_t last = std::min(count, first + 32);
    for (std::int64_t i = first; i < last; ++i) {
      logits[i] = (word >> (i - first) & 1U) != 0 ? logits[i] : kBanned;
    }
  }
}

struct Penalties {
  float repetition, presence, frequency;
};

void apply_penalties(const std::int32_t* counts, const Penalties& penalties, std::int64_t count,
                     float* logits) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (counts[i] == 0) continue;
    float logit = logits[i];
    logit = logit > 0.0F ? logit / penalties.repetition : logit * penalties.repetition;
    const std::int32_t in_answer = counts[i] & ~kInPrompt;
    if (in_answer > 0) {
      logit = logit - penalties.frequency * static_cast<float>(in_answer) - penalties.presence;
    }
    logits[i] = logit;
  }
}

void apply_biases(const LogitAdjustments& adjustments, std::int64_t row, std::int64_t count,
                  float* logits) {
  const auto* starts = adjustments.bias_starts.as<std::int32_t>();
  const auto* tokens = adjustments.bias_tokens.as<std::int32_t>();
  const auto* values = adjustments.bias_values.as<float>();
  for (std::int64_t i = starts[row]; i < starts[row + 1]; ++i) {
    if (tokens[i] < 0 || tokens[i] >= count) continue;
    float& logit = logits[tokens[i]];
    // A ban holds for an infinite logit too, where the sum would be a NaN.
    logit = values[i] == kBanned ? kBanned : logit + values[i];
  }
}

bool has_penalties(const LogitAdjustments& adjustments, std::int64_t row) {
  return !adjustments.slots.empty() && adjustments.slots.as<std::int32_t>()[row] >= 0;
}

bool has_biases(const LogitAdjustments& adjustments, std::int64_t row) {
  if (adjustments.bias_starts.empty()) return false;
  const auto* starts = adjustments.bias_starts.as<std::int32_t>();
  return starts[row] < starts[row + 1];
}

bool has_mask(const LogitAdjustments& adjustments, std::int64_t row) {
  return !adjustments.mask_rows.empty() && adjustments.mask_rows.as<std::int32_t>()[row] >= 0;
}

}  // namespace

void check_adjustments(const LogitAdjustments& adjustments, std::int64_t num_rows,
                       std::int64_t vocab_rows) {
  const tensor::Shape each_row{num_rows};
  if (!adjustments.slots.empty()) {
    check_shape(adjustments.slots, "adjustment slots", each_row);
    check_shape(adjustments.token_counts, "token_counts",
                {adjustments.token_counts.shape[0], vocab_rows});
    check_shape(adjustments.repetition_penalty, "repetition_penalty", each_row);
    check_shape(adjustments.presence_penalty, "presence_penalty", each_row);
    check_shape(adjustments.frequency_penalty, "frequency_penalty", each_row);
  }
  if (!adjustments.bias_starts.empty()) {
    check_shape(adjustments.bias_starts, "bias_starts", {num_rows + 1});
    check_shape(adjustments.bias_values, "bias_values", adjustments.bias_tokens.shape);
  }
  if (!adjustments.mask_rows.empty()) {
    check_shape(adjustments.mask_rows, "mask_rows", each_row);
    check_shape(adjustments.masks, "masks", {adjustments.masks.shape[0], (vocab_rows + 31) / 32});
  }
}

bool has_adjustments(const LogitAdjustments& adjustments, std::int64_t row) {
  return has_penalties(adjustments, row) || has_biases(adjustments, row) ||
         has_mask(adjustments, row);
}

void adjust_logits(const LogitAdjustments& adjustments, std::int64_t row, const float* logits,
                   std::int64_t count, float* adjusted) {
  std::copy_n(logits, count, adjusted);
  if (has_mask(adjustments, row)) {
    const std::int64_t mask = adjustments.mask_rows.as<std::int32_t>()[row];
    apply_mask(adjustments.masks.as<std::int32_t>() + mask * adjustments.masks.shape[1], count,
               adjusted);
  }
  if (has_penalties(adjustments, row)) {
    const std::int64_t slot = adjustments.slots.as<std::int32_t>()[row];
    apply_penalties(
        adjustments.token_counts.as<std::int32_t>() + slot * adjustments.token_counts.shape[1],
        {.repetition = adjustments.repetition_penalty.as<float>()[row],
         .presence = adjustments.presence_penalty.as<float>()[row],
         .frequency = adjustments.frequency_penalty.as<float>()[row]},
        count, adjusted);
  }
  if (has_biases(adjustments, row)) apply_biases(adjustments, row, count, adjusted);
}

}  // namespace fathom::kernels
