// Admission by reservation, pauses, and the split of a step's budget.
#include "engine/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/checked.h"
#include "engine/draft.h"

namespace fathom::engine {

Scheduler::Scheduler(const SchedulerLimits& limits, std::int64_t num_blocks, BlockObserver observer)
    : limits_(limits), pool_(num_blocks, std::move(observer)) {
  CHECK(limits.max_step_tokens >= limits.max_batch_size,
        "a step of {} rows cannot serve {} sequences", limits.max_step_tokens,
        limits.max_batch_size);
  for (std::int64_t i = limits.max_batch_size - 1; i >= 0; --i) {
    free_slots_.push_back(static_cast<std::int32_t>(i));
  }
}

void Scheduler::enqueue(SequencePtr sequence) {
  const Place place = place_of(*sequence);
  const std::int64_t num_tokens = sequence->num_pending();
  num_waiting_tokens_ += num_tokens;
  waiting_.emplace(place, Waiting{std::move(sequence), num_tokens});
}

void Scheduler::admit(ScheduledStep& step) {
  while (!waiting_.empty() && num_running() < limits_.max_batch_size) {
    const SequencePtr next = waiting_.begin()->second.sequence;
    // A paused sequence's last token may still be on its way.
    if (next->num_in_flight > 0 || !try_admit(*next)) return;
    next->slot = free_slots_.back();
    free_slots_.pop_back();
    step.new_slots.push_back(next->slot);
    if (!next->admitted) next->admitted = Sequence::Clock::now();
    running_.push_back(next);
    num_waiting_tokens_ -= waiting_.begin()->second.num_tokens;
    waiting_.erase(waiting_.begin());
  }
}

bool Scheduler::try_admit(Sequence& sequence) {
  const std::int64_t wanted_tokens =
      sequence.can_grow()
          ? std::min(sequence.num_known() + limits_.reserve_tokens, sequence.max_total_tokens)
          : sequence.max_total_tokens;
  const std::int64_t wanted_blocks = base::ceil_div(wanted_tokens, limits_.block_tokens);
  const std::span<const BlockHash> prefix = shareable_prefix(sequence);
  const BlockPool::Found shared = pool_.find(prefix);
  // Looked at before anything is taken: a request that waits leaves no trace in the cache.
  if (wanted_blocks - shared.num_blocks > pool_.num_available() - shared.num_cached) return false;
  for (const BlockHash& hash : prefix.first(static_cast<std::size_t>(shared.num_blocks))) {
    sequence.blocks.push_back(*pool_.share(hash));
  }
  const auto rest = pool_.take(wanted_blocks - shared.num_blocks);
  sequence.blocks.insert(sequence.blocks.end(), rest->begin(), rest->end());
  sequence.num_published = shared.num_blocks;
  sequence.num_computed = shared.num_blocks * limits_.block_tokens;
  sequence.num_counted = 0;
  if (!sequence.admitted) {
    sequence.num_cached = sequence.num_computed;
    counters_.cache_queries += sequence.num_known();
    counters_.cache_hits += sequence.num_computed;
  }
  sequence.num_recomputed += std::max<std::int64_t>(sequence.num_lost - sequence.num_computed, 0);
  sequence.num_lost = 0;
  return true;
}

// The hashes of the blocks that may be shared. The sequence's last token is always computed,
// because its logits are wanted.
std::span<const BlockHash> Scheduler::shareable_prefix(Sequence& sequence) const {
  if (!limits_.use_prefix_cache || !sequence.can_use_cache()) return {};
  extend_hashes(sequence);
  const std::int64_t max_blocks = (sequence.num_known() - 1) / limits_.block_tokens;
  return std::span(sequence.hashes).first(static_cast<std::size_t>(max_blocks));
}

void Scheduler::extend_hashes(Sequence& sequence) const {
  const auto block_tokens = static_cast<std::size_t>(limits_.block_tokens);
  while ((sequence.hashes.size() + 1) * block_tokens <= sequence.tokens.size()) {
    const BlockHash parent =
        sequence.hashes.empty() ? root_hash(sequence.request.tenant) : sequence.hashes.back();
    const auto tokens =
        std::span(sequence.tokens).subspan(sequence.hashes.size() * block_tokens, block_tokens);
    sequence.hashes.push_back(next_hash(parent, tokens));
  }
}

void Scheduler::publish(Sequence& sequence) {
  if (!limits_.use_prefix_cache || sequence.blocks.empty()) return;
  const std::int64_t num_full =
      std::min(sequence.num_known(), sequence.num_computed) / limits_.block_tokens;
  if (sequence.num_published >= num_full) return;
  extend_hashes(sequence);
  for (; sequence.num_published < num_full; ++sequence.num_published) {
    const auto i = static_cast<std::size_t>(sequence.num_published);
    pool_.publish(sequence.blocks[i], sequence.hashes[i]);
  }
}

// Takes blocks for all tokens of the sequence, or pauses it.
void Scheduler::make_room(Sequence& sequence) {
  while (std::ssize(sequence.blocks) * limits_.block_tokens < sequence.num_tokens()) {
    if (const auto block = pool_.take(1)) {
      sequence.blocks.push_back(block->front());
      continue;
    }
    const auto younger = [](const SequencePtr& a, const SequencePtr& b) {
      return std::pair(a->can_grow(), a->id) < std::pair(b->can_grow(), b->id);
    };
    const SequencePtr youngest = *std::max_element(running_.begin(), running_.end(), younger);
    pause(youngest);
    if (youngest.get() == &sequence) return;
  }
}

void Scheduler::pause(const SequencePtr& sequence) {
  CHECK(sequence->can_grow(), "a request with reserved blocks was to be paused");
  release(*sequence);
  sequence->num_lost = sequence->num_computed;
  sequence->num_computed = 0;
  sequence->num_published = 0;
  if (sequence->num_completion_tokens() == 0) sequence->prompt_logprobs.clear();
  if (!sequence->paused) sequence->paused = Sequence::Clock::now();
  ++sequence->num_pauses;
  ++counters_.num_pauses;
  std::erase(running_, SequencePtr(sequence));
  enqueue(sequence);
}

void Scheduler::release(Sequence& sequence) {
  pool_.give_back(sequence.blocks);
  sequence.blocks.clear();
  if (sequence.slot >= 0) free_slots_.push_back(sequence.slot);
  sequence.slot = -1;
}

ScheduledStep Scheduler::schedule() {
  ScheduledStep step;
  std::int64_t budget = limits_.max_step_tokens;
  grow();
  admit(step);
  schedule_counts(step);
  schedule_decoding(step, budget);
  schedule_prompts(step, budget);
  return step;
}

// Before the step is made up, so that nothing in it is paused.
void Scheduler::grow() {
  const std::vector<SequencePtr> sequences = running_;  // pauses change it
  for (const SequencePtr& sequence : sequences) {
    const bool is_running = sequence->slot >= 0;
    if (is_running && sequence->can_grow() && !sequence->is_full()) make_room(*sequence);
  }
}

void Scheduler::schedule_counts(ScheduledStep& step) const {
  std::int64_t budget = limits_.max_step_tokens;
  for (const SequencePtr& sequence : running_) {
    if (!sequence->has_penalties()) continue;
    const std::int64_t count = std::min(budget, sequence->num_known() - sequence->num_counted);
    if (count <= 0) continue;
    step.counts.push_back({sequence, sequence->num_counted, count});
    sequence->num_counted += count;
    budget -= count;
  }
}

namespace {

bool awaits_counts(const Sequence& sequence) {
  return sequence.has_penalties() && sequence.num_counted < sequence.num_tokens();
}

bool is_decoding(const Sequence& sequence) {
  return sequence.num_pending() == 1 && !sequence.is_full() && !sequence.is_embedding() &&
         !awaits_counts(sequence);
}

// Enters the rows as computed, and the tokens that they give as in flight.
void add_chunk(ScheduledStep& step, const SequencePtr& sequence, std::int64_t num_tokens) {
  Sequence& each = *sequence;
  const std::int64_t num_results = 1 + std::ssize(each.draft);
  ScheduledChunk chunk{
      .sequence = sequence, .first_position = each.num_computed, .num_tokens = num_tokens};
  each.num_computed += num_tokens;
  chunk.is_last = each.num_computed == each.num_tokens() + num_results - 1;
  if (!each.is_embedding()) {
    if (chunk.is_last) {
      chunk.num_logit_rows = num_results;
      each.num_in_flight += num_results;
      if (each.has_penalties()) each.num_counted += num_results;
    }
    if (each.request.prompt_logprobs && each.num_completion_tokens() == 0) {
      chunk.num_logit_rows = num_tokens;
    }
  }
  step.chunks.push_back(std::move(chunk));
}

}  // namespace

// Guesses are checked against what is sampled at their positions, so they change nothing but the
// number of steps. Where a row's logits are adjusted by what stands before it, they are not made.
std::vector<TokenId> Scheduler::draft_for(const Sequence& sequence, std::int64_t max_tokens) const {
  const StopConditions& stop = sequence.request.stop;
  if (sequence.num_in_flight > 0 || sequence.num_completion_tokens() < 1 ||
      sequence.has_penalties() || !sequence.request.sampling.logit_bias.empty() ||
      sequence.request.grammar || !stop.bad_words.empty() ||
      sequence.num_completion_tokens() < stop.min_tokens) {
    return {};
  }
  const std::int64_t held_tokens = std::ssize(sequence.blocks) * limits_.block_tokens;
  const std::int64_t room = std::min(held_tokens - sequence.num_tokens(),
                                     sequence.max_total_tokens - sequence.num_tokens() - 1);
  return draft_by_lookup(sequence.tokens, std::min({max_tokens, limits_.max_draft_tokens, room}));
}

void Scheduler::schedule_decoding(ScheduledStep& step, std::int64_t& budget) const {
  std::int64_t num_decoding = std::ranges::count_if(
      running_, [](const SequencePtr& sequence) { return is_decoding(*sequence); });
  for (const SequencePtr& sequence : running_) {
    if (!is_decoding(*sequence)) continue;
    if (limits_.max_draft_tokens > 0) {
      sequence->draft = draft_for(*sequence, budget - num_decoding);
    }
    const std::int64_t num_rows = 1 + std::ssize(sequence->draft);
    add_chunk(step, sequence, num_rows);
    budget -= num_rows;
    --num_decoding;
  }
}

void Scheduler::schedule_prompts(ScheduledStep& step, std::int64_t budget) const {
  std::int64_t logit_rows = limits_.max_prompt_logit_rows;
  for (const SequencePtr& sequence : running_) {
    if (sequence->num_pending() < 1 || sequence->is_full() || is_decoding(*sequence)) continue;
    std::int64_t count = std::min(sequence->num_pending(), budget);
    if (sequence->request.prompt_logprobs && sequence->num_completion_tokens() == 0) {
      count = std::min(count, logit_rows);
      logit_rows -= count;
    }
    // The last row is sampled, which needs all counts.
    if (awaits_counts(*sequence)) count = std::min(count, sequence->num_pending() - 1);
    if (count <= 0) continue;
    add_chunk(step, sequence, count);
    budget -= count;
  }
}

std::vector<SequencePtr> Scheduler::remove_if(const std::function<bool(const Sequence&)>& is_over) {
  std::vector<SequencePtr> removed;
  const auto take_out = [&](const SequencePtr& sequence) {
    if (!is_over(*sequence)) return false;
    sequence->is_over = true;
    release(*sequence);
    removed.push_back(sequence);
    return true;
  };
  std::erase_if(running_, take_out);
  std::erase_if(waiting_, [&](const auto& entry) {
    const bool is_taken = take_out(entry.second.sequence);
    if (is_taken) num_waiting_tokens_ -= entry.second.num_tokens;
    return is_taken;
  });
  return removed;
}

}  // namespace fathom::engine
