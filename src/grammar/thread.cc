// One byte's step: edges of the top state, calls from it, and returns to what lies below.
#include "grammar/thread.h"

#include <algorithm>

namespace fathom::grammar {
namespace {

// Rules looked into and threads made in one step, before repeats are removed.
constexpr std::size_t kMaxStepWork = 4096;
// The same for a step that has not found any thread yet.
constexpr std::size_t kMaxFruitlessWork = std::size_t{1} << 18;

}  // namespace

bool can_finish(const Automaton& automaton, const Thread& thread) {
  return std::all_of(thread.begin(), thread.end(),
                     [&](StateId state) { return automaton.states[state].accepting; });
}

const Edge* Stepper::edge_of(StateId state) const {
  const auto edges = automaton_.edges_of(state);
  const auto edge = std::partition_point(
      edges.begin(), edges.end(), [&](const Edge& candidate) { return candidate.last < byte_; });
  return edge != edges.end() && edge->first <= byte_ ? &*edge : nullptr;
}

bool Stepper::spend() {
  ++work_;
  return work_ <= (to_->empty() ? kMaxFruitlessWork : kMaxStepWork);
}

void Stepper::emit(Thread& thread, StateId top) {
  if (!spend()) return;
  if (thread.size() + 1 + automaton_.states[top].levels_needed > max_depth_) return;
  thread.push_back(top);
  to_->push_back(thread);
  thread.pop_back();
}

// `caller` ends with the states below the called rule; it comes back unchanged.
void Stepper::enter(Thread& caller, const CallEdge& call) {
  const auto& rule = automaton_.rules[call.rule];
  if (!rule.first_bytes[byte_] || !spend()) return;
  if (!call.is_tail) {
    if (caller.size() + 1 + automaton_.states[call.to].levels_needed > max_depth_) return;
    caller.push_back(call.to);
  }
  if (const Edge* edge = edge_of(rule.state)) emit(caller, edge->to);
  for (const auto& next : automaton_.calls_of(rule.state)) enter(caller, next);
  if (!call.is_tail) caller.pop_back();
}

void Stepper::step_thread(Thread& thread) {
  while (!thread.empty()) {
    const StateId top = thread.back();
    thread.pop_back();
    if (const Edge* edge = edge_of(top)) emit(thread, edge->to);
    for (const auto& call : automaton_.calls_of(top)) enter(thread, call);
    if (!automaton_.states[top].accepting) return;
  }
}

void Stepper::step(const std::vector<Thread>& from, std::uint8_t byte, std::size_t max_depth,
                   std::vector<Thread>& to) {
  byte_ = byte;
  max_depth_ = max_depth;
  work_ = 0;
  to_ = &to;
  to.clear();
  for (const auto& thread : from) {
    scratch_.assign(thread.begin(), thread.end());
    step_thread(scratch_);
  }
  if (to.size() < 2) return;
  std::sort(to.begin(), to.end());
  to.erase(std::unique(to.begin(), to.end()), to.end());
  if (to.size() > kMaxThreads) to.resize(kMaxThreads);
}

}  // namespace fathom::grammar
