// StepBuffers: the device arrays that describe one step, filled from the host in one copy.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "device/device.h"
#include "engine/block_pool.h"
#include "footprint/step_arrays.h"
#include "model/decoder.h"

namespace fathom::engine {

// The rows that one sequence contributes to a step.
struct SequenceChunk {
  std::span<const base::TokenId> tokens;
  std::span<const base::TokenId> drafts;  // rows after them
  std::int32_t feed_slot = -1;  // not -1: no `tokens` but one, the last that this slot sampled
  std::int64_t first_position = 0;
  std::span<const BlockId> blocks;  // in order of position; cover the chunk's last position
  std::int64_t num_logit_rows = 0;  // the last rows, those whose logits are wanted
  std::int32_t pool_slot = -1;      // not -1: the last `num_pooled_rows` are summed there
  std::int64_t num_pooled_rows = 0;

  std::int64_t num_rows() const {
    return feed_slot >= 0 ? 1 : std::ssize(tokens) + std::ssize(drafts);
  }
};

// A step's arrays on the device.
struct StepArrays {
  model::StepInputs inputs;
  tensor::MutableView ids;  // the same as inputs.ids
  tensor::View feed_slots;  // i32 [num_tokens]: where ids come from; empty if all are known
  tensor::View pool_slots;  // i32 [num_tokens]; empty if no row is pooled
};

class StepBuffers {
 public:
  static base::Result<StepBuffers> create(device::Device& device,
                                          const model::DecoderLimits& limits,
                                          std::int64_t block_tokens);

  // Enqueues the copy of the step's arrays. They stay valid in stream order until the next call;
  // the chunks may go at once. The step before the last must have run: two steps' arrays are kept
  // on the host. At most the limits' tokens, sequences and logit rows.
  // `num_padding` rows are added that stand for sequences without a context, as RaggedBatch says,
  // each with a row of logits.
  StepArrays fill(std::span<const SequenceChunk> chunks, std::int64_t num_padding,
                  device::Stream& stream);

  std::size_t size_bytes() const { return device_.size_bytes(); }

 private:
  StepBuffers() = default;
  void fill_rows(const SequenceChunk& chunk, const std::int32_t* table, std::int64_t first_row);
  void fill_padding_row(std::int64_t row, std::int64_t sequence, std::int64_t logit_row);
  tensor::MutableView view(std::int64_t offset, const tensor::Shape& shape) const;

  footprint::StepArrays layout_;
  std::int64_t block_tokens_ = 0;
  std::int64_t max_blocks_ = 0;
  std::array<device::Buffer, 2> hosts_;
  std::int32_t* host_ = nullptr;  // the one of this step
  std::size_t num_steps_ = 0;
  device::Buffer device_;
};

}  // namespace fathom::engine
