// Thread: one way of reading the text so far, as the states of the rules that are unfinished.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "grammar/automaton.h"

namespace fathom::grammar {

// The innermost rule's state is at the back; below it lies what each caller goes on with.
using Thread = std::vector<StateId>;

// After each byte at most this many ways of reading are kept. A grammar that is more ambiguous
// than that loses some of its texts, but every way that is kept can still be completed.
constexpr std::size_t kMaxThreads = 64;

// Whether all unfinished rules may end here.
bool can_finish(const Automaton& automaton, const Thread& thread);

// Reads bytes; holds scratch memory. Not thread-safe.
class Stepper {
 public:
  // The automaton must outlive the stepper.
  explicit Stepper(const Automaton& automaton) : automaton_(automaton) {}

  // The ways in which `from` can read `byte`, ascending and without repeats, none deeper than
  // max_depth; empty when there is none. `to` must not be `from`. Cost: a few hundred
  // nanoseconds at most for grammars with one way of reading; bounded for all.
  void step(const std::vector<Thread>& from, std::uint8_t byte, std::size_t max_depth,
            std::vector<Thread>& to);

 private:
  void step_thread(Thread& thread);
  void enter(Thread& caller, const CallEdge& call);
  void emit(Thread& thread, StateId top);
  const Edge* edge_of(StateId state) const;
  // False when this step may do no more.
  bool spend();

  const Automaton& automaton_;
  std::uint8_t byte_ = 0;
  std::size_t max_depth_ = 0;
  std::size_t work_ = 0;
  std::vector<Thread>* to_ = nullptr;
  Thread scratch_;
};

}  // namespace fathom::grammar
