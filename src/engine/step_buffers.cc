// Packs a step's arrays into one host buffer that mirrors the device's.
#include "engine/step_buffers.h"

#include "base/checked.h"

namespace fathom::engine {

base::Result<StepBuffers> StepBuffers::create(device::Device& device,
                                              const model::DecoderLimits& limits,
                                              std::int64_t block_tokens) {
  StepBuffers buffers;
  buffers.block_tokens_ = block_tokens;
  buffers.max_blocks_ = base::ceil_div(limits.max_context_tokens, block_tokens);
  Layout& layout = buffers.layout_;
  const auto place = [&layout](std::int64_t count) {
    const std::int64_t offset = layout.size;
    layout.size += base::ceil_div<std::int64_t>(count, 16) * 16;  // 64 bytes
    return offset;
  };
  layout.ids = place(limits.max_step_tokens);
  layout.positions = place(limits.max_step_tokens);
  layout.slots = place(limits.max_step_tokens);
  layout.query_starts = place(limits.max_sequences + 1);
  layout.context_lens = place(limits.max_sequences);
  layout.logit_rows = place(limits.max_logit_rows);
  layout.block_tables = place(limits.max_sequences * buffers.max_blocks_);
  buffers.host_.resize(static_cast<std::size_t>(layout.size));
  buffers.device_ = TRY(device.allocate(buffers.host_.size() * sizeof(std::int32_t)));
  return buffers;
}

model::StepInputs StepBuffers::fill(std::span<const SequenceChunk> chunks, device::Stream& stream) {
  std::int64_t num_tokens = 0;
  std::int64_t num_sequences = 0;
  std::int64_t num_logit_rows = 0;
  std::int32_t* const host = host_.data();
  for (const SequenceChunk& chunk : chunks) {
    host[layout_.query_starts + num_sequences] = static_cast<std::int32_t>(num_tokens);
    std::int32_t* table = host + layout_.block_tables + num_sequences * max_blocks_;
    for (std::size_t i = 0; i < chunk.blocks.size(); ++i) {
      table[i] = static_cast<std::int32_t>(chunk.blocks[i]);
    }
    std::int64_t position = chunk.first_position;
    for (const base::TokenId token : chunk.tokens) {
      host[layout_.ids + num_tokens] = base::index(token);
      host[layout_.positions + num_tokens] = static_cast<std::int32_t>(position);
      host[layout_.slots + num_tokens] = static_cast<std::int32_t>(
          table[position / block_tokens_] * block_tokens_ + position % block_tokens_);
      const bool is_last = position + 1 == chunk.first_position + std::ssize(chunk.tokens);
      if (chunk.wanted == WantedLogits::kAll || (chunk.wanted == WantedLogits::kLast && is_last)) {
        host[layout_.logit_rows + num_logit_rows++] = static_cast<std::int32_t>(num_tokens);
      }
      ++num_tokens;
      ++position;
    }
    host[layout_.context_lens + num_sequences++] = static_cast<std::int32_t>(position);
  }
  host[layout_.query_starts + num_sequences] = static_cast<std::int32_t>(num_tokens);
  const std::int64_t used = layout_.block_tables + num_sequences * max_blocks_;
  stream.copy_to_device(device_.data(), host, static_cast<std::size_t>(used) * sizeof(*host));

  model::StepInputs inputs;
  inputs.ids = view(layout_.ids, {num_tokens});
  inputs.batch.positions = view(layout_.positions, {num_tokens});
  inputs.batch.slots = view(layout_.slots, {num_tokens});
  inputs.batch.query_starts = view(layout_.query_starts, {num_sequences + 1});
  inputs.batch.context_lens = view(layout_.context_lens, {num_sequences});
  inputs.batch.block_tables = view(layout_.block_tables, {num_sequences, max_blocks_});
  inputs.logit_rows = view(layout_.logit_rows, {num_logit_rows});
  return inputs;
}

tensor::View StepBuffers::view(std::int64_t offset, const tensor::Shape& shape) const {
  return {static_cast<const std::int32_t*>(device_.data()) + offset, tensor::DType::kI32, shape};
}

}  // namespace fathom::engine
