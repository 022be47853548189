// Packs a step's arrays into one host buffer that mirrors the device's.
#include "engine/step_buffers.h"

#include <algorithm>

#include "base/checked.h"

namespace fathom::engine {

base::Result<StepBuffers> StepBuffers::create(device::Device& device,
                                              const model::DecoderLimits& limits,
                                              std::int64_t block_tokens) {
  StepBuffers buffers;
  buffers.block_tokens_ = block_tokens;
  buffers.max_blocks_ = base::ceil_div(limits.max_context_tokens, block_tokens);
  buffers.layout_ = footprint::step_arrays({.max_step_tokens = limits.max_step_tokens,
                                            .max_sequences = limits.max_sequences,
                                            .max_logit_rows = limits.max_logit_rows,
                                            .max_blocks = buffers.max_blocks_});
  const auto num_bytes = static_cast<std::size_t>(buffers.layout_.num_bytes());
  for (auto& host : buffers.hosts_) host = TRY(device.allocate(num_bytes, device::Place::kHost));
  buffers.device_ = TRY(device.allocate(num_bytes));
  return buffers;
}

namespace {

// The id of the chunk's row i, 0 where it is still on the device.
std::int32_t id_of(const SequenceChunk& chunk, std::size_t i) {
  if (chunk.feed_slot >= 0) return 0;
  const std::size_t num_tokens = chunk.tokens.size();
  return base::index(i < num_tokens ? chunk.tokens[i] : chunk.drafts[i - num_tokens]);
}

}  // namespace

void StepBuffers::fill_rows(const SequenceChunk& chunk, const std::int32_t* table,
                            std::int64_t first_row) {
  const std::int64_t num_rows = chunk.num_rows();
  for (std::int64_t i = 0; i < num_rows; ++i) {
    const std::int64_t position = chunk.first_position + i;
    const std::int64_t row = first_row + i;
    host_[layout_.ids + row] = id_of(chunk, static_cast<std::size_t>(i));
    host_[layout_.feed_slots + row] = chunk.feed_slot;
    host_[layout_.pool_slots + row] = i >= num_rows - chunk.num_pooled_rows ? chunk.pool_slot : -1;
    host_[layout_.positions + row] = static_cast<std::int32_t>(position);
    host_[layout_.slots + row] = static_cast<std::int32_t>(
        table[position / block_tokens_] * block_tokens_ + position % block_tokens_);
  }
}

void StepBuffers::fill_padding_row(std::int64_t row, std::int64_t sequence,
                                   std::int64_t logit_row) {
  host_[layout_.ids + row] = 0;
  host_[layout_.feed_slots + row] = -1;
  host_[layout_.pool_slots + row] = -1;
  host_[layout_.positions + row] = 0;
  host_[layout_.slots + row] = -1;
  host_[layout_.query_starts + sequence] = static_cast<std::int32_t>(row);
  host_[layout_.context_lens + sequence] = 0;
  host_[layout_.logit_rows + logit_row] = static_cast<std::int32_t>(row);
}

StepArrays StepBuffers::fill(std::span<const SequenceChunk> chunks, std::int64_t num_padding,
                             device::Stream& stream) {
  host_ = static_cast<std::int32_t*>(hosts_[num_steps_++ % hosts_.size()].data());
  std::int64_t num_tokens = 0;
  std::int64_t num_sequences = 0;
  std::int64_t num_logit_rows = 0;
  std::int64_t max_query_rows = 0;
  bool is_fed = false;
  bool is_pooled = false;
  for (const SequenceChunk& chunk : chunks) {
    host_[layout_.query_starts + num_sequences] = static_cast<std::int32_t>(num_tokens);
    std::int32_t* table = host_ + layout_.block_tables + num_sequences * max_blocks_;
    for (std::size_t i = 0; i < chunk.blocks.size(); ++i) {
      table[i] = static_cast<std::int32_t>(chunk.blocks[i]);
    }
    fill_rows(chunk, table, num_tokens);
    const std::int64_t num_rows = chunk.num_rows();
    for (std::int64_t row = num_rows - chunk.num_logit_rows; row < num_rows; ++row) {
      host_[layout_.logit_rows + num_logit_rows++] = static_cast<std::int32_t>(num_tokens + row);
    }
    num_tokens += num_rows;
    max_query_rows = std::max(max_query_rows, num_rows);
    host_[layout_.context_lens + num_sequences++] =
        static_cast<std::int32_t>(chunk.first_position + num_rows);
    is_fed |= chunk.feed_slot >= 0;
    is_pooled |= chunk.pool_slot >= 0;
  }
  for (std::int64_t i = 0; i < num_padding; ++i) {
    fill_padding_row(num_tokens++, num_sequences++, num_logit_rows++);
  }
  host_[layout_.query_starts + num_sequences] = static_cast<std::int32_t>(num_tokens);
  const std::int64_t used = layout_.block_tables + num_sequences * max_blocks_;
  stream.copy_to_device(device_.data(), host_, static_cast<std::size_t>(used) * sizeof(*host_));

  StepArrays step;
  step.ids = view(layout_.ids, {num_tokens});
  step.inputs.ids = step.ids;
  step.inputs.batch.max_query_rows = max_query_rows;
  step.inputs.batch.positions = view(layout_.positions, {num_tokens});
  step.inputs.batch.slots = view(layout_.slots, {num_tokens});
  step.inputs.batch.query_starts = view(layout_.query_starts, {num_sequences + 1});
  step.inputs.batch.context_lens = view(layout_.context_lens, {num_sequences});
  step.inputs.batch.block_tables = view(layout_.block_tables, {num_sequences, max_blocks_});
  step.inputs.logit_rows = view(layout_.logit_rows, {num_logit_rows});
  if (is_fed) step.feed_slots = view(layout_.feed_slots, {num_tokens});
  if (is_pooled) step.pool_slots = view(layout_.pool_slots, {num_tokens});
  return step;
}

tensor::MutableView StepBuffers::view(std::int64_t offset, const tensor::Shape& shape) const {
  return {static_cast<std::int32_t*>(device_.data()) + offset, tensor::DType::kI32, shape};
}

}  // namespace fathom::engine
