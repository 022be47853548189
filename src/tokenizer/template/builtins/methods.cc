// Python's read-only methods.
#include "tokenizer/template/builtins/methods.h"

#include <algorithm>
#include <array>
#include <span>

#include "tokenizer/template/builtins/strings.h"
#include "tokenizer/template/value/operators.h"

namespace fathom::tokenizer::jinja {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::array<std::string_view, 19> kStringMethods = {
    "strip",    "lstrip",  "rstrip", "split",        "rsplit",      "splitlines", "startswith",
    "endswith", "replace", "upper",  "lower",        "title",       "capitalize", "join",
    "find",     "rfind",   "count",  "removeprefix", "removesuffix"};
constexpr std::array<std::string_view, 30> kRefusedStringMethods = {
    "casefold",     "center",   "encode",    "expandtabs",  "format",     "format_map",
    "index",        "isalnum",  "isalpha",   "isascii",     "isdecimal",  "isdigit",
    "isidentifier", "islower",  "isnumeric", "isprintable", "isspace",    "istitle",
    "isupper",      "ljust",    "maketrans", "partition",   "rindex",     "rjust",
    "rpartition",   "swapcase", "translate", "zfill",       "is_integer", "hex"};
constexpr std::array<std::string_view, 4> kDictMethods = {"keys", "values", "items", "get"};
constexpr std::array<std::string_view, 7> kRefusedDictMethods = {
    "clear", "copy", "fromkeys", "pop", "popitem", "setdefault", "update"};
constexpr std::array<std::string_view, 2> kListMethods = {"count", "index"};
constexpr std::array<std::string_view, 9> kRefusedListMethods = {
    "append", "clear", "copy", "extend", "insert", "pop", "remove", "reverse", "sort"};
constexpr std::array<std::string_view, 1> kLoopMethods = {"cycle"};
constexpr std::array<std::string_view, 1> kRefusedLoopMethods = {"changed"};

struct MethodTable {
  Names supported;
  Names refused;
};

MethodTable table_of(const Value& receiver) {
  switch (receiver.kind()) {
    case Kind::kString:
      return {kStringMethods, kRefusedStringMethods};
    case Kind::kDict:
      return {kDictMethods, kRefusedDictMethods};
    case Kind::kLoop:
      return {kLoopMethods, kRefusedLoopMethods};
    case Kind::kSequence:
      if (receiver.as_sequence().type == SequenceType::kList) {
        return {kListMethods, kRefusedListMethods};
      }
      if (receiver.as_sequence().type == SequenceType::kTuple) return {kListMethods, {}};
      return {};
    default:
      return {};
  }
}

bool has(Names names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Result<Value> strip_method(const Text& text, std::string_view name, const Arguments& arguments,
                           Budget& budget) {
  const auto slots = TRY(bind(arguments, {name, {"chars"}}));
  const Side side = name == "strip" ? Side::kBoth : name == "lstrip" ? Side::kLeft : Side::kRight;
  if (!slots[0] || slots[0]->is(Kind::kNone)) {
    return Value::string(TRY(strip(text, side, nullptr, budget)));
  }
  const Text characters = TRY(expect_text(*slots[0], name));
  return Value::string(TRY(strip(text, side, &characters, budget)));
}

Result<Value> split_method(const Text& text, std::string_view name, const Arguments& arguments,
                           Budget& budget) {
  const auto slots = TRY(bind(arguments, {name, {"sep", "maxsplit"}}));
  Split how;
  how.from_right = name == "rsplit";
  Text separator;
  if (slots[0] && !slots[0]->is(Kind::kNone)) {
    separator = TRY(expect_text(*slots[0], name));
    how.separator = &separator;
  }
  if (slots[1]) how.max_splits = TRY(expect_integer(*slots[1], name));
  return make_sequence(SequenceType::kList, TRY(split(text, how, budget)), budget);
}

Result<Value> affix_method(const Text& text, std::string_view name, const Arguments& arguments,
                           Budget& budget) {
  const auto slots = TRY(bind(arguments, {name, {"affix"}, 1}));
  std::vector<Value> affixes{*slots[0]};
  if (slots[0]->is(Kind::kSequence) && slots[0]->as_sequence().type == SequenceType::kTuple) {
    affixes = slots[0]->as_sequence().items;
  }
  for (const Value& affix : affixes) {
    TRY(budget.charge_steps(1));
    const Text part = TRY(expect_text(affix, name));
    if (name == "startswith" ? text.bytes().starts_with(part.bytes())
                             : text.bytes().ends_with(part.bytes())) {
      return Value::boolean(true);
    }
  }
  return Value::boolean(false);
}

Result<Value> remove_affix(const Text& text, std::string_view name, const Arguments& arguments,
                           Budget& budget) {
  const auto slots = TRY(bind(arguments, {name, {"affix"}, 1}));
  const Text affix = TRY(expect_text(*slots[0], name));
  const std::size_t size = text.size_bytes();
  const std::size_t removed = affix.size_bytes();
  if (name == "removeprefix" && text.bytes().starts_with(affix.bytes())) {
    return make_string(text.slice(removed, size), budget);
  }
  if (name == "removesuffix" && text.bytes().ends_with(affix.bytes())) {
    return make_string(text.slice(0, size - removed), budget);
  }
  return make_string(text, budget);
}

Result<Value> find_method(const Text& text, std::string_view name, const Arguments& arguments,
                          Budget& budget) {
  const auto slots = TRY(bind(arguments, {name, {"sub"}, 1}));
  const Text needle = TRY(expect_text(*slots[0], name));
  TRY(budget.charge_bytes(2 * text.size_bytes()));
  if (name == "count") {
    if (needle.size_bytes() == 0) {
      return Value::integer(static_cast<std::int64_t>(count_characters(text.bytes()) + 1));
    }
    std::int64_t count = 0;
    std::string_view rest = text.bytes();
    while (const auto found = find_first(rest, needle.bytes())) {
      ++count;
      rest.remove_prefix(*found + needle.size_bytes());
    }
    return Value::integer(count);
  }
  const auto found = name == "find" ? find_first(text.bytes(), needle.bytes())
                                    : find_last(text.bytes(), needle.bytes());
  if (!found) return Value::integer(-1);
  return Value::integer(static_cast<std::int64_t>(
      count_characters(std::string_view(text.bytes()).substr(0, *found))));
}

Result<Value> replace_method(const Text& text, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"replace", {"old", "new", "count"}, 2}));
  const Text from = TRY(expect_text(*slots[0], "replace"));
  const Text to = TRY(expect_text(*slots[1], "replace"));
  const std::int64_t count = slots[2] ? TRY(expect_integer(*slots[2], "replace")) : -1;
  return Value::string(TRY(replace(text, {from, to, count}, budget)));
}

