// Engine: continuous batching of requests over one model on one device.
//
// One thread owns everything but the inbox; its step is: schedule, run, postprocess. Callers
// submit and cancel from any thread. All device memory is taken by create().
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "device/device.h"
#include "engine/generator.h"
#include "engine/runner.h"
#include "engine/scheduler.h"
#include "model/weights.h"
#include "tokenizer/tokenizer.h"

namespace fathom::engine {

struct EngineOptions {
  std::int64_t max_context_tokens = 0;  // 0: the model's, or what the KV memory holds
  std::int64_t max_batch_size = 16;     // sequences that run at a time
  std::int64_t max_step_tokens = 256;   // rows of one step
  std::int64_t max_queue = 256;         // requests that may wait
  std::int64_t kv_memory_bytes = 0;     // 0: what the batch at full context needs, at most 4 GiB
  tensor::DType kv_dtype = tensor::DType::kBF16;
};

// What create() took, in bytes.
struct MemoryLedger {
  std::size_t weights_bytes = 0;  // mapped from the checkpoint, or copied
  std::size_t kv_bytes = 0;
  std::size_t workspace_bytes = 0;
  std::int64_t kv_tokens = 0;  // tokens that kv_bytes hold
};

class Engine final : public Generator {
 public:
  static base::Result<std::unique_ptr<Engine>> create(
      const std::shared_ptr<const model::Weights>& weights,
      std::shared_ptr<const tokenizer::Tokenizer> tokenizer, device::Device& device,
      const EngineOptions& options);
  // Ends every request with kCancelled, then joins the thread.
  ~Engine() override;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  base::Result<RequestId> submit(GenerationRequest request, DeltaCallback on_delta) override;
  void cancel(RequestId id) override;
  std::int64_t max_context_tokens() const override { return max_context_tokens_; }

  const MemoryLedger& ledger() const { return ledger_; }
  // Ids below this are the model's; above are padding rows of its matrices.
  std::int64_t num_valid_tokens() const { return num_valid_tokens_; }

 private:
  Engine(Runner runner, Scheduler scheduler);
  base::Result<void> check(const GenerationRequest& request) const;
  void run();
  bool take_inbox();
  void step();
  void accept(const SampledToken& sampled);
  void end(Sequence& sequence, FinishReason reason, std::optional<base::Error> error = {});
  void end_all(FinishReason reason, const std::optional<base::Error>& error);

  Runner runner_;
  Scheduler scheduler_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  std::vector<std::int64_t> eos_token_ids_;
  MemoryLedger ledger_;
  std::int64_t max_context_tokens_ = 0;
  std::int64_t max_queue_ = 0;
  std::int64_t num_valid_tokens_ = 0;
  std::unordered_set<const Sequence*> ended_;  // in this step

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Sequence>> submitted_;  // guarded by mutex_
  std::vector<RequestId> cancelled_;                  // guarded by mutex_
  std::int64_t num_queued_ = 0;                       // submitted and not admitted; guarded
  std::uint64_t last_id_ = 0;                         // guarded by mutex_
  std::mt19937_64 seeds_{std::random_device{}()};     // guarded by mutex_
  bool stopping_ = false;                             // guarded by mutex_
  std::thread thread_;
};

}  // namespace fathom::engine
