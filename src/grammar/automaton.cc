// Compiles the rules, removes what cannot end, and measures what the matcher relies on.
#include "grammar/automaton.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "base/check.h"
#include "grammar/determinize.h"
#include "grammar/nfa.h"

namespace fathom::grammar {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::uint32_t kCannotEnd = std::numeric_limits<std::uint32_t>::max();

// Finds State::levels_needed of every state, lowest first: Knuth's generalization of Dijkstra's
// algorithm, with one bucket for each number of levels.
class LevelFinder {
 public:
  explicit LevelFinder(Automaton& automaton) : automaton_(automaton) {}

  void run() {
    collect_callers();
    for (auto& state : automaton_.states) state.levels_needed = kCannotEnd;
    buckets_.resize(kMaxDepth + 1);
    for (StateId i = 0; i < automaton_.states.size(); ++i) {
      if (automaton_.states[i].accepting) buckets_[0].push_back(i);
    }
    for (std::uint32_t level = 0; level <= kMaxDepth; ++level) {
      while (!buckets_[level].empty()) {
        const StateId state = buckets_[level].back();
        buckets_[level].pop_back();
        if (automaton_.states[state].levels_needed == kCannotEnd) settle(state, level);
      }
    }
  }

 private:
  struct CallSite {
    StateId from;
    CallEdge edge;
  };

  void collect_callers() {
    const auto num_states = static_cast<StateId>(automaton_.states.size());
    sources_.resize(num_states);
    returns_.resize(num_states);
    entries_.resize(num_states);
    for (StateId i = 0; i < num_states; ++i) {
      for (const auto& edge : automaton_.edges_of(i)) sources_[edge.to].push_back(i);
      for (const auto& call : automaton_.calls_of(i)) {
        returns_[call.to].push_back({i, call});
        entries_[automaton_.rules[call.rule].state].push_back({i, call});
      }
    }
  }

  void settle(StateId state, std::uint32_t level) {
    automaton_.states[state].levels_needed = level;
    for (const auto from : sources_[state]) offer(from, level);
    for (const auto& site : returns_[state]) offer_call(site);
    for (const auto& site : entries_[state]) offer_call(site);
  }

  void offer_call(const CallSite& site) {
    const auto callee = automaton_.states[automaton_.rules[site.edge.rule].state].levels_needed;
    const auto rest = automaton_.states[site.edge.to].levels_needed;
    if (callee == kCannotEnd || rest == kCannotEnd) return;
    offer(site.from, site.edge.is_tail ? callee : std::max(callee + 1, rest));
  }

  void offer(StateId state, std::uint32_t level) {
    if (level <= kMaxDepth && automaton_.states[state].levels_needed == kCannotEnd)
      buckets_[level].push_back(state);
  }

  Automaton& automaton_;
  std::vector<std::vector<StateId>> sources_;
  std::vector<std::vector<CallSite>> returns_;
  std::vector<std::vector<CallSite>> entries_;
  std::vector<std::vector<StateId>> buckets_;
};

// Walks the calls that a rule may begin with.
class CallChains {
 public:
  CallChains(const Expressions& expressions, Automaton& automaton)
      : expressions_(expressions),
        automaton_(automaton),
        lengths_(automaton.rules.size(), 0),
        works_(automaton.rules.size(), 0),
        is_open_(automaton.rules.size(), false) {}

  // Sets first_bytes and max_call_chain. Fails for left recursion and for chains that are too long.
  Result<void> run(std::string_view where) {
    for (RuleId rule = 0; rule < automaton_.rules.size(); ++rule) {
      TRY(visit(rule, 1, where));
      automaton_.max_call_chain = std::max(automaton_.max_call_chain, lengths_[rule]);
    }
    for (StateId i = 0; i < automaton_.states.size(); ++i) {
      automaton_.states[i].entry_work = work_of(i);
      if (work_of(i) <= kMaxEntryWork) continue;
      return fail(ErrorCode::kResourceExhausted, where,
                  "more than {} alternatives may begin at one place; write some of them in place "
                  "or split the grammar",
                  kMaxEntryWork);
    }
    return {};
  }

 private:
  Result<void> visit(RuleId rule, std::uint32_t depth, std::string_view where) {
    if (lengths_[rule] != 0) return {};
    if (is_open_[rule]) {
      return fail(ErrorCode::kInvalidArgument, where,
                  "rule '{}' is left-recursive: it can begin with itself; put "
                  "something before the recursion, or write it as a repetition",
                  expressions_.rules()[rule].name);
    }
    if (depth > kMaxCallChain) {
      return fail(ErrorCode::kResourceExhausted, where,
                  "rule '{}' lies behind more than {} rules that begin with one another; write "
                  "some of them in place",
                  expressions_.rules()[rule].name, kMaxCallChain);
    }
    is_open_[rule] = true;
    auto& start = automaton_.rules[rule];
    for (const auto& edge : automaton_.edges_of(start.state)) {
      for (unsigned byte = edge.first; byte <= edge.last; ++byte) start.first_bytes.set(byte);
    }
    std::uint32_t length = 0;
    for (const auto& call : automaton_.calls_of(start.state)) {
      TRY(visit(call.rule, depth + 1, where));
      length = std::max(length, lengths_[call.rule]);
      start.first_bytes |= automaton_.rules[call.rule].first_bytes;
    }
    if (length >= kMaxCallChain) {
      return fail(ErrorCode::kResourceExhausted, where,
                  "more than {} rules begin with one another; write some of them in place",
                  kMaxCallChain);
    }
    is_open_[rule] = false;
    lengths_[rule] = length + 1;
    works_[rule] = work_of(start.state);
    return {};
  }