Result<Value> join_method(const Text& separator, const Arguments& arguments, Budget& budget) {
  const auto slots = TRY(bind(arguments, {"join", {"iterable"}, 1}));
  if (slots[0]->is(Kind::kUndefined)) return Value::string(Text());
  const auto sequence = TRY(iterate(*slots[0], budget));
  for (const Value& item : sequence->items) TRY(expect_text(item, "join"));
  return Value::string(TRY(join(sequence->items, separator, budget)));
}

Result<Value> case_method(const Text& text, std::string_view name, const Arguments& arguments,
                          Budget& budget) {
  TRY(bind(arguments, {name, {}}));
  const Case target = name == "upper"   ? Case::kUpper
                      : name == "lower" ? Case::kLower
                      : name == "title" ? Case::kTitle
                                        : Case::kCapitalized;
  return Value::string(TRY(change_case(text, target, budget)));
}

Result<Value> string_method(const Text& text, std::string_view name, const Arguments& arguments,
                            Budget& budget) {
  if (name.ends_with("strip")) return strip_method(text, name, arguments, budget);
  if (name.ends_with("split")) return split_method(text, name, arguments, budget);
  if (name.ends_with("with")) return affix_method(text, name, arguments, budget);
  if (name.starts_with("remove")) return remove_affix(text, name, arguments, budget);
  if (name.ends_with("find") || name == "count") return find_method(text, name, arguments, budget);
  if (name == "replace") return replace_method(text, arguments, budget);
  if (name == "join") return join_method(text, arguments, budget);
  if (name == "splitlines") {
    const auto slots = TRY(bind(arguments, {name, {"keepends"}}));
    return make_sequence(SequenceType::kList,
                         TRY(split_lines(text, slots[0] && is_truthy(*slots[0]), budget)), budget);
  }
  return case_method(text, name, arguments, budget);
}

