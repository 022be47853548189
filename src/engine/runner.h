// Runner: runs a step on the device: the model's forward pass, then one sampled token for each
// sequence whose pending tokens are all in the step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "device/device.h"
#include "engine/scheduler.h"
#include "engine/step_buffers.h"
#include "model/decoder.h"
#include "model/kv_cache.h"

namespace fathom::engine {

struct RunnerOptions {
  model::DecoderLimits limits;
  model::KvCacheShape kv;
  std::int64_t num_valid_tokens = 0;  // ids from here on are padding and never sampled
};

struct SampledToken {
  Sequence* sequence = nullptr;
  base::TokenId token{};  // negative: the row had no finite logit
  float logprob = 0;
};

class Runner {
 public:
  static base::Result<Runner> create(std::shared_ptr<const model::Weights> weights,
                                     device::Device& device, const RunnerOptions& options);

  // Runs the step, waits for it, and moves each sequence's num_computed on.
  base::Result<std::vector<SampledToken>> run(std::span<const ScheduledChunk> chunks);

  std::size_t workspace_bytes() const {
    return decoder_.workspace_bytes() + sampling_.size_bytes();
  }
  std::size_t kv_bytes() const { return kv_cache_.size_bytes(); }

 private:
  struct SamplingLayout;
  Runner(model::Decoder decoder, model::KvCache kv_cache, StepBuffers buffers)
      : decoder_(std::move(decoder)),
        kv_cache_(std::move(kv_cache)),
        buffers_(std::move(buffers)) {}
  void enqueue_sampling(const tensor::View& logits, std::span<const SampledToken> rows);

  model::Decoder decoder_;
  model::KvCache kv_cache_;
  StepBuffers buffers_;
  std::unique_ptr<device::Stream> stream_;
  device::Buffer sampling_;               // parameters, results and workspace of the sampler
  std::vector<std::byte> host_sampling_;  // mirrors the parameters and the results
  std::int64_t num_valid_tokens_ = 0;
};

}  // namespace fathom::engine
