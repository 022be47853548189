// Scheduler: which sequences run, and how many rows each gets in the next step.
//
// First come, first served. A request is admitted when every block its prompt and answer can need
// is free, so what runs can always finish. A step's budget of rows goes to decoding sequences
// first, one row each, then to prompts in order of admission: a long prompt is cut into chunks
// and never holds up running answers for more than one step.
// Not thread-safe: the engine's thread owns it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "engine/block_pool.h"
#include "engine/sequence.h"

namespace fathom::engine {

struct SchedulerLimits {
  std::int64_t max_step_tokens = 0;  // at least max_batch_size
  std::int64_t max_batch_size = 0;   // sequences that run at a time
  std::int64_t block_tokens = 0;
};

struct ScheduledChunk {
  Sequence* sequence = nullptr;
  std::int64_t num_tokens = 0;  // of its pending ones
};

class Scheduler {
 public:
  Scheduler(const SchedulerLimits& limits, std::int64_t num_blocks);

  void enqueue(std::unique_ptr<Sequence> sequence) { waiting_.push_back(std::move(sequence)); }
  bool has_work() const { return !waiting_.empty() || !running_.empty(); }
  std::int64_t num_waiting() const { return std::ssize(waiting_); }
  std::int64_t num_running() const { return std::ssize(running_); }
  const BlockPool& blocks() const { return pool_; }

  // Admits what fits, then shares out the step's rows. Empty only if there is no work.
  std::vector<ScheduledChunk> schedule();

  // Takes out every sequence, waiting or running, for which `is_over` holds; frees their blocks.
  std::vector<std::unique_ptr<Sequence>> remove_if(
      const std::function<bool(const Sequence&)>& is_over);

 private:
  void admit();

  SchedulerLimits limits_;
  BlockPool pool_;
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;  // in order of admission
};

}  // namespace fathom::engine