Result<Value> dict_method(const Dict& dict, std::string_view name, const Arguments& arguments,
                          Budget& budget) {
  if (name == "get") {
    // Python takes both by position only.
    if (!arguments.named.empty()) {
      return fail(ErrorCode::kInvalidArgument, "", "get takes no named arguments");
    }
    const auto slots = TRY(bind(arguments, {name, {"key", "default"}, 1}));
    TRY(check_hashable(*slots[0]));
    const Value* found = TRY(find_key(dict, *slots[0], budget));
    if (found != nullptr) return *found;
    return slots[1].value_or(Value::none());
  }
  TRY(bind(arguments, {name, {}}));
  TRY(budget.charge_bytes(dict.entries.size() * sizeof(Value)));
  std::vector<Value> items;
  items.reserve(dict.entries.size());
  for (const auto& [key, value] : dict.entries) {
    if (name == "items") {
      items.push_back(TRY(make_sequence(SequenceType::kTuple, {key, value}, budget)));
    } else {
      items.push_back(name == "keys" ? key : value);
    }
  }
  return make_sequence(SequenceType::kView, std::move(items), budget);
}

Result<Value> list_method(const Sequence& list, std::string_view name, const Arguments& arguments,
                          Budget& budget) {
  const auto slots = TRY(bind(arguments, {name, {"value"}, 1}));
  std::int64_t count = 0;
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    if (!TRY(equal(list.items[i], *slots[0], budget))) continue;
    if (name == "index") return Value::integer(static_cast<std::int64_t>(i));
    ++count;
  }
  if (name == "count") return Value::integer(count);
  return fail(ErrorCode::kInvalidArgument, "", "index: the value is not in the list");
}

Result<Value> cycle(const Loop& loop, const Arguments& arguments) {
  if (arguments.positional.empty() || !arguments.named.empty()) {
    return fail(ErrorCode::kInvalidArgument, "", "loop.cycle needs the values to go through");
  }
  return arguments.positional[loop.index % arguments.positional.size()];
}

}  // namespace

MethodSupport method_support(const Value& receiver, std::string_view name) {
  const MethodTable table = table_of(receiver);
  if (has(table.supported, name)) return MethodSupport::kSupported;
  return has(table.refused, name) ? MethodSupport::kRefused : MethodSupport::kNone;
}

bool is_supported_method(std::string_view name) {
  return has(kStringMethods, name) || has(kDictMethods, name) || has(kListMethods, name) ||
         has(kLoopMethods, name);
}

Result<Value> call_method(const Method& method, const Arguments& arguments, Budget& budget) {
  const Value& receiver = method.receiver;
  switch (receiver.kind()) {
    case Kind::kString:
      return string_method(receiver.as_text(), method.name, arguments, budget);
    case Kind::kDict:
      return dict_method(receiver.as_dict(), method.name, arguments, budget);
    case Kind::kLoop:
      return cycle(receiver.as_loop(), arguments);
    default:
      return list_method(receiver.as_sequence(), method.name, arguments, budget);
  }
}

}  // namespace fathom::tokenizer::jinja
