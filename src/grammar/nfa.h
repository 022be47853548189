// Nfa: one rule's expression as a graph of byte arcs, call arcs and empty arcs.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "grammar/expression.h"

namespace fathom::grammar {

enum class ArcKind : std::uint8_t { kEmpty, kBytes, kCall };

struct Arc {
  ArcKind kind;
  std::uint8_t first;  // kBytes
  std::uint8_t last;
  RuleId rule;  // kCall
  std::uint32_t to;
  std::uint32_t next;  // the next arc of the same state, or kNoArc
};
constexpr std::uint32_t kNoArc = 0xFFFFFFFF;

struct Nfa {
  std::vector<std::uint32_t> first_arc;  // of each state
  std::vector<Arc> arcs;
  std::uint32_t start = 0;
  std::uint32_t end = 0;
};

// Which expressions and rules match the empty text.
struct Nullable {
  std::vector<bool> expressions;
  std::vector<bool> rules;
};
Nullable find_nullable(const Expressions& expressions);

// Adds a call of a nullable rule together with an empty arc that passes over it.
class NfaBuilder {
 public:
  // Both must outlive the builder. No more than max_states states are made.
  NfaBuilder(const Expressions& expressions, const Nullable& nullable, std::size_t max_states)
      : expressions_(expressions), nullable_(nullable), max_states_(max_states) {}

  // The graph of one rule. When is_full() is true afterwards it is not complete.
  Nfa build(ExpressionId body);
  bool is_full() const { return is_full_; }

 private:
  std::uint32_t add_state();
  void add_arc(std::uint32_t from, Arc arc);
  void add_empty(std::uint32_t from, std::uint32_t to);
  // Each returns the state behind the expression that begins at `from`.
  std::uint32_t add(ExpressionId id, std::uint32_t from);
  std::uint32_t add_code_points(const CodePointSet& set, std::uint32_t from);
  std::uint32_t add_repeat(const Expression& node, std::uint32_t from);
  std::uint32_t add_members(const Expression& node, std::uint32_t from);

  const Expressions& expressions_;
  const Nullable& nullable_;
  std::size_t max_states_;
  std::size_t num_visits_ = 0;
  bool is_full_ = false;
  Nfa nfa_;
};

}  // namespace fathom::grammar
