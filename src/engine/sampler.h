// Sampler: what happens to a step's logits on the device. Adjusts and samples them, lists the
// likeliest tokens, counts what was sampled and keeps it for the next step's input.
//
// Per-sequence device arrays have one row for each slot (Sequence::slot). Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "device/device.h"
#include "engine/scheduler.h"
#include "footprint/step_arrays.h"
#include "kernels/sample/logit_adjustments.h"
#include "tensor/tensor.h"

namespace fathom::engine {

struct SamplerLimits {
  std::int64_t max_rows = 0;   // rows of logits in a step
  std::int64_t max_slots = 0;  // sequences that run at a time
  std::int64_t max_step_tokens = 0;
  std::int64_t vocab_rows = 0;
  std::int64_t num_valid_tokens = 0;  // ids from here on are padding and never sampled
};

// One row of logits: it samples the token at `position`, or scores the prompt's.
struct LogitRow {
  SequencePtr sequence;
  std::int64_t position = 0;
  bool is_sampled = true;
  bool stores_token = false;  // the next step may be fed from it
  // The guess that the row's logits rest on: without it the row says nothing.
  std::optional<TokenId> draft = std::nullopt;
};

struct LogitResult {
  TokenId token{};         // negative: no logit was finite
  TokenLogprobs logprobs;  // only `chosen` unless the sequence asks for more
};

class Sampler {
 public:
  // Entries of logit biases and bans that one row may have.
  static constexpr std::int64_t kMaxBiasesPerRow = footprint::kMaxBiasesPerRow;

  static base::Result<Sampler> create(device::Device& device, const SamplerLimits& limits);

  // Enqueues the work on slots that comes before the forward pass: clears those of new sequences,
  // counts the tokens that penalties ask for. The step before the last must have run.
  void enqueue_counts(const ScheduledStep& step, device::Stream& stream);
  // ids[i] = the last token of feed_slots[i], where that is not -1.
  void enqueue_feed(const tensor::View& feed_slots, const tensor::MutableView& ids,
                    device::Stream& stream) const;
  // Enqueues everything for these rows and the copy of the results. The results of the call before
  // must have been collected. `end_tokens` are banned before a request's min_tokens.
  void enqueue(const tensor::View& logits, std::span<const LogitRow> rows,
               std::span<const TokenId> end_tokens, device::Stream& stream);
  // The result of rows[index] of the last enqueue(), once the stream has run it.
  LogitResult result(std::size_t index, const LogitRow& row) const;

  std::size_t size_bytes() const { return memory_.size_bytes() + count_memory_.size_bytes(); }

 private:
  // What the rows of a step ask for beyond plain sampling.
  struct Wanted {
    bool penalties = false;
    bool logprobs = false;
    std::int64_t num_masks = 0;
    std::int64_t num_biases = 0;
    bool stores = false;
  };

  Sampler() = default;
  Wanted fill(std::span<const LogitRow> rows, std::span<const TokenId> end_tokens);
  void enqueue_copies(const Wanted& wanted, device::Stream& stream) const;
  void enqueue_logprobs(const tensor::View& logits, device::Stream& stream) const;
  kernels::LogitAdjustments adjustments(const Wanted& wanted, std::int64_t num_rows) const;
  std::int64_t num_mask_words() const { return (limits_.vocab_rows + 31) / 32; }
  std::int64_t fill_biases(const LogitRow& row, std::span<const TokenId> end_tokens,
                           std::int64_t at);
  tensor::MutableView view(std::int64_t offset, tensor::DType dtype,
                           const tensor::Shape& shape) const;
  template <typename T>
  T* host(std::int64_t offset) {
    return reinterpret_cast<T*>(static_cast<std::byte*>(host_.data()) + offset);
  }
  template <typename T>
  const T* host(std::int64_t offset) const {
    return reinterpret_cast<const T*>(static_cast<const std::byte*>(host_.data()) + offset);
  }

  SamplerLimits limits_;
  footprint::SamplerArrays layout_;
  footprint::CountArrays count_layout_;
  std::int64_t workspace_floats_ = 0;
  device::Buffer host_;
  device::Buffer count_hosts_[2];
  std::size_t num_counts_ = 0;
  device::Buffer memory_;
  device::Buffer count_memory_;
};

}  // namespace fathom::engine
