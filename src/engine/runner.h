// Runner: runs steps on the device: the model's forward pass, sampling, and pooling of embeddings.
//
// One step is enqueued while the one before may still run:
//   enqueue_forward(step t); wait(), results of step t - 1; enqueue_sampling(step t); ...
// Between the two halves the host may use step t - 1's tokens to adjust step t's logits.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "device/device.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/step_buffers.h"
#include "model/decoder.h"
#include "model/kv_cache.h"

namespace fathom::engine {

struct RunnerOptions {
  model::DecoderLimits limits;
  std::int64_t block_tokens = 0;
  std::int64_t num_valid_tokens = 0;  // ids from here on are padding and never sampled
};

class Runner {
 public:
  // All that a step needs but the KV cache, which may then take what is left.
  static base::Result<Runner> create(std::shared_ptr<const model::Weights> weights,
                                     device::Device& device, const RunnerOptions& options);

  // Once, before the first step; of the options' block_tokens.
  base::Result<void> allocate_kv(const model::KvCacheShape& shape, device::Device& device);

  // At most the limits' rows. The step's sequences hold the blocks of all their rows.
  void enqueue_forward(const ScheduledStep& step);
  // After wait(): enqueues the rest of the same step.
  void enqueue_sampling(std::span<const TokenId> end_tokens);
  // Waits for all that is enqueued but the last forward pass.
  base::Result<void> wait();

  // Of the last enqueue_sampling(), after wait(): rows in the order of the step's chunks.
  std::span<const LogitRow> rows() const { return rows_; }
  LogitResult result(std::size_t index) const { return sampler_.result(index, rows_[index]); }
  // The embedding sequences that the step completed, and the sum of their rows: [hidden_size].
  std::span<const SequencePtr> pooled() const { return pooled_; }
  std::span<const float> pooled_sum(std::size_t index) const;
  // Forgets the rows, and with them their sequences.
  void clear_results();

  bool device_is_lost() const { return stream_->device().is_lost(); }
  std::size_t kv_bytes() const { return kv_cache_->size_bytes(); }
  std::size_t logits_bytes() const { return decoder_.logits_bytes(); }
  std::size_t workspace_bytes() const;
  // The time that the calls spent in the device's kernels and copies.
  std::chrono::nanoseconds device_time() const { return device_time_; }

 private:
  Runner(model::Decoder decoder, StepBuffers buffers, Sampler sampler);
  std::vector<SequenceChunk> describe(const ScheduledStep& step);
  std::int64_t num_padding(std::span<const SequenceChunk> chunks) const;
  void enqueue_pass(const StepArrays& arrays);
  void enqueue_pooling(const StepArrays& arrays, const ScheduledStep& step);

  model::Decoder decoder_;
  std::optional<model::KvCache> kv_cache_;
  StepBuffers buffers_;
  Sampler sampler_;
  std::unique_ptr<device::Stream> stream_;
  tensor::MutableView pools_;  // f32 [slots, hidden]
  device::Buffer pool_memory_;
  device::Buffer host_pools_;  // the same on the host
  device::Buffer zeros_;       // f32 [hidden], on the host

  tensor::View logits_;  // of the step whose forward pass was enqueued last
  std::vector<LogitRow> next_rows_;
  std::vector<SequencePtr> next_pooled_;
  std::vector<std::int32_t> pooled_slots_;
  std::vector<LogitRow> rows_;
  std::vector<SequencePtr> pooled_;
  device::Stream::Mark sampled_ = 0;
  std::chrono::nanoseconds device_time_{0};
};

}  // namespace fathom::engine