  // Capped just above the limit, so that sums do not overflow.
  std::uint32_t work_of(StateId state) const {
    std::uint32_t work = 1;
    for (const auto& call : automaton_.calls_of(state))
      work = std::min(work + works_[call.rule], kMaxEntryWork + 1);
    return work;
  }

  const Expressions& expressions_;
  Automaton& automaton_;
  std::vector<std::uint32_t> lengths_;
  std::vector<std::uint32_t> works_;
  std::vector<bool> is_open_;
};

void remove_dead_ends(Automaton& automaton) {
  const auto ends = [&](StateId state) {
    return automaton.states[state].levels_needed != kCannotEnd;
  };
  std::vector<Edge> edges;
  std::vector<CallEdge> calls;
  for (StateId i = 0; i < automaton.states.size(); ++i) {
    State& state = automaton.states[i];
    const auto old_edges = automaton.edges_of(i);
    const auto old_calls = automaton.calls_of(i);
    state.first_edge = static_cast<std::uint32_t>(edges.size());
    state.first_call = static_cast<std::uint32_t>(calls.size());
    std::copy_if(old_edges.begin(), old_edges.end(), std::back_inserter(edges),
                 [&](const Edge& edge) { return ends(edge.to); });
    std::copy_if(old_calls.begin(), old_calls.end(), std::back_inserter(calls),
                 [&](const CallEdge& call) {
                   return ends(call.to) && ends(automaton.rules[call.rule].state);
                 });
    state.num_edges = static_cast<std::uint32_t>(edges.size()) - state.first_edge;
    state.num_calls = static_cast<std::uint32_t>(calls.size()) - state.first_call;
    if (ends(i))
      automaton.max_levels_needed = std::max(automaton.max_levels_needed, state.levels_needed);
  }
  automaton.edges = std::move(edges);
  automaton.calls = std::move(calls);
}

void mark_tail_calls(Automaton& automaton) {
  for (auto& call : automaton.calls) {
    const State& to = automaton.states[call.to];
    call.is_tail = to.accepting && to.num_edges == 0 && to.num_calls == 0;
  }
}

void find_byte_classes(Automaton& automaton) {
  std::bitset<257> begins;
  begins.set(0);
  for (const auto& edge : automaton.edges) {
    begins.set(edge.first);
    begins.set(edge.last + std::size_t{1});
  }
  for (std::size_t byte = 0; byte < 256; ++byte) {
    if (begins[byte]) automaton.class_bytes.push_back(static_cast<std::uint8_t>(byte));
    automaton.byte_class[byte] = static_cast<std::uint8_t>(automaton.class_bytes.size() - 1);
  }
  automaton.num_byte_classes = static_cast<std::uint32_t>(automaton.class_bytes.size());
}

Result<void> compile_rules(const Expressions& expressions, std::string_view where,
                           Automaton& automaton) {
  const Nullable nullable = find_nullable(expressions);
  ConstructionBudget budget;
  std::size_t num_nfa_states = 0;
  for (const auto& rule : expressions.rules()) {
    CHECK(rule.is_defined, "rule {} has no body", rule.name);
    NfaBuilder builder(expressions, nullable, kMaxNfaStates - num_nfa_states);
    const Nfa nfa = builder.build(rule.body);
    if (builder.is_full()) {
      return fail(ErrorCode::kResourceExhausted, where,
                  "the grammar is too large when its repeat counts are written out; use smaller "
                  "repeat counts or length limits");
    }
    num_nfa_states += nfa.first_arc.size();
    automaton.rules.push_back({ .state = TRY(determinize(nfa, where, budget, automaton)) });
  }
  return {};
}

}  // namespace

Result<Automaton> build_automaton(const Expressions& expressions, std::string_view where) {
  if (expressions.rules().size() > kMaxRules) {
    return fail(ErrorCode::kResourceExhausted, where, "more than {} rules", kMaxRules);
  }
  Automaton automaton;
  TRY(compile_rules(expressions, where, automaton));
  mark_tail_calls(automaton);
  TRY(CallChains(expressions, automaton).run(where));
  LevelFinder(automaton).run();
  if (automaton.states[automaton.rules.front().state].levels_needed == kCannotEnd) {
    return fail(ErrorCode::kInvalidArgument, where,
                "no text of at most {} nested levels matches; a rule may lack an option that ends "
                "its recursion",
                kMaxDepth);
  }
  remove_dead_ends(automaton);
  // Edges went away: what a rule may begin with is now less.
  automaton.max_call_chain = 0;
  for (auto& rule : automaton.rules) rule.first_bytes.reset();
  TRY(CallChains(expressions, automaton).run(where));
  find_byte_classes(automaton);
  return automaton;
}

}  // namespace fathom::grammar
