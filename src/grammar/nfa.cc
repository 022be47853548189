// Thompson's construction, with calls as symbols.
#include "grammar/nfa.h"

#include <algorithm>
#include <utility>

namespace fathom::grammar {
namespace {

// Sets of code points and repeats of nothing make arcs without states; this bounds their memory.
constexpr std::size_t kArcsForEachState = 8;
// Repeats of nothing visit expressions without making anything; this bounds their time.
constexpr std::size_t kVisitsForEachState = 8;

bool is_nullable(const Expression& node, const Nullable& known) {
  const auto child = [&](ExpressionId id) {
    return known.expressions[static_cast<std::size_t>(id)];
  };
  switch (node.kind) {
    case ExpressionKind::kNothing:
    case ExpressionKind::kCodePoints:
    case ExpressionKind::kMembers:
      return false;
    case ExpressionKind::kLiteral:
      return node.text.empty();
    case ExpressionKind::kSequence:
      return std::all_of(node.children.begin(), node.children.end(), child);
    case ExpressionKind::kChoice:
      return std::any_of(node.children.begin(), node.children.end(), child);
    case ExpressionKind::kRepeat:
      return node.min == 0 || child(node.children.front());
    case ExpressionKind::kCall:
      return known.rules[node.min];
  }
  return false;
}

}  // namespace

Nullable find_nullable(const Expressions& expressions) {
  Nullable known;
  known.expressions.resize(expressions.num_nodes());
  known.rules.resize(expressions.rules().size());
  // Children come before their parents, so one pass settles all but the calls.
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < expressions.num_nodes(); ++i)
      known.expressions[i] = is_nullable(expressions[static_cast<ExpressionId>(i)], known);
    for (std::size_t i = 0; i < known.rules.size(); ++i) {
      const auto body = static_cast<std::size_t>(expressions.rules()[i].body);
      if (known.rules[i] || !known.expressions[body]) continue;
      known.rules[i] = true;
      changed = true;
    }
  }
  return known;
}

Nfa NfaBuilder::build(ExpressionId body) {
  nfa_ = {};
  nfa_.start = add_state();
  nfa_.end = add(body, nfa_.start);
  return std::move(nfa_);
}

std::uint32_t NfaBuilder::add_state() {
  if (nfa_.first_arc.size() >= max_states_) {
    is_full_ = true;
    return 0;
  }
  nfa_.first_arc.push_back(kNoArc);
  return static_cast<std::uint32_t>(nfa_.first_arc.size() - 1);
}

void NfaBuilder::add_arc(std::uint32_t from, Arc arc) {
  if (nfa_.arcs.size() >= kArcsForEachState * max_states_) is_full_ = true;
  if (is_full_) return;
  arc.next = nfa_.first_arc[from];
  nfa_.first_arc[from] = static_cast<std::uint32_t>(nfa_.arcs.size());
  nfa_.arcs.push_back(arc);
}

void NfaBuilder::add_empty(std::uint32_t from, std::uint32_t to) {
  add_arc(from, {.kind = ArcKind::kEmpty, .to = to});
}

std::uint32_t NfaBuilder::add(ExpressionId id, std::uint32_t from) {
  if (++num_visits_ > kVisitsForEachState * max_states_) is_full_ = true;
  if (is_full_) return from;
  const Expression& node = expressions_[id];
  switch (node.kind) {
    case ExpressionKind::kNothing:
      return add_state();
    case ExpressionKind::kLiteral:
      for (const char c : node.text) {
        const auto byte = static_cast<std::uint8_t>(c);
        const auto to = add_state();
        add_arc(from, {.kind = ArcKind::kBytes, .first = byte, .last = byte, .to = to});
        from = to;
      }
      return from;
    case ExpressionKind::kCodePoints:
      return add_code_points(node.set, from);
    case ExpressionKind::kSequence:
      for (const auto child : node.children) from = add(child, from);
      return from;
    case ExpressionKind::kChoice: {
      const auto end = add_state();
      for (const auto child : node.children) {
        // An option's loop must not lead back to where another option begins.
        const auto begin = add_state();
        add_empty(from, begin);
        add_empty(add(child, begin), end);
      }
      return end;
    }
    case ExpressionKind::kRepeat:
      return add_repeat(node, from);
    case ExpressionKind::kCall: {
      const auto to = add_state();
      add_arc(from, {.kind = ArcKind::kCall, .rule = node.min, .to = to});
      if (nullable_.rules[node.min]) add_empty(from, to);
      return to;
    }
    case ExpressionKind::kMembers:
      return add_members(node, from);
  }
  return from;
}

std::uint32_t NfaBuilder::add_code_points(const CodePointSet& set, std::uint32_t from) {
  const auto end = add_state();
  // States by the intervals that are still to be read: equal endings are shared.
  std::map<ByteSequence, std::uint32_t> state_before;
  for (const auto& sequence : utf8_sequences(set)) {
    std::uint32_t to = end;
    for (std::size_t i = sequence.size() - 1; i > 0 && !is_full_; --i) {
      const ByteSequence rest(sequence.begin() + static_cast<std::ptrdiff_t>(i), sequence.end());
      auto [entry, is_new] = state_before.try_emplace(rest, 0);
      if (is_new) {
        entry->second = add_state();
        add_arc(entry->second, {.kind = ArcKind::kBytes,
                                .first = sequence[i].first,
                                .last = sequence[i].last,
                                .to = to});
      }
      to = entry->second;
    }
    add_arc(
        from,
        {.kind = ArcKind::kBytes, .first = sequence[0].first, .last = sequence[0].last, .to = to});
  }
  return end;
}

std::uint32_t NfaBuilder::add_repeat(const Expression& node, std::uint32_t from) {
  const auto child = node.children.front();
  for (std::uint32_t i = 0; i < node.min && !is_full_; ++i) from = add(child, from);
  const auto end = add_state();
  if (node.max == kUnbounded) {
    const auto loop = add_state();
    add_empty(from, loop);
    add_empty(add(child, loop), loop);
    add_empty(loop, end);
    return end;
  }
  for (std::uint32_t i = node.min; i < node.max && !is_full_; ++i) {
    add_empty(from, end);
    from = add(child, from);
  }
  add_empty(from, end);
  return end;
}

// Two chains of states run along the members: `next[i]` when member i or a later one is to come
// now, `done[i]` when a separator or the end is.
std::uint32_t NfaBuilder::add_members(const Expression& node, std::uint32_t from) {
  const auto separator = node.children[0];
  const auto extra = node.children[1];
  const std::size_t num_members = node.required.size();
  std::vector<std::uint32_t> next;
  std::vector<std::uint32_t> done;
  for (std::size_t i = 0; i <= num_members; ++i) {
    next.push_back(add_state());
    done.push_back(add_state());
  }
  const auto end = add_state();
  for (std::size_t i = 0; i < num_members && !is_full_; ++i) {
    const auto begin = add_state();
    add_empty(next[i], begin);
    add_empty(add(node.children[i + 2], begin), done[i + 1]);
    add_empty(add(separator, done[i]), next[i]);
    if (node.required[i]) continue;
    add_empty(next[i], next[i + 1]);
    add_empty(done[i], done[i + 1]);
  }
  add_empty(add(extra, next[num_members]), done[num_members]);
  add_empty(add(separator, done[num_members]), next[num_members]);
  add_empty(done[num_members], end);
  add_empty(from, next[0]);
  return end;
}

}  // namespace fathom::grammar
