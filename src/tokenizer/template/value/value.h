// Value: what a template computes with: Python's data types, and no objects beyond them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "tokenizer/template/value/budget.h"
#include "tokenizer/template/value/text.h"

namespace fathom::tokenizer::jinja {

using base::ErrorCode;
using base::fail;
using base::Result;

struct Sequence;
struct Dict;
struct Namespace;
struct Loop;
struct Method;
struct Statement;

enum class Kind {
  kUndefined,
  kNone,
  kBool,
  kInteger,
  kFloat,
  kString,
  kSequence,
  kDict,
  kNamespace,
  kLoop,
  kMethod,
  kMacro,
  kFunction
};

enum class Function { kRange, kNamespace, kDict, kRaiseException };

// Copies are cheap: strings, sequences and dicts are shared and never change.
class Value {
 public:
  Value() = default;
  // A name or attribute that does not exist; `what` says which, for errors.
  static Value undefined(std::string what);
  static Value none() { return Value(State(std::in_place_index<1>)); }
  static Value boolean(bool value) { return Value(State(std::in_place_index<2>, value)); }
  static Value integer(std::int64_t value) { return Value(State(std::in_place_index<3>, value)); }
  static Value number(double value) { return Value(State(std::in_place_index<4>, value)); }
  // The caller has charged the budget.
  static Value string(Text text);
  static Value trusted_string(std::string bytes) { return string(Text(std::move(bytes), false)); }
  static Value sequence(std::shared_ptr<const Sequence> items) {
    return Value(State(std::in_place_index<6>, std::move(items)));
  }
  static Value dict(std::shared_ptr<const Dict> entries) {
    return Value(State(std::in_place_index<7>, std::move(entries)));
  }
  static Value name_space(Namespace* space) { return Value(State(std::in_place_index<8>, space)); }
  static Value loop(std::shared_ptr<const Loop> loop) {
    return Value(State(std::in_place_index<9>, std::move(loop)));
  }
  static Value method(std::shared_ptr<const Method> method) {
    return Value(State(std::in_place_index<10>, std::move(method)));
  }
  static Value macro(const Statement* macro) {
    return Value(State(std::in_place_index<11>, macro));
  }
  static Value function(Function function) {
    return Value(State(std::in_place_index<12>, function));
  }

  Kind kind() const { return static_cast<Kind>(state_.index()); }
  bool is(Kind kind) const { return this->kind() == kind; }

  // Each is for its own kind only.
  const std::string& undefined_what() const { return *std::get<0>(state_).what; }
  bool as_bool() const { return std::get<2>(state_); }
  std::int64_t as_integer() const { return std::get<3>(state_); }
  double as_float() const { return std::get<4>(state_); }
  const Text& as_text() const { return *std::get<5>(state_); }
  const std::string& as_bytes() const { return as_text().bytes(); }
  const Sequence& as_sequence() const { return *std::get<6>(state_); }
  const std::shared_ptr<const Sequence>& shared_sequence() const { return std::get<6>(state_); }
  const Dict& as_dict() const { return *std::get<7>(state_); }
  Namespace* as_namespace() const { return std::get<8>(state_); }
  const Loop& as_loop() const { return *std::get<9>(state_); }
  const Method& as_method() const { return *std::get<10>(state_); }
  const Statement* as_macro() const { return std::get<11>(state_); }
  Function as_function() const { return std::get<12>(state_); }

  bool is_string(std::string_view bytes) const { return is(Kind::kString) && as_bytes() == bytes; }
  // Bool, integer or float.
  bool is_number() const;
  // Any string in it, at any depth, has untrusted bytes.
  bool is_untrusted() const;
  // How deep sequences and dicts nest in it.
  std::size_t depth() const;

 private:
  struct Undefined {
    std::shared_ptr<const std::string> what;
  };
  using State = std::variant<Undefined, std::monostate, bool, std::int64_t, double,
                             std::shared_ptr<const Text>, std::shared_ptr<const Sequence>,
                             std::shared_ptr<const Dict>, Namespace*, std::shared_ptr<const Loop>,
                             std::shared_ptr<const Method>, const Statement*, Function>;
  explicit Value(State state) : state_(std::move(state)) {}

  State state_;
};

enum class SequenceType {
  kList,
  kTuple,
  kView,     // keys(), values(), items(): has a length, no positions
  kIterator  // what select, map and their like give: neither; may be walked once
};

struct Sequence {
  SequenceType type = SequenceType::kList;
  std::vector<Value> items;
  std::size_t depth = 1;
  bool is_untrusted = false;
  mutable bool is_consumed = false;  // only an iterator's
};

struct Dict {
  std::vector<std::pair<Value, Value>> entries;  // in order of insertion
  std::size_t depth = 1;
  bool is_untrusted = false;
};

// The only thing a template may change. Owned by the rendering, so cycles do not leak.
struct Namespace {
  std::map<std::string, Value, std::less<>> attributes;
};

// `loop` inside a for.
struct Loop {
  std::shared_ptr<const Sequence> items;
  std::size_t index = 0;
};

// A string's or dict's method before its call.
struct Method {
  Value receiver;
  std::string name;
};

// Refused when nested deeper than the limit. The budget is charged.
Result<Value> make_sequence(SequenceType type, std::vector<Value> items, Budget& budget);
// Later entries replace earlier ones of the same key, in the earlier place.
Result<Value> make_dict(std::vector<std::pair<Value, Value>> entries, Budget& budget);
Result<Value> make_string(Text text, Budget& budget);

// Refuses what Python cannot hash, and so not take as a key: dicts and lists.
Result<void> check_hashable(const Value& value);

// The value of a key, or nullptr. Charges the budget for the walk.
Result<const Value*> find_key(const Dict& dict, const Value& key, Budget& budget);

// "str", "int", "dict" and so on: Python's names, for errors.
std::string_view type_name(const Value& value);

// What Python's bool() says.
bool is_truthy(const Value& value);

// The items that a for loop over the value visits. Strings give characters, dicts keys,
// undefined nothing. An iterator is consumed.
Result<std::shared_ptr<const Sequence>> iterate(const Value& value, Budget& budget);

}  // namespace fathom::tokenizer::jinja
