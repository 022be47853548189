// Filters over sequences and dicts.
#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "tokenizer/template/builtins/access.h"
#include "tokenizer/template/builtins/filters.h"
#include "tokenizer/template/builtins/predicates.h"
#include "tokenizer/template/builtins/strings.h"
#include "tokenizer/template/value/operators.h"

namespace fathom::tokenizer::jinja {
namespace {

Result<Value> length_filter(const Value& input, const Arguments& arguments, Budget& budget) {
  TRY(bind(arguments, {"length", {}}));
  return Value::integer(static_cast<std::int64_t>(TRY(length(input, budget))));
}

Result<Value> default_filter(const Value& input, const Arguments& arguments, Budget&) {
  const auto slots = TRY(bind(arguments, {"default", {"default_value", "boolean"}}));
  const bool tests_truth = slots[1] && is_truthy(*slots[1]);
  if (input.is(Kind::kUndefined) || (tests_truth && !is_truthy(input))) {
    return slots[0].value_or(Value::string(Text()));
  }
  return input;
}

Result<Value> first(const Value& input, const Arguments& arguments, Budget& budget) {
  TRY(bind(arguments, {"first", {}}));
  const auto sequence = TRY(iterate(input, budget));
  if (sequence->items.empty()) return Value::undefined("the first item of nothing");
  return sequence->items.front();
}

base::Error not_reversible(const Value& input) {
  return fail(ErrorCode::kInvalidArgument, "", "a {} cannot be walked from its end",
              type_name(input));
}

bool is_iterator(const Value& value) {
  return value.is(Kind::kSequence) && value.as_sequence().type == SequenceType::kIterator;
}

Result<Value> last(const Value& input, const Arguments& arguments, Budget& budget) {
  TRY(bind(arguments, {"last", {}}));
  if (is_iterator(input)) return not_reversible(input);
  const auto sequence = TRY(iterate(input, budget));
  if (sequence->items.empty()) return Value::undefined("the last item of nothing");
  return sequence->items.back();
}

Result<Value> reverse(const Value& input, const Arguments& arguments, Budget& budget) {
  TRY(bind(arguments, {"reverse", {}}));
  if (input.is(Kind::kString)) return slice(input, {.begin = {}, .end = {}, .step = -1}, budget);
  const auto sequence = TRY(iterate(input, budget));
  std::vector<Value> items(sequence->items.rbegin(), sequence->items.rend());
  return make_sequence(SequenceType::kIterator, std::move(items), budget);
}

Result<Value> list(const Value& input, const Arguments& arguments, Budget& budget) {
  TRY(bind(arguments, {"list", {}}));
  return make_sequence(SequenceType::kList, TRY(iterate(input, budget))->items, budget);
}

Result<Value> items(const Value& input, const Arguments& arguments, Budget& budget) {
  TRY(bind(arguments, {"items", {}}));
  std::vector<Value> pairs;
  if (input.is(Kind::kDict)) {
    for (const auto& [key, value] : input.as_dict().entries) {
      pairs.push_back(TRY(make_sequence(SequenceType::kTuple, {key, value}, budget)));
    }
  } else if (!input.is(Kind::kUndefined)) {
    return fail(ErrorCode::kInvalidArgument, "", "items needs a dict, not {}", type_name(input));
  }
  return make_sequence(SequenceType::kIterator, std::move(pairs), budget);
}

// The value that a filter looks at in an item: itself, or what a path leads to.
Result<Value> part(const Value& item, const std::optional<Value>& path, Budget& budget,
                   const Value* fallback = nullptr) {
  if (!path || path->is(Kind::kNone)) return item;
  if (path->is(Kind::kInteger)) {
    Value value = TRY(subscript(item, *path, budget));
    return fallback != nullptr && value.is(Kind::kUndefined) ? *fallback : value;
  }
  return follow_path(item, TRY(expect_text(*path, "attribute")).bytes(), fallback, budget);
}

Result<Value> join_filter(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"join", {"d", "attribute"}}));
  const Text separator = slots[0] ? TRY(expect_text(*slots[0], "join")) : Text();
  const auto sequence = TRY(iterate(input, budget));
  std::vector<Value> parts;
  parts.reserve(sequence->items.size());
  for (const Value& item : sequence->items) parts.push_back(TRY(part(item, slots[1], budget)));
  return Value::string(TRY(join(parts, separator, budget)));
}

// The arguments from position `begin` on, with all named ones.
Arguments rest(const Arguments& arguments, std::size_t begin) {
  Arguments result;
  result.positional.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(begin),
                           arguments.positional.end());
  result.named = arguments.named;
  return result;
}

