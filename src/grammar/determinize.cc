// Subsets are sorted lists of the NFA states that matter: those with byte or call arcs, and the
// end.
#include "grammar/determinize.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

namespace fathom::grammar {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using Subset = std::vector<std::uint32_t>;

struct SubsetHash {
  std::size_t operator()(const Subset& subset) const {
    std::uint64_t hash = subset.size();
    for (const auto state : subset) hash = (hash ^ state) * 0x9E3779B97F4A7C15u + (hash >> 29);
    return hash;
  }
};

class Determinizer {
 public:
  Determinizer(const Nfa& nfa, ConstructionBudget& budget, Automaton& automaton)
      : nfa_(nfa), budget_(budget), automaton_(automaton), marks_(nfa.first_arc.size(), 0) {}

  // False when a limit was met.
  bool run() {
    const auto first = static_cast<StateId>(automaton_.states.size());
    state_of({nfa_.start});
    // state_of appends to subsets_ while this loop runs.
    for (std::size_t i = 0; i < subsets_.size() && !is_exhausted_; ++i) {
      const Subset subset = *subsets_[i];
      const auto state = static_cast<StateId>(first + i);
      automaton_.states[state].accepting =
          std::binary_search(subset.begin(), subset.end(), nfa_.end);
      add_edges(subset, state);
      add_calls(subset, state);
    }
    return !is_exhausted_;
  }

 private:
  bool spend(std::size_t steps) {
    is_exhausted_ = is_exhausted_ || steps > budget_.steps;
    if (!is_exhausted_) budget_.steps -= steps;
    return !is_exhausted_;
  }

  // The NFA states that matter among `from` and what empty arcs reach from there.
  Subset closure(Subset from) {
    ++mark_;
    Subset result;
    std::size_t steps = 0;
    while (!from.empty()) {
      const auto state = from.back();
      from.pop_back();
      if (marks_[state] == mark_) continue;
      marks_[state] = mark_;
      bool matters = state == nfa_.end;
      for (auto arc = nfa_.first_arc[state]; arc != kNoArc; arc = nfa_.arcs[arc].next) {
        ++steps;
        if (nfa_.arcs[arc].kind == ArcKind::kEmpty) {
          from.push_back(nfa_.arcs[arc].to);
        } else {
          matters = true;
        }
      }
      if (matters) result.push_back(state);
    }
    spend(steps);
    std::sort(result.begin(), result.end());
    return result;
  }

  StateId state_of(Subset targets) {
    Subset subset = closure(std::move(targets));
    if (subset.size() > budget_.subset_members || automaton_.states.size() >= kMaxStates)
      is_exhausted_ = true;
    if (is_exhausted_) return 0;
    const auto next = static_cast<StateId>(automaton_.states.size());
    const auto size = subset.size();
    const auto [entry, is_new] = known_.try_emplace(std::move(subset), next);
    if (is_new) {
      budget_.subset_members -= size;
      automaton_.states.emplace_back();
      subsets_.push_back(&entry->first);
    }
    return entry->second;
  }

  std::vector<Arc> arcs_of(const Subset& subset, ArcKind kind) {
    std::vector<Arc> arcs;
    for (const auto state : subset) {
      for (auto arc = nfa_.first_arc[state]; arc != kNoArc; arc = nfa_.arcs[arc].next) {
        if (nfa_.arcs[arc].kind == kind) arcs.push_back(nfa_.arcs[arc]);
      }
    }
    return arcs;
  }

  void add_edges(const Subset& subset, StateId state) {
    auto arcs = arcs_of(subset, ArcKind::kBytes);
    std::sort(arcs.begin(), arcs.end(),
              [](const Arc& a, const Arc& b) { return a.first < b.first; });
    std::vector<unsigned> cuts;
    for (const auto& arc : arcs) {
      cuts.push_back(arc.first);
      cuts.push_back(arc.last + 1u);
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    automaton_.states[state].first_edge = static_cast<std::uint32_t>(automaton_.edges.size());
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
      Subset targets;
      std::size_t seen = 0;
      for (const auto& arc : arcs) {
        if (arc.first > cuts[i]) break;
        ++seen;
        if (cuts[i] <= arc.last) targets.push_back(arc.to);
      }
      if (!spend(seen)) return;
      if (!targets.empty()) add_edge(state, cuts[i], cuts[i + 1] - 1, state_of(targets));
    }
  }

  void add_edge(StateId state, unsigned first, unsigned last, StateId to) {
    auto& edges = automaton_.edges;
    auto& num_edges = automaton_.states[state].num_edges;
    if (num_edges > 0 && edges.back().to == to && edges.back().last + 1u == first) {
      edges.back().last = static_cast<std::uint8_t>(last);
      return;
    }
    if (edges.size() >= kMaxEdges) {
      is_exhausted_ = true;
      return;
    }
    edges.push_back({static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(last), to});
    ++num_edges;
  }

  void add_calls(const Subset& subset, StateId state) {
    std::map<RuleId, Subset> targets;
    for (const auto& arc : arcs_of(subset, ArcKind::kCall)) targets[arc.rule].push_back(arc.to);
    automaton_.states[state].first_call = static_cast<std::uint32_t>(automaton_.calls.size());
    for (auto& [rule, states] : targets) {
      const auto to = state_of(std::move(states));
      if (automaton_.calls.size() >= kMaxEdges) is_exhausted_ = true;
      if (is_exhausted_) return;
      automaton_.calls.push_back({.rule = rule, .to = to, .is_tail = false});
      ++automaton_.states[state].num_calls;
    }
  }

  const Nfa& nfa_;
  ConstructionBudget& budget_;
  Automaton& automaton_;
  std::vector<std::uint32_t> marks_;
  std::uint32_t mark_ = 0;
  std::unordered_map<Subset, StateId, SubsetHash> known_;
  std::vector<const Subset*> subsets_;  // keys of known_, in the order of their states
  bool is_exhausted_ = false;
};

}  // namespace

Result<StateId> determinize(const Nfa& nfa, std::string_view where, ConstructionBudget& budget,
                            Automaton& automaton) {
  const auto start = static_cast<StateId>(automaton.states.size());
  if (!Determinizer(nfa, budget, automaton).run()) {
    return fail(ErrorCode::kResourceExhausted, where,
                "the grammar needs more than {} states or too many steps to prepare; use smaller "
                "repeat counts, length limits or fewer alternatives",
                kMaxStates);
  }
  return start;
}

}  // namespace fathom::grammar
