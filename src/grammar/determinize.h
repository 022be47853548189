// The subset construction of one rule's Nfa, appended to an Automaton.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "grammar/automaton.h"
#include "grammar/nfa.h"

namespace fathom::grammar {

// What all rules of a grammar may still use.
struct ConstructionBudget {
  std::size_t steps = kMaxConstructionSteps;
  std::size_t subset_members = kMaxSubsetMembers;
};

// Appends the rule's states, edges and calls, and returns its first state. The states that cannot
// reach the end are still there. kResourceExhausted beyond the budget or the automaton's limits.
base::Result<StateId> determinize(const Nfa& nfa, std::string_view where,
                                  ConstructionBudget& budget, Automaton& automaton);

}  // namespace fathom::grammar
