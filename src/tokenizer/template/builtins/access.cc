// Attributes, subscripts and slices.
#include "tokenizer/template/builtins/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "tokenizer/template/builtins/methods.h"
#include "tokenizer/template/value/operators.h"

namespace fathom::tokenizer::jinja {
namespace {

base::Error undefined_part(const Value& object, std::string_view part) {
  return fail(ErrorCode::kInvalidArgument, "", "{} is undefined; it has no '{}'",
              object.undefined_what(), part);
}

Value loop_attribute(const Loop& loop, std::string_view name) {
  const auto size = static_cast<std::int64_t>(loop.items->items.size());
  const auto index = static_cast<std::int64_t>(loop.index);
  const auto item_at = [&loop, name](std::size_t at) {
    return at < loop.items->items.size() ? loop.items->items[at]
                                         : Value::undefined(fmt::format("loop.{}", name));
  };
  if (name == "index") return Value::integer(index + 1);
  if (name == "index0") return Value::integer(index);
  if (name == "revindex") return Value::integer(size - index);
  if (name == "revindex0") return Value::integer(size - index - 1);
  if (name == "first") return Value::boolean(index == 0);
  if (name == "last") return Value::boolean(index + 1 == size);
  if (name == "length") return Value::integer(size);
  // Jinja counts recursive loops only.
  if (name == "depth") return Value::integer(1);
  if (name == "depth0") return Value::integer(0);
  // For the first item, index - 1 wraps to a position beyond all items.
  if (name == "previtem") return item_at(loop.index - 1);
  if (name == "nextitem") return item_at(loop.index + 1);
  return Value::undefined(fmt::format("loop.{}", name));
}

Value missing(const Value& object, std::string_view part) {
  return Value::undefined(fmt::format("'{}' of a {}", part, type_name(object)));
}

// Methods and namespace or loop attributes; not keys.
Result<std::optional<Value>> own_attribute(const Value& object, std::string_view name) {
  if (object.is(Kind::kNamespace)) {
    const auto& attributes = object.as_namespace()->attributes;
    const auto found = attributes.find(name);
    if (found != attributes.end()) return std::optional<Value>(found->second);
    return std::optional<Value>();
  }
  const MethodSupport support = method_support(object, name);
  if (support == MethodSupport::kRefused) {
    return fail(ErrorCode::kUnimplemented, "", "the method '{}' of a {} is not supported", name,
                type_name(object));
  }
  if (support == MethodSupport::kSupported) {
    return std::optional<Value>(
        Value::method(std::make_shared<const Method>(Method{object, std::string(name)})));
  }
  if (object.is(Kind::kLoop)) return std::optional<Value>(loop_attribute(object.as_loop(), name));
  return std::optional<Value>();
}

bool has_positions(const Value& value) {
  return value.is(Kind::kSequence) && (value.as_sequence().type == SequenceType::kList ||
                                       value.as_sequence().type == SequenceType::kTuple);
}

// The position that a Python index means, or nothing beyond the ends.
std::optional<std::size_t> position(std::int64_t index, std::size_t size) {
  const auto signed_size = static_cast<std::int64_t>(size);
  if (index < -signed_size || index >= signed_size) return std::nullopt;
  return static_cast<std::size_t>(index < 0 ? index + signed_size : index);
}

// The positions that a slice takes, by Python's rules.
struct SliceRange {
  std::int64_t begin = 0;
  std::int64_t step = 1;
  std::size_t count = 0;
};

Result<SliceRange> resolve(const SliceBounds& bounds, std::size_t size) {
  const std::int64_t step = bounds.step.value_or(1);
  if (step == 0) return fail(ErrorCode::kInvalidArgument, "", "a slice step cannot be zero");
  const auto last = static_cast<std::int64_t>(size);
  const std::int64_t low = step > 0 ? 0 : -1;
  const std::int64_t high = step > 0 ? last : last - 1;
  const auto clamp = [&](std::int64_t bound) {
    if (bound < 0) bound = bound < -last ? low : bound + last;
    return std::clamp(bound, low, std::max(low, high));
  };
  SliceRange range;
  range.step = step;
  range.begin = bounds.begin ? clamp(*bounds.begin) : (step > 0 ? low : high);
  const std::int64_t end = bounds.end ? clamp(*bounds.end) : (step > 0 ? high : low);
  const std::int64_t span = step > 0 ? end - range.begin : range.begin - end;
  if (span > 0) {
    // |step| without overflow: beyond the span, one item is taken.
    const std::uint64_t stride = step > 0 ? static_cast<std::uint64_t>(step)
                                          : std::uint64_t{0} - static_cast<std::uint64_t>(step);
    range.count = static_cast<std::size_t>((static_cast<std::uint64_t>(span) - 1) / stride + 1);
  }
  return range;
}

// The i-th position; i < count, so the product stays within the span.
std::size_t at(const SliceRange& range, std::size_t i) {
  return static_cast<std::size_t>(range.begin + range.step * static_cast<std::int64_t>(i));
}

Result<Value> slice_text(const Text& text, const SliceBounds& bounds, Budget& budget) {
  TRY(budget.charge_walk(text.size_bytes()));
  const auto range = TRY(resolve(bounds, count_characters(text.bytes())));
  if (range.count == 0) return Value::string(Text());
  if (range.step == 1) {
    const auto first = static_cast<std::size_t>(range.begin);
    const std::size_t begin = character_offset(text.bytes(), first);
    const std::size_t size =
        character_offset(std::string_view(text.bytes()).substr(begin), range.count);
    return make_string(text.slice(begin, begin + size), budget);
  }
  TRY(budget.charge_bytes(text.held_bytes() + text.size_bytes() * sizeof(std::size_t)));
  std::vector<std::size_t> offsets;
  for (Characters walk(text); !walk.at_end(); walk.next()) offsets.push_back(walk.offset());
  offsets.push_back(text.size_bytes());
  Text result;
  for (std::size_t i = 0; i < range.count; ++i) {
    const std::size_t character = at(range, i);
    result.append(text, offsets[character], offsets[character + 1]);
  }
  return make_string(std::move(result), budget);
}

}  // namespace

Result<Value> attribute(const Value& object, std::string_view name, Budget& budget) {
  if (object.is(Kind::kUndefined)) return undefined_part(object, name);
  if (auto own = TRY(own_attribute(object, name))) return std::move(*own);
  if (object.is(Kind::kDict)) {
    const Value key = Value::trusted_string(std::string(name));
    const Value* found = TRY(find_key(object.as_dict(), key, budget));
    if (found != nullptr) return *found;
  }
  return missing(object, name);
}

Result<Value> subscript(const Value& object, const Value& key, Budget& budget) {
  const bool has_name = key.is(Kind::kString);
  if (object.is(Kind::kUndefined)) return undefined_part(object, has_name ? key.as_bytes() : "[]");
  if (object.is(Kind::kDict)) {
    const Value* found = TRY(find_key(object.as_dict(), key, budget));
    if (found != nullptr) return *found;
  }
  if (const auto index = to_integer(key)) {
    if (has_positions(object)) {
      const auto& items = object.as_sequence().items;
      if (const auto found = position(*index, items.size())) return items[*found];
    }
    if (object.is(Kind::kString)) {
      const Text& text = object.as_text();
      TRY(budget.charge_walk(text.size_bytes()));
      if (const auto found = position(*index, count_characters(text.bytes()))) {
        const std::size_t begin = character_offset(text.bytes(), *found);
        const std::string_view rest = std::string_view(text.bytes()).substr(begin);
        return make_string(text.slice(begin, begin + character_offset(rest, 1)), budget);
      }
    }
    return missing(object, fmt::format("item {}", *index));
  }
  if (!has_name) return missing(object, type_name(key));
  if (auto own = TRY(own_attribute(object, key.as_bytes()))) return std::move(*own);
  return missing(object, key.as_bytes());
}

Result<Value> slice(const Value& object, const SliceBounds& bounds, Budget& budget) {
  if (object.is(Kind::kUndefined)) return undefined_part(object, "[:]");
  if (object.is(Kind::kString)) return slice_text(object.as_text(), bounds, budget);
  if (!has_positions(object)) {
    return fail(ErrorCode::kInvalidArgument, "", "a {} has no slices", type_name(object));
  }
  const Sequence& sequence = object.as_sequence();
  const auto range = TRY(resolve(bounds, sequence.items.size()));
  TRY(budget.charge_bytes(range.count * sizeof(Value)));
  std::vector<Value> items;
  items.reserve(range.count);
  for (std::size_t i = 0; i < range.count; ++i) items.push_back(sequence.items[at(range, i)]);
  return make_sequence(sequence.type, std::move(items), budget);
}

Result<Value> follow_path(const Value& object, std::string_view path, const Value* fallback,
                          Budget& budget) {
  Value value = object;
  while (true) {
    const auto dot = path.find('.');
    const std::string_view part = path.substr(0, dot);
    std::int64_t index = 0;
    const auto parsed = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = !part.empty() && part.front() != '-' && parsed.ec == std::errc() &&
                          parsed.ptr == part.data() + part.size();
    const Value key = is_index ? Value::integer(index) : Value::trusted_string(std::string(part));
    value = TRY(subscript(value, key, budget));
    if (fallback != nullptr && value.is(Kind::kUndefined)) value = *fallback;
    if (dot == std::string_view::npos) return value;
    path.remove_prefix(dot + 1);
  }
}

Result<std::size_t> length(const Value& value, Budget& budget) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return std::size_t{0};
    case Kind::kString:
      TRY(budget.charge_walk(value.as_text().size_bytes()));
      return count_characters(value.as_bytes());
    case Kind::kDict:
      return value.as_dict().entries.size();
    case Kind::kLoop:
      return value.as_loop().items->items.size();
    case Kind::kSequence:
      if (value.as_sequence().type != SequenceType::kIterator) {
        return value.as_sequence().items.size();
      }
      [[fallthrough]];
    default:
      return fail(ErrorCode::kInvalidArgument, "", "a {} has no length", type_name(value));
  }
}

}  // namespace fathom::tokenizer::jinja
