// Enqueues the two halves of a step.
#include "engine/runner.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/checked.h"
#include "kernels/pool_rows/pool_rows.h"

namespace fathom::engine {

using tensor::DType;

namespace {

// Adds what its scope takes to `total`.
class Stopwatch {
 public:
  explicit Stopwatch(std::chrono::nanoseconds& total) : total_(total) {}
  ~Stopwatch() { total_ += std::chrono::steady_clock::now() - start_; }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  std::chrono::nanoseconds& total_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Runner::Runner(model::Decoder decoder, StepBuffers buffers, Sampler sampler)
    : decoder_(std::move(decoder)), buffers_(std::move(buffers)), sampler_(std::move(sampler)) {}

base::Result<Runner> Runner::create(std::shared_ptr<const model::Weights> weights,
                                    device::Device& device, const RunnerOptions& options) {
  const spec::ModelSpec& spec = weights->spec();
  const model::DecoderLimits& limits = options.limits;
  auto buffers = TRY(StepBuffers::create(device, limits, options.block_tokens));
  auto sampler = TRY(Sampler::create(device, {.max_rows = limits.max_logit_rows,
                                              .max_slots = limits.max_sequences,
                                              .max_step_tokens = limits.max_step_tokens,
                                              .vocab_rows = spec.vocab_rows,
                                              .num_valid_tokens = options.num_valid_tokens}));
  auto decoder = TRY(model::Decoder::create(std::move(weights), device, limits));
  Runner runner(std::move(decoder), std::move(buffers), std::move(sampler));
  runner.stream_ = TRY(device.create_stream());
  runner.pools_ = {nullptr, DType::kF32, {limits.max_sequences, spec.hidden_size}};
  runner.pool_memory_ = TRY(device.allocate(runner.pools_.num_bytes()));
  runner.pools_.data = runner.pool_memory_.data();
  const auto hidden = static_cast<std::size_t>(spec.hidden_size);
  runner.zeros_ = TRY(device.allocate(hidden * sizeof(float), device::Place::kHost));
  runner.host_pools_ = TRY(device.allocate(runner.pools_.num_bytes(), device::Place::kHost));
  return runner;
}

base::Result<void> Runner::allocate_kv(const model::KvCacheShape& shape, device::Device& device) {
  kv_cache_ = TRY(model::KvCache::allocate(decoder_.spec(), shape, device));
  return decoder_.attach(*kv_cache_, *stream_);
}

std::size_t Runner::workspace_bytes() const {
  return decoder_.workspace_bytes() + buffers_.size_bytes() + sampler_.size_bytes() +
         pool_memory_.size_bytes();
}

// Also notes the rows of logits and the embeddings that the step will give.
std::vector<SequenceChunk> Runner::describe(const ScheduledStep& step) {
  next_rows_.clear();
  next_pooled_.clear();
  std::vector<SequenceChunk> chunks;
  chunks.reserve(step.chunks.size());
  for (const ScheduledChunk& scheduled : step.chunks) {
    const SequencePtr& sequence = scheduled.sequence;
    SequenceChunk chunk{.first_position = scheduled.first_position,
                        .blocks = sequence->blocks,
                        .num_logit_rows = scheduled.num_logit_rows};
    const std::int64_t num_drafts = std::ssize(sequence->draft);
    if (scheduled.first_position >= sequence->num_known()) {
      chunk.feed_slot = sequence->slot;
    } else {
      chunk.tokens = std::span(sequence->tokens)
                         .subspan(static_cast<std::size_t>(scheduled.first_position),
                                  static_cast<std::size_t>(scheduled.num_tokens - num_drafts));
      chunk.drafts = sequence->draft;
    }
    if (sequence->is_embedding()) {
      chunk.pool_slot = sequence->slot;
      if (sequence->pooling == Pooling::kMean) chunk.num_pooled_rows = scheduled.num_tokens;
      if (scheduled.is_last) {
        chunk.num_pooled_rows = std::max<std::int64_t>(chunk.num_pooled_rows, 1);
        next_pooled_.push_back(sequence);
      }
    }
    const std::int64_t end = scheduled.first_position + scheduled.num_tokens;
    for (std::int64_t i = end - scheduled.num_logit_rows; i < end; ++i) {
      const std::int64_t draft_index = num_drafts - (end - i);
      next_rows_.push_back({.sequence = sequence, .position = i + 1, .is_sampled = false});
      LogitRow& row = next_rows_.back();
      row.is_sampled = scheduled.is_last && draft_index >= -1;
      row.stores_token = row.is_sampled && num_drafts == 0;
      if (row.is_sampled && draft_index >= 0) {
        row.draft = sequence->draft[static_cast<std::size_t>(draft_index)];
      }
    }
    chunks.push_back(chunk);
  }
  return chunks;
}

// Rows that make a decoding step one of the sizes for which the device keeps a recording.
std::int64_t Runner::num_padding(std::span<const SequenceChunk> chunks) const {
  if (!stream_->device().records_steps()) return 0;
  const bool is_decoding = std::ranges::all_of(chunks, [](const SequenceChunk& chunk) {
    return chunk.num_rows() == 1 && chunk.num_logit_rows == 1 && chunk.pool_slot < 0;
  });
  if (!is_decoding) return 0;
  const std::int64_t count = std::ssize(chunks);
  // 1, 2, 4, then every eighth: a row of padding costs little, a recording a few MB.
  std::int64_t size = count > 4 ? base::ceil_div<std::int64_t>(count, 8) * 8 : count;
  if (count == 3) size = 4;
  return std::min({size, decoder_.limits().max_sequences, decoder_.limits().max_logit_rows}) -
         count;
}

void Runner::enqueue_forward(const ScheduledStep& step) {
  const std::vector<SequenceChunk> chunks = describe(step);
  const Stopwatch stopwatch(device_time_);
  sampler_.enqueue_counts(step, *stream_);
  logits_ = {};
  if (chunks.empty()) return;
  const StepArrays arrays = buffers_.fill(chunks, num_padding(chunks), *stream_);
  const kernels::RaggedBatch& batch = arrays.inputs.batch;
  const bool is_decoding = batch.num_sequences() == batch.num_tokens() &&
                           arrays.inputs.logit_rows.shape[0] == batch.num_tokens() &&
                           arrays.pool_slots.data == nullptr;
  if (is_decoding) {
    const auto is_fed = static_cast<std::uint64_t>(arrays.feed_slots.data != nullptr);
    stream_->run_recorded(static_cast<std::uint64_t>(batch.num_tokens()) * 2 + is_fed,
                          [&] { enqueue_pass(arrays); });
  } else {
    enqueue_pass(arrays);
  }
  logits_ = decoder_.logits(std::ssize(next_rows_));
  if (arrays.pool_slots.data != nullptr) enqueue_pooling(arrays, step);
}

void Runner::enqueue_pass(const StepArrays& arrays) {
  if (arrays.feed_slots.data != nullptr) {
    sampler_.enqueue_feed(arrays.feed_slots, arrays.ids, *stream_);
  }
  decoder_.forward(arrays.inputs, *kv_cache_, *stream_);
}

void Runner::enqueue_pooling(const StepArrays& arrays, const ScheduledStep& step) {
  const auto hidden = static_cast<std::size_t>(pools_.shape[1]);
  for (const ScheduledChunk& chunk : step.chunks) {
    if (!chunk.sequence->is_embedding() || chunk.first_position > 0) continue;
    stream_->copy_to_device(
        pools_.as<float>() + static_cast<std::size_t>(chunk.sequence->slot) * hidden, zeros_.data(),
        hidden * sizeof(float));
  }
  kernels::pool_rows({.x = decoder_.hidden_states(arrays.inputs.batch.num_tokens()),
                      .slots = arrays.pool_slots,
                      .y = pools_},
                     *stream_);
}

base::Result<void> Runner::wait() { return stream_->wait(sampled_); }

void Runner::enqueue_sampling(std::span<const TokenId> end_tokens) {
  rows_.swap(next_rows_);
  pooled_.swap(next_pooled_);
  pooled_slots_.clear();
  const Stopwatch stopwatch(device_time_);
  if (logits_.data != nullptr) sampler_.enqueue(logits_, rows_, end_tokens, *stream_);
  const auto hidden = static_cast<std::size_t>(pools_.shape[1]);
  for (const SequencePtr& sequence : pooled_) {
    // One that was cancelled meanwhile has no slot, and nobody waits for it.
    pooled_slots_.push_back(std::max(sequence->slot, 0));
    const std::size_t at = static_cast<std::size_t>(pooled_slots_.back()) * hidden;
    stream_->copy_to_host(static_cast<float*>(host_pools_.data()) + at, pools_.as<float>() + at,
                          hidden * sizeof(float));
  }
  sampled_ = stream_->mark();
}

std::span<const float> Runner::pooled_sum(std::size_t index) const {
  const auto hidden = static_cast<std::size_t>(pools_.shape[1]);
  const auto* pools = static_cast<const float*>(host_pools_.data());
  return {pools + static_cast<std::size_t>(pooled_slots_[index]) * hidden, hidden};
}

void Runner::clear_results() {
  rows_.clear();
  pooled_.clear();
}

}  // namespace fathom::engine
