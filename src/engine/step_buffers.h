// StepBuffers: the device arrays that describe one step, filled from the host in one copy.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "device/device.h"
#include "engine/block_pool.h"
#include "model/decoder.h"

namespace fathom::engine {

enum class WantedLogits { kNone, kLast, kAll };

// The rows that one sequence contributes to a step.
struct SequenceChunk {
  std::span<const base::TokenId> tokens;  // at least one
  std::int64_t first_position = 0;
  std::span<const BlockId> blocks;  // in order of position; cover the chunk's last position
  WantedLogits wanted = WantedLogits::kNone;
};

class StepBuffers {
 public:
  static base::Result<StepBuffers> create(device::Device& device,
                                          const model::DecoderLimits& limits,
                                          std::int64_t block_tokens);

  // Enqueues the copy of the step's arrays. They stay valid in stream order until the next call;
  // the chunks may go at once. At most the limits' tokens, sequences and logit rows.
  model::StepInputs fill(std::span<const SequenceChunk> chunks, device::Stream& stream);

  std::int64_t max_blocks_per_sequence() const { return max_blocks_; }

 private:
  // Offsets into the buffers, in elements of int32.
  struct Layout {
    std::int64_t ids = 0;
    std::int64_t positions = 0;
    std::int64_t slots = 0;
    std::int64_t query_starts = 0;
    std::int64_t context_lens = 0;
    std::int64_t logit_rows = 0;
    std::int64_t block_tables = 0;
    std::int64_t size = 0;
  };

  StepBuffers() = default;
  tensor::View view(std::int64_t offset, const tensor::Shape& shape) const;

  Layout layout_;
  std::int64_t block_tokens_ = 0;
  std::int64_t max_blocks_ = 0;
  std::vector<std::int32_t> host_;
  device::Buffer device_;
};

}  // namespace fathom::engine