// map, select and reject take anything false for empty.
Result<std::shared_ptr<const Sequence>> iterate_if_true(const Value& input, Budget& budget) {
  if (is_truthy(input)) return iterate(input, budget);
  return std::make_shared<const Sequence>();
}

Result<Value> map_attribute(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind({{}, arguments.named}, {"map", {"attribute", "default"}, 1}));
  const Value* fallback = slots[1] && !slots[1]->is(Kind::kNone) ? &*slots[1] : nullptr;
  const auto sequence = TRY(iterate_if_true(input, budget));
  std::vector<Value> results;
  for (const Value& item : sequence->items) {
    results.push_back(TRY(part(item, slots[0], budget, fallback)));
  }
  return make_sequence(SequenceType::kIterator, std::move(results), budget);
}

Result<Value> map(const Value& input, const Arguments& arguments, Budget& budget) {
  if (arguments.positional.empty()) return map_attribute(input, arguments, budget);
  const Text name = TRY(expect_text(arguments.positional[0], "map"));
  const Filter filter = find_filter(name.bytes());
  if (filter == nullptr) {
    return fail(ErrorCode::kUnimplemented, "", "the filter '{}' is not supported", name.bytes());
  }
  const Arguments passed = rest(arguments, 1);
  const auto sequence = TRY(iterate_if_true(input, budget));
  std::vector<Value> results;
  for (const Value& item : sequence->items) {
    TRY(budget.charge_steps(1));
    results.push_back(TRY(filter(item, passed, budget)));
  }
  return make_sequence(SequenceType::kIterator, std::move(results), budget);
}

// select, reject and, with a path as first argument, selectattr and rejectattr.
template <bool kTakesPath, bool kKeeps>
Result<Value> select(const Value& input, const Arguments& arguments, Budget& budget) {
  std::optional<Value> path;
  if (kTakesPath) {
    if (arguments.positional.empty()) {
      return fail(ErrorCode::kInvalidArgument, "", "the filter needs an attribute's name");
    }
    path = arguments.positional[0];
  }
  Arguments passed = rest(arguments, kTakesPath ? 1 : 0);
  Predicate predicate = nullptr;
  if (!passed.positional.empty()) {
    const Text name = TRY(expect_text(passed.positional[0], "the name of a test"));
    predicate = find_predicate(name.bytes());
    if (predicate == nullptr) {
      return fail(ErrorCode::kUnimplemented, "", "the test '{}' is not supported", name.bytes());
    }
    passed = rest(passed, 1);
  }
  const auto sequence = TRY(iterate_if_true(input, budget));
  std::vector<Value> results;
  for (const Value& item : sequence->items) {
    TRY(budget.charge_steps(1));
    const Value value = TRY(part(item, path, budget));
    const bool holds =
        predicate == nullptr ? is_truthy(value) : TRY(predicate(value, passed, budget));
    if (holds == kKeeps) results.push_back(item);
  }
  return make_sequence(SequenceType::kIterator, std::move(results), budget);
}

// An item with what it is ordered by.
using Keyed = std::pair<Value, Value>;

Result<std::vector<Keyed>> keyed(const std::vector<Value>& items, const std::optional<Value>& path,
                                 bool is_case_sensitive, Budget& budget) {
  TRY(budget.charge_bytes(items.size() * sizeof(Keyed)));
  std::vector<Keyed> result;
  result.reserve(items.size());
  for (const Value& item : items) {
    Value key = TRY(part(item, path, budget));
    if (!is_case_sensitive && key.is(Kind::kString)) {
      key = Value::string(TRY(change_case(key.as_text(), Case::kLower, budget)));
    }
    result.emplace_back(std::move(key), item);
  }
  return result;
}

// Merges the sorted halves [begin, middle) and [middle, end) of `items` into `merged`.
struct Halves {
  std::size_t begin;
  std::size_t middle;
  std::size_t end;
};
Result<void> merge(const std::vector<Keyed>& items, const Halves& halves, bool is_descending,
                   std::vector<Keyed>& merged, Budget& budget) {
  std::size_t left = halves.begin;
  std::size_t right = halves.middle;
  while (left < halves.middle && right < halves.end) {
    const Value& first = items[left].first;
    const Value& second = items[right].first;
    const bool takes_right = is_descending ? TRY(less(first, second, budget))
                                           : TRY(less(second, first, budget));
                                           merged.push_back(items[takes_right ? right++ : left++]);
  }
  for (; left < halves.middle; ++left) merged.push_back(items[left]);
  for (; right < halves.end; ++right) merged.push_back(items[right]);
  return {};
}

