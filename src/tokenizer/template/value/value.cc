// Values: construction under a budget, truth and iteration.
#include "tokenizer/template/value/value.h"

#include <algorithm>

#include "tokenizer/template/value/operators.h"

namespace fathom::tokenizer::jinja {

Value Value::undefined(std::string what) {
  return Value(State(Undefined{std::make_shared<const std::string>(std::move(what))}));
}

Value Value::string(Text text) {
  return Value(State(std::in_place_index<5>, std::make_shared<const Text>(std::move(text))));
}

bool Value::is_number() const { return is(Kind::kBool) || is(Kind::kInteger) || is(Kind::kFloat); }

bool Value::is_untrusted() const {
  if (is(Kind::kString)) return as_text().is_untrusted();
  if (is(Kind::kSequence)) return as_sequence().is_untrusted;
  return is(Kind::kDict) && as_dict().is_untrusted;
}

std::size_t Value::depth() const {
  if (is(Kind::kSequence)) return as_sequence().depth;
  if (is(Kind::kDict)) return as_dict().depth;
  if (is(Kind::kMethod)) return as_method().receiver.depth() + 1;
  if (is(Kind::kLoop)) return as_loop().items->depth + 1;
  return 0;
}

namespace {

Result<void> check_depth(std::size_t depth, const Budget& budget) {
  if (depth > budget.limits().max_depth) {
    return fail(ErrorCode::kResourceExhausted, "", "the template nests values deeper than {}",
                budget.limits().max_depth);
  }
  return {};
}

// Keys of Python dicts: values that cannot change.
bool is_hashable(const Value& value) {
  if (value.is(Kind::kDict)) return false;
  if (!value.is(Kind::kSequence)) return true;
  const Sequence& sequence = value.as_sequence();
  return sequence.type == SequenceType::kTuple &&
         std::all_of(sequence.items.begin(), sequence.items.end(), is_hashable);
}

}  // namespace

Result<Value> make_sequence(SequenceType type, std::vector<Value> items, Budget& budget) {
  TRY(budget.charge_bytes(items.size() * sizeof(Value) + sizeof(Sequence)));
  auto sequence = std::make_shared<Sequence>();
  sequence->type = type;
  for (const Value& item : items) {
    sequence->depth = std::max(sequence->depth, item.depth() + 1);
    sequence->is_untrusted = sequence->is_untrusted || item.is_untrusted();
  }
  TRY(check_depth(sequence->depth, budget));
  sequence->items = std::move(items);
  return Value::sequence(std::move(sequence));
}

Result<Value> make_dict(std::vector<std::pair<Value, Value>> entries, Budget& budget) {
  TRY(budget.charge_bytes(entries.size() * 2 * sizeof(Value) + sizeof(Dict)));
  auto dict = std::make_shared<Dict>();
  for (auto& [key, value] : entries) {
    TRY(check_hashable(key));
    dict->depth = std::max({dict->depth, key.depth() + 1, value.depth() + 1});
    TRY(check_depth(dict->depth, budget));
    dict->is_untrusted = dict->is_untrusted || key.is_untrusted() || value.is_untrusted();
    const Value* existing = TRY(find_key(*dict, key, budget));
    if (existing != nullptr) {
      *const_cast<Value*>(existing) = std::move(value);
    } else {
      dict->entries.emplace_back(std::move(key), std::move(value));
    }
  }
  return Value::dict(std::move(dict));
}

Result<Value> make_string(Text text, Budget& budget) {
  TRY(budget.charge_bytes(text.held_bytes()));
  return Value::string(std::move(text));
}

Result<void> check_hashable(const Value& value) {
  if (is_hashable(value)) return {};
  return fail(ErrorCode::kInvalidArgument, "", "a {} cannot be the key of a dict",
              type_name(value));
}

Result<const Value*> find_key(const Dict& dict, const Value& key, Budget& budget) {
  for (const auto& [candidate, value] : dict.entries) {
    if (candidate.is(Kind::kString) && key.is(Kind::kString)) {
      TRY(budget.charge_walk(0));
      if (candidate.as_bytes() == key.as_bytes()) return &value;
    } else if (TRY(equal(candidate, key, budget))) {
      return &value;
    }
  }
  return static_cast<const Value*>(nullptr);
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "undefined";
    case Kind::kNone:
      return "none";
    case Kind::kBool:
      return "bool";
    case Kind::kInteger:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kSequence:
      switch (value.as_sequence().type) {
        case SequenceType::kList:
          return "list";
        case SequenceType::kTuple:
          return "tuple";
        case SequenceType::kView:
          return "dict view";
        case SequenceType::kIterator:
          return "iterator";
      }
      return "list";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "namespace";
    case Kind::kLoop:
      return "loop";
    case Kind::kMethod:
      return "method";
    case Kind::kMacro:
      return "macro";
    case Kind::kFunction:
      return "function";
  }
  return "value";
}

bool is_truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return value.as_bool();
    case Kind::kInteger:
      return value.as_integer() != 0;
    case Kind::kFloat:
      return value.as_float() != 0;
    case Kind::kString:
      return value.as_text().size_bytes() != 0;
    case Kind::kSequence:
      return value.as_sequence().type == SequenceType::kIterator ||
             !value.as_sequence().items.empty();
    case Kind::kDict:
      return !value.as_dict().entries.empty();
    default:
      return true;
  }
}

Result<std::shared_ptr<const Sequence>> iterate(const Value& value, Budget& budget) {
  std::vector<Value> items;
  switch (value.kind()) {
    case Kind::kSequence: {
      const Sequence& sequence = value.as_sequence();
      if (sequence.type != SequenceType::kIterator) return value.shared_sequence();
      if (!std::exchange(sequence.is_consumed, true)) return value.shared_sequence();
      break;
    }
    case Kind::kString: {
      const Text& text = value.as_text();
      TRY(budget.charge_bytes(text.size_bytes() * (sizeof(Value) + sizeof(Text))));
      for (Characters characters(text); !characters.at_end();) {
        const auto character = characters.next();
        items.push_back(Value::string(Text(std::string(character.bytes), character.is_untrusted)));
      }
      break;
    }
    case Kind::kDict:
      for (const auto& entry : value.as_dict().entries) items.push_back(entry.first);
      break;
    case Kind::kUndefined:
      break;
    default:
      return fail(ErrorCode::kInvalidArgument, "", "a {} cannot be iterated over",
                  type_name(value));
  }
  return TRY(make_sequence(SequenceType::kList, std::move(items), budget))
  .shared_sequence();
}

}  // namespace fathom::tokenizer::jinja
