// A grammar as one deterministic automaton for each rule, over bytes and calls of other rules.
//
// A rule's automaton is the subset construction of its expression with "call of rule r" as one more
// symbol beside the 256 bytes. Only between a byte and a call, or between two calls, is there
// still a choice; a Thread is one way of making these choices.
//
// Every state can reach the end of its rule, so text that follows the automaton can always be
// completed. Nothing is left-recursive, and a call always reads at least one byte (where a rule
// matches the empty text, its callers may also pass over it).
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "grammar/expression.h"

namespace fathom::grammar {

using StateId = std::uint32_t;

// Limits of one grammar; beyond them it is refused with kResourceExhausted.
constexpr std::size_t kMaxRules = 1024;
constexpr std::size_t kMaxNfaStates = std::size_t{1} << 18;
constexpr std::size_t kMaxStates = std::size_t{1} << 16;
constexpr std::size_t kMaxEdges = std::size_t{1} << 20;
// Arc visits and members of subsets in the subset construction: about half a second, 64 MiB.
constexpr std::size_t kMaxConstructionSteps = std::size_t{1} << 26;
constexpr std::size_t kMaxSubsetMembers = std::size_t{1} << 23;
// Rules that may begin at the same byte, each inside the one before.
constexpr std::uint32_t kMaxCallChain = 64;
// Ways into the rules that may begin at one place of the text.
constexpr std::uint32_t kMaxEntryWork = 2048;
// Rules that may be unfinished at one place of the text: how deep it may nest.
constexpr std::uint32_t kMaxDepth = 128;

struct Edge {
  std::uint8_t first;
  std::uint8_t last;
  StateId to;
};

// Reads the rule `rule`, then goes on in `to`.
struct CallEdge {
  RuleId rule;
  StateId to;
  // Nothing follows in the caller, so no return to it is kept.
  bool is_tail;
};

struct State {
  std::uint32_t first_edge = 0;
  std::uint32_t num_edges = 0;
  std::uint32_t first_call = 0;
  std::uint32_t num_calls = 0;
  bool accepting = false;  // the rule may end here
  // The fewest further levels of calls with which the rule can end.
  std::uint32_t levels_needed = 0;
  // Rules that reading one byte here may have to look into, itself counted once.
  std::uint32_t entry_work = 1;
};

struct RuleStart {
  StateId state = 0;
  std::bitset<256> first_bytes;
};

// Immutable once built; rule 0 is the root.
struct Automaton {
  std::vector<State> states;
  std::vector<Edge> edges;  // by state, ascending
  std::vector<CallEdge> calls;
  std::vector<RuleStart> rules;
  // Bytes that no edge tells apart share a class.
  std::array<std::uint8_t, 256> byte_class{};
  std::uint32_t num_byte_classes = 0;
  std::vector<std::uint8_t> class_bytes;  // one byte of each class
  std::uint32_t max_call_chain = 0;       // rules entered by one byte, at most
  std::uint32_t max_levels_needed = 0;

  std::span<const Edge> edges_of(StateId state) const {
    return std::span(edges).subspan(states[state].first_edge, states[state].num_edges);
  }
  std::span<const CallEdge> calls_of(StateId state) const {
    return std::span(calls).subspan(states[state].first_call, states[state].num_calls);
  }
};

// Compiles all rules; rule 0 is the root. Fails with kInvalidArgument for left recursion and for a
// root that matches no text, with kResourceExhausted beyond the limits above. `where` names the
// grammar in errors. Time and memory are bounded by those limits.
base::Result<Automaton> build_automaton(const Expressions& expressions, std::string_view where);

}  // namespace fathom::grammar
