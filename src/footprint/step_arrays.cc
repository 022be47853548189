// The order of a step's arrays, each on a cache line of its own.
#include "footprint/step_arrays.h"

#include "base/checked.h"
#include "footprint/array_layout.h"
#include "footprint/scratch.h"

namespace fathom::footprint {
namespace {

constexpr std::int64_t kAlignmentBytes = 64;
constexpr std::int64_t kWordBytes = 4;

// Hands out arrays of words.
class WordLayout {
 public:
  std::int64_t place(std::int64_t count, std::int64_t element_bytes = kWordBytes) {
    return layout_.place(count * element_bytes);
  }
  std::int64_t end_bytes() const { return layout_.end_bytes(); }

 private:
  ArrayLayout layout_{kAlignmentBytes};
};

}  // namespace

StepArrays step_arrays(const StepDemand& demand) {
  WordLayout layout;
  const auto place = [&layout](std::int64_t count) { return layout.place(count) / kWordBytes; };
  StepArrays a;
  a.ids = place(demand.max_step_tokens);
  a.positions = place(demand.max_step_tokens);
  a.slots = place(demand.max_step_tokens);
  a.query_starts = place(demand.max_sequences + 1);
  a.context_lens = place(demand.max_sequences);
  a.logit_rows = place(demand.max_logit_rows);
  a.feed_slots = place(demand.max_step_tokens);
  a.pool_slots = place(demand.max_step_tokens);
  a.block_tables = place(demand.max_sequences * demand.max_blocks);
  a.size = layout.end_bytes() / kWordBytes;
  return a;
}

SamplerArrays sampler_arrays(const SamplerDemand& demand, const DeviceShape& device) {
  const std::int64_t rows = demand.max_rows;
  const std::int64_t mask_words = base::ceil_div<std::int64_t>(demand.vocab_rows, 32);
  WordLayout layout;
  SamplerArrays a;
  a.seeds = layout.place(rows, 8);
  a.counters = layout.place(rows, 8);
  for (std::int64_t* const offset : {&a.temperature, &a.top_k, &a.top_p, &a.min_p, &a.repetition,
                                     &a.presence, &a.frequency, &a.penalty_slots, &a.store_slots,
                                     &a.is_prompt, &a.mask_rows, &a.targets, &a.target_sources}) {
    *offset = layout.place(rows);
  }
  a.bias_starts = layout.place(rows + 1);
  a.bias_tokens = layout.place(rows * kMaxBiasesPerRow);
  a.bias_values = layout.place(rows * kMaxBiasesPerRow);
  a.masks = layout.place(demand.max_slots * mask_words);
  for (std::int64_t* const offset : {&a.tokens, &a.logprobs, &a.ranks, &a.target_logprobs}) {
    *offset = layout.place(rows);
  }
  a.top_ids = layout.place(rows * kMaxTopLogprobs);
  a.top_logprobs = layout.place(rows * kMaxTopLogprobs);
  a.mirrored_end = layout.end_bytes();
  a.last_tokens = layout.place(demand.max_slots);
  a.token_counts = layout.place(demand.max_slots * demand.vocab_rows);
  a.workspace = layout.place(sample_scratch_floats(device, rows, demand.vocab_rows));
  a.end = layout.end_bytes();
  return a;
}

CountArrays count_arrays(const SamplerDemand& demand) {
  WordLayout layout;
  CountArrays a;
  a.clear_slots = layout.place(demand.max_slots);
  a.slots = layout.place(demand.max_step_tokens);
  a.tokens = layout.place(demand.max_step_tokens);
  a.is_prompt = layout.place(demand.max_step_tokens);
  a.end = layout.end_bytes();
  return a;
}

}  // namespace fathom::footprint
