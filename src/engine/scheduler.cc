// Admission by reservation, and the split of a step's budget.
#include "engine/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/checked.h"

namespace fathom::engine {

Scheduler::Scheduler(const SchedulerLimits& limits, std::int64_t num_blocks)
    : limits_(limits), pool_(num_blocks) {
  CHECK(limits.max_step_tokens >= limits.max_batch_size,
        "a step of {} rows cannot serve {} sequences", limits.max_step_tokens,
        limits.max_batch_size);
}

void Scheduler::admit() {
  while (!waiting_.empty() && num_running() < limits_.max_batch_size) {
    Sequence& next = *waiting_.front();
    auto blocks = pool_.take(base::ceil_div(next.max_total_tokens(), limits_.block_tokens));
    if (!blocks) return;
    next.blocks = std::move(*blocks);
    next.admitted = Sequence::Clock::now();
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

std::vector<ScheduledChunk> Scheduler::schedule() {
  admit();
  std::vector<ScheduledChunk> chunks;
  std::int64_t budget = limits_.max_step_tokens;
  for (const auto& sequence : running_) {
    if (sequence->num_pending() == 1) {
      chunks.push_back({sequence.get(), 1});
      --budget;
    }
  }
  for (const auto& sequence : running_) {
    if (sequence->num_pending() > 1 && budget > 0) {
      chunks.push_back({sequence.get(), std::min(sequence->num_pending(), budget)});
      budget -= chunks.back().num_tokens;
    }
  }
  return chunks;
}

std::vector<std::unique_ptr<Sequence>> Scheduler::remove_if(
    const std::function<bool(const Sequence&)>& is_over) {
  std::vector<std::unique_ptr<Sequence>> removed;
  const auto take_over = [&](auto& queue) {
    for (auto& sequence : queue) {
      if (is_over(*sequence)) {
        pool_.give_back(sequence->blocks);
        removed.push_back(std::move(sequence));
      }
    }
    std::erase(queue, nullptr);
  };
  take_over(running_);
  take_over(waiting_);
  return removed;
}

}  // namespace fathom::engine
