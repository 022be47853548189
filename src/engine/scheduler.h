// Scheduler: which sequences run, which blocks they hold, and what the next step computes.
//
// Requests wait in order of priority, then arrival. One is admitted when every block that its
// prompt and answer can need is there, so that what runs can finish. One without max_tokens holds
// blocks for `reserve_tokens` beyond what it has and takes more as it grows; when none are left,
// the youngest of this kind is paused: it gives its blocks back and waits at its old place until
// it can be computed anew.
// A step's budget of rows goes to decoding sequences first, one row each, then to prompts in
// order of admission: a long prompt is cut into chunks and never holds up running answers for
// more than one step.
// Knows no device and no clock but for time stamps. Not thread-safe: the engine's thread owns it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "engine/block_pool.h"
#include "engine/sequence.h"
#include "footprint/ledger.h"

namespace fathom::engine {

struct SchedulerLimits {
  std::int64_t max_step_tokens = 0;  // rows of a step; at least max_batch_size
  std::int64_t max_batch_size = 0;   // sequences that run at a time
  std::int64_t block_tokens = 0;
  std::int64_t reserve_tokens = 1024;
  // Of one step, beside those that are sampled.
  std::int64_t max_prompt_logit_rows = footprint::kMaxPromptLogitRows;
  std::int64_t max_draft_tokens = 0;  // guesses for one sequence of a step; 0: none
  bool use_prefix_cache = true;
};

// What one sequence computes in a step.
struct ScheduledChunk {
  SequencePtr sequence;
  std::int64_t first_position = 0;
  std::int64_t num_tokens = 0;      // rows, drafts included
  std::int64_t num_logit_rows = 0;  // the last rows, those whose logits are wanted
  bool is_last = false;             // the last rows (1 and the drafts) give tokens
};

// Tokens that penalties have to count before the sequence can be sampled.
struct ScheduledCount {
  SequencePtr sequence;
  std::int64_t first_position = 0;
  std::int64_t num_tokens = 0;
};

struct ScheduledStep {
  std::vector<ScheduledChunk> chunks;
  std::vector<ScheduledCount> counts;
  std::vector<std::int32_t> new_slots;  // of sequences that were just admitted

  bool empty() const { return chunks.empty() && counts.empty(); }
};

struct SchedulerCounters {
  std::int64_t cache_queries = 0;  // tokens looked up in the prefix cache
  std::int64_t cache_hits = 0;
  std::int64_t num_pauses = 0;
};

class Scheduler {
 public:
  Scheduler(const SchedulerLimits& limits, std::int64_t num_blocks, BlockObserver observer = {});

  void enqueue(SequencePtr sequence);
  bool has_work() const { return !waiting_.empty() || !running_.empty(); }
  std::int64_t num_waiting() const { return std::ssize(waiting_); }
  // To be computed once they run, but for what the prefix cache will have.
  std::int64_t num_waiting_tokens() const { return num_waiting_tokens_; }
  std::int64_t num_running() const { return std::ssize(running_); }
  const std::vector<SequencePtr>& running() const { return running_; }
  const BlockPool& blocks() const { return pool_; }
  const SchedulerCounters& counters() const { return counters_; }

  // Admits what fits, shares out the step's rows, and moves the sequences on as if the step had
  // run. Empty only if there is no work, or all of it waits for tokens in flight.
  ScheduledStep schedule();

  // Thread-safe: does what it can before the sequence is enqueued, so that no step has to.
  void prepare(Sequence& sequence) const { shareable_prefix(sequence); }
  // The sequence has new known tokens: offers its full blocks to others.
  void publish(Sequence& sequence);
  // After a step failed: what it should have written is not there, so nothing is shared any more.
  void forget_contents() { pool_.forget_contents(); }

  // Takes out the sequences, waiting or running, for which `is_over` holds, and frees what they
  // hold: work in flight has been enqueued before whatever will use it next.
  std::vector<SequencePtr> remove_if(const std::function<bool(const Sequence&)>& is_over);

 private:
  using Place = std::pair<std::int64_t, RequestId>;  // priority, then arrival
  static Place place_of(const Sequence& each) { return {each.request.priority, each.id}; }

  void admit(ScheduledStep& step);
  bool try_admit(Sequence& sequence);
  std::span<const BlockHash> shareable_prefix(Sequence& sequence) const;
  void extend_hashes(Sequence& sequence) const;
  void make_room(Sequence& sequence);
  void pause(const SequencePtr& sequence);
  void release(Sequence& sequence);
  void grow();
  void schedule_counts(ScheduledStep& step) const;
  void schedule_decoding(ScheduledStep& step, std::int64_t& budget) const;
  void schedule_prompts(ScheduledStep& step, std::int64_t budget) const;
  std::vector<TokenId> draft_for(const Sequence& sequence, std::int64_t max_tokens) const;

  SchedulerLimits limits_;
  BlockPool pool_;
  SchedulerCounters counters_;
  struct Waiting {
    SequencePtr sequence;
    std::int64_t num_tokens = 0;  // its share of num_waiting_tokens_
  };
  std::map<Place, Waiting> waiting_;
  std::int64_t num_waiting_tokens_ = 0;
  std::vector<SequencePtr> running_;  // in order of admission
  std::vector<std::int32_t> free_slots_;
};

}  // namespace fathom::engine