// A stable merge sort of our own: comparisons may fail, which std::stable_sort cannot take.
Result<std::vector<Value>> ordered(std::vector<Keyed> items, bool is_descending, Budget& budget) {
  for (std::size_t width = 1; width < items.size(); width *= 2) {
    TRY(budget.charge_steps(items.size()));
    std::vector<Keyed> merged;
    merged.reserve(items.size());
    for (std::size_t begin = 0; begin < items.size(); begin += 2 * width) {
      const Halves halves{begin, std::min(begin + width, items.size()),
                          std::min(begin + 2 * width, items.size())};
      TRY(merge(items, halves, is_descending, merged, budget));
    }
    items = std::move(merged);
  }
  std::vector<Value> result;
  result.reserve(items.size());
  for (auto& item : items) result.push_back(std::move(item.second));
  return result;
}

bool flag(const std::optional<Value>& slot) { return slot && is_truthy(*slot); }

Result<Value> sort(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"sort", {"reverse", "case_sensitive", "attribute"}}));
  const auto sequence = TRY(iterate(input, budget));
  auto pairs = TRY(keyed(sequence->items, slots[2], flag(slots[1]), budget));
  return make_sequence(SequenceType::kList, TRY(ordered(std::move(pairs), flag(slots[0]), budget)),
                       budget);
}

Result<Value> dictsort(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"dictsort", {"case_sensitive", "by", "reverse"}}));
  const std::string by = slots[1] ? TRY(expect_text(*slots[1], "dictsort"))
  .bytes() : "key";
  if (!input.is(Kind::kDict) || (by != "key" && by != "value")) {
    return fail(ErrorCode::kInvalidArgument, "", "dictsort needs a dict, and by 'key' or 'value'");
  }
  const auto pairs = TRY(iterate(TRY(items(input, {}, budget)), budget));
  const Value path = Value::integer(by == "key" ? 0 : 1);
  auto entries = TRY(keyed(pairs->items, path, flag(slots[0]), budget));
  return make_sequence(SequenceType::kList,
                       TRY(ordered(std::move(entries), flag(slots[2]), budget)), budget);
}

template <bool kIsMax>
Result<Value> extreme(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"min and max", {"case_sensitive", "attribute"}}));
  const auto sequence = TRY(iterate(input, budget));
  const auto pairs = TRY(keyed(sequence->items, slots[1], flag(slots[0]), budget));
  if (pairs.empty()) return Value::undefined("the extreme of nothing");
  const Keyed* best = pairs.data();
  for (const Keyed& pair : std::span(pairs).subspan(1)) {
    const bool is_better = kIsMax ? TRY(less(best->first, pair.first, budget))
                                  : TRY(less(pair.first, best->first, budget));
                                  if (is_better) best = &pair;
  }
  return best->second;
}

Result<Value> sum(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"sum", {"attribute", "start"}}));
  Value total = slots[1].value_or(Value::integer(0));
  const auto sequence = TRY(iterate(input, budget));
  for (const Value& item : sequence->items) {
    TRY(budget.charge_steps(1));
    const Value value = TRY(part(item, slots[0], budget));
    if (total.is(Kind::kString)) {
      return fail(ErrorCode::kInvalidArgument, "", "sum does not add texts; use join");
    }
    total = TRY(arithmetic(Operator::kAdd, total, value, budget));
  }
  return total;
}

Result<Value> unique(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"unique", {"case_sensitive", "attribute"}}));
  const auto sequence = TRY(iterate(input, budget));
  const auto pairs = TRY(keyed(sequence->items, slots[1], flag(slots[0]), budget));
  std::vector<Value> seen;
  std::vector<Value> results;
  for (const auto& [key, item] : pairs) {
    TRY(check_hashable(key));
    bool is_seen = false;
    for (const Value& earlier : seen) {
      is_seen = TRY(equal(earlier, key, budget));
      if (is_seen) break;
    }
    if (is_seen) continue;
    seen.push_back(key);
    results.push_back(item);
  }
  return make_sequence(SequenceType::kIterator, std::move(results), budget);
}

constexpr std::pair<std::string_view, Filter> kFilters[] = {
    {"length", length_filter},
    {"count", length_filter},
    {"default", default_filter},
    {"d", default_filter},
    {"first", first},
    {"last", last},
    {"reverse", reverse},
    {"list", list},
    {"items", items},
    {"join", join_filter},
    {"map", map},
    {"select", select<false, true>},
    {"reject", select<false, false>},
    {"selectattr", select<true, true>},
    {"rejectattr", select<true, false>},
    {"sort", sort},
    {"dictsort", dictsort},
    {"min", extreme<false>},
    {"max", extreme<true>},
    {"sum", sum},
    {"unique", unique},
};

}  // namespace

Filter find_sequence_filter(std::string_view name) {
  for (const auto& [known, filter] : kFilters) {
    if (known == name) return filter;
  }
  return nullptr;
}

}  // namespace fathom::tokenizer::jinja
