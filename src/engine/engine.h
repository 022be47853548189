// Engine: continuous batching of requests over one model on one device.
//
// Three kinds of threads. Callers submit and cancel from any thread. The step thread owns the
// scheduler and the runner; it enqueues a step, then looks at what the one before has sampled. The
// output thread makes text and calls back. All device memory is taken by create().
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "base/result.h"
#include "device/device.h"
#include "engine/generator.h"
#include "engine/memory_plan.h"
#include "engine/output_thread.h"
#include "engine/runner.h"
#include "engine/scheduler.h"
#include "engine/step_pace.h"
#include "model/weights.h"
#include "tokenizer/tokenizer.h"

namespace fathom::engine {

// What one step did, for whoever counts.
struct StepReport {
  std::int64_t num_tokens = 0;  // rows computed
  std::int64_t cache_queries = 0;
  std::int64_t cache_hits = 0;
  std::int64_t num_pauses = 0;
  std::int64_t num_drafts = 0;
  std::int64_t num_draft_tokens = 0;
  std::int64_t num_accepted_tokens = 0;
  std::vector<std::int64_t> accepted_at;  // of these, how many were the i-th guess of their draft
  // The step thread's time for this step, without the device's kernels and copies.
  std::chrono::nanoseconds host_time{0};
};

struct EngineOptions {
  std::int64_t max_context_tokens = 0;  // 0: the model's, or what the KV memory holds
  std::int64_t max_batch_size = 0;      // sequences that run at a time; 0: 16, on a GPU 256
  std::int64_t max_step_tokens = 0;     // rows of one step; 0: 256, on a GPU 2048
  std::int64_t max_queue = 256;         // requests that may wait
  std::int64_t reserve_tokens = 1024;   // for the answer of a request that names no max_tokens
  std::int64_t max_draft_tokens = 0;    // guessed by prompt look-up in each step; 0: off
  // At most; 0: what default_kv_memory_bytes() says.
  std::int64_t kv_memory_bytes = 0;
  tensor::DType kv_dtype = tensor::DType::kBF16;
  bool use_prefix_cache = true;
  model::Determinism determinism = model::Determinism::kSchedule;
  // Called on the step thread after each step: must be fast.
  std::function<void(const StepReport&)> on_step;
  // Called on the step thread, once, when the device is lost (Device::is_lost): every request has
  // ended with an error, and none is taken any more. Only a new process can go on.
  std::function<void()> on_device_lost;
  BlockObserver blocks;  // called on the step thread too
};

class Engine final : public Generator {
 public:
  static base::Result<std::unique_ptr<Engine>> create(
      const std::shared_ptr<const model::Weights>& weights,
      std::shared_ptr<const tokenizer::Tokenizer> tokenizer, device::Device& device,
      const EngineOptions& options);
  // Ends every request with kCancelled, then joins the threads.
  ~Engine() override;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  base::Result<RequestId> submit(GenerationRequest request, DeltaCallback on_delta) override;
  base::Result<RequestId> submit_embedding(EmbeddingRequest request,
                                           EmbeddingCallback on_answer) override;
  void cancel(RequestId id) override;
  std::int64_t max_context_tokens() const override { return max_context_tokens_; }
  std::int64_t embedding_size() const override { return embedding_size_; }
  EngineStatus status() const override;
  std::chrono::seconds retry_after() const override;

  const MemoryLedger& ledger() const { return ledger_; }
  // Sequences that run at a time.
  std::int64_t max_batch_size() const { return options_.max_batch_size; }
  // Ids below this are the model's; above are padding rows of its matrices.
  std::int64_t num_valid_tokens() const { return num_valid_tokens_; }

 private:
  using Clock = Sequence::Clock;

  Engine(Runner runner, Scheduler scheduler, const EngineOptions& options);
  // engine.cc
  base::Result<void> check_prompt(const std::vector<TokenId>& prompt) const;
  base::Result<void> check(const GenerationRequest& request) const;
  base::Result<RequestId> enqueue(SequencePtr sequence,
                                  const std::function<std::shared_ptr<Answer>(RequestId)>& answer);
  // engine_steps.cc: the step thread
  void run();
  bool take_inbox();
  void end_waiting_too_long();
  void step();
  bool collect(StepReport& report);
  void accept(const LogitRow& row, const LogitResult& result, StepReport& report);
  void accept_token(const SequencePtr& sequence, const LogitResult& result);
  void accept_embedding(const SequencePtr& sequence, std::span<const float> sum);
  void end(const SequencePtr& sequence, FinishReason reason, std::optional<base::Error> error = {});
  void end_all(FinishReason reason, const std::optional<base::Error>& error);
  void fail_step(const base::Error& error);
  void remove(const std::function<bool(const Sequence&)>& is_over, FinishReason reason,
              const std::optional<base::Error>& error);
  void publish_status();
  OutputEvent& event_of(const SequencePtr& sequence);

  Runner runner_;
  Scheduler scheduler_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  std::vector<TokenId> end_tokens_;
  // For grammars; or why this vocabulary cannot follow any.
  base::Result<std::shared_ptr<const grammar::Vocabulary>> grammar_vocabulary_;
  EngineOptions options_;
  MemoryLedger ledger_;
  std::int64_t max_context_tokens_ = 0;
  std::int64_t num_valid_tokens_ = 0;
  std::int64_t embedding_size_ = 0;

  // The step thread's.
  bool is_in_flight_ = false;        // a step is enqueued whose results are not known
  std::vector<OutputEvent> events_;  // of this step
  StepPace pace_;
  std::int64_t prompt_tokens_in_flight_ = 0;  // as StepPace counts them

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<SequencePtr> submitted_;             // guarded by mutex_
  std::vector<RequestId> cancelled_;               // guarded by mutex_
  std::int64_t num_queued_ = 0;                    // submitted and not admitted; guarded
  std::uint64_t last_id_ = 0;                      // guarded by mutex_
  std::mt19937_64 seeds_{std::random_device{}()};  // guarded by mutex_
  bool stopping_ = false;                          // guarded by mutex_
  bool device_is_lost_ = false;                    // guarded by mutex_
  EngineStatus status_;                            // guarded by mutex_
  Clock::time_point progress_ = Clock::now();      // guarded by mutex_
  std::chrono::seconds retry_after_{1};            // guarded by mutex_

  std::unique_ptr<OutputThread> output_;
  std::thread thread_;
};

}  // namespace fathom::engine
