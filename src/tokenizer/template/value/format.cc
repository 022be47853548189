// Writers of Python's texts and of JSON, with trust kept byte for byte.
#include "tokenizer/template/value/format.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

namespace fathom::tokenizer::jinja {
namespace {

// Appends under the budget: refused as soon as the text is too long.
class Writer {
 public:
  explicit Writer(Budget& budget) : budget_(budget) {}

  Result<void> put(std::string_view bytes, bool is_untrusted = false) {
    text_.append(bytes, is_untrusted);
    return check();
  }
  Result<void> put(const Text& text) {
    text_.append(text);
    return check();
  }
  Text take() { return std::move(text_); }

 private:
  Result<void> check() {
    TRY(budget_.charge_steps(1));
    if (text_.size_bytes() < charged_) return {};
    // In doublings, so that the sum charged stays linear.
    charged_ = std::max<std::size_t>(2 * charged_, text_.size_bytes() + 256);
    return budget_.charge_bytes(text_.held_bytes());
  }

  Budget& budget_;
  Text text_;
  std::size_t charged_ = 0;
};

std::string hex_escape(char32_t code_point) {
  if (code_point <= 0xFF) return fmt::format("\\x{:02x}", static_cast<std::uint32_t>(code_point));
  if (code_point <= 0xFFFF) {
    return fmt::format("\\u{:04x}", static_cast<std::uint32_t>(code_point));
  }
  return fmt::format("\\U{:08x}", static_cast<std::uint32_t>(code_point));
}

// str.isprintable(): not a separator (but the space), control, surrogate, private or unassigned.
bool is_printable(char32_t code_point) {
  if (code_point == ' ') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code_point))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
      return false;
    default:
      return true;
  }
}

std::string repr_character(char32_t code_point, std::string_view bytes, char quote) {
  if (code_point == '\n') return "\\n";
  if (code_point == '\r') return "\\r";
  if (code_point == '\t') return "\\t";
  if (code_point == '\\') return "\\\\";
  if (code_point == static_cast<unsigned char>(quote)) return std::string("\\") + quote;
  return is_printable(code_point) ? std::string(bytes) : hex_escape(code_point);
}

Result<void> write_string_repr(const Text& text, Writer& writer) {
  const bool has_single = text.bytes().find('\'') != std::string::npos;
  const bool has_double = text.bytes().find('"') != std::string::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  TRY(writer.put(std::string_view(&quote, 1)));
  for (Characters characters(text); !characters.at_end();) {
    const auto character = characters.next();
    TRY(writer.put(repr_character(character.code_point, character.bytes, quote),
                   character.is_untrusted));
  }
  return writer.put(std::string_view(&quote, 1));
}

Result<void> write_repr(const Value& value, Writer& writer);

Result<void> write_items(const Sequence& sequence, Writer& writer) {
  const bool is_tuple = sequence.type == SequenceType::kTuple;
  TRY(writer.put(is_tuple ? "(" : "["));
  bool is_first = true;
  for (const Value& item : sequence.items) {
    if (!is_first) TRY(writer.put(", "));
    is_first = false;
    TRY(write_repr(item, writer));
  }
  if (is_tuple && sequence.items.size() == 1) TRY(writer.put(","));
  return writer.put(is_tuple ? ")" : "]");
}

Result<void> write_entries(const Dict& dict, Writer& writer) {
  TRY(writer.put("{"));
  bool is_first = true;
  for (const auto& [key, value] : dict.entries) {
    if (!is_first) TRY(writer.put(", "));
    is_first = false;
    TRY(write_repr(key, writer));
    TRY(writer.put(": "));
    TRY(write_repr(value, writer));
  }
  return writer.put("}");
}

Result<void> write_repr(const Value& value, Writer& writer) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return writer.put("Undefined");
    case Kind::kNone:
      return writer.put("None");
    case Kind::kBool:
      return writer.put(value.as_bool() ? "True" : "False");
    case Kind::kInteger:
      return writer.put(fmt::format("{}", value.as_integer()));
    case Kind::kFloat:
      return writer.put(float_text(value.as_float()));
    case Kind::kString:
      return write_string_repr(value.as_text(), writer);
    case Kind::kDict:
      return write_entries(value.as_dict(), writer);
    case Kind::kSequence:
      if (value.as_sequence().type == SequenceType::kList ||
          value.as_sequence().type == SequenceType::kTuple) {
        return write_items(value.as_sequence(), writer);
      }
      [[fallthrough]];
    default:
      return fail(ErrorCode::kInvalidArgument, "", "a {} cannot be printed", type_name(value));
  }
}

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, Budget& budget)
      : style_(style), budget_(budget), writer_(budget) {}

  Result<void> write(const Value& value, std::size_t level) {
    switch (value.kind()) {
      case Kind::kNone:
        return writer_.put("null");
      case Kind::kBool:
        return writer_.put(value.as_bool() ? "true" : "false");
      case Kind::kInteger:
        return writer_.put(fmt::format("{}", value.as_integer()));
      case Kind::kFloat:
        return writer_.put(json_float(value.as_float()));
      case Kind::kString:
        return write_string(value.as_text());
      case Kind::kDict:
        return write_object(value.as_dict(), level);
      case Kind::kSequence:
        if (value.as_sequence().type == SequenceType::kList ||
            value.as_sequence().type == SequenceType::kTuple) {
          return write_array(value.as_sequence(), level);
        }
        [[fallthrough]];
      default:
        return fail(ErrorCode::kInvalidArgument, "", "tojson: a value is {}; JSON has no such",
                    type_name(value));
    }
  }

  Text take() { return writer_.take(); }

 private:
  static std::string json_float(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    return float_text(value);
  }

  std::string escaped(char32_t code_point, std::string_view bytes) const {
    switch (code_point) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\b':
        return "\\b";
      case '\f':
        return "\\f";
      default:
        break;
    }
    const auto number = static_cast<std::uint32_t>(code_point);
    if (number < 0x20 || (style_.escapes_non_ascii && number >= 0x7F && number <= 0xFFFF)) {
      // DEL stays as it is.
      if (number != 0x7F) return fmt::format("\\u{:04x}", number);
    }
    if (style_.escapes_non_ascii && number > 0xFFFF) {
      const std::uint32_t offset = number - 0x10000;
      return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (offset >> 10U),
                         0xDC00 + (offset & 0x3FFU));
    }
    return std::string(bytes);
  }

  Result<void> write_string(const Text& text) {
    TRY(writer_.put("\""));
    for (Characters characters(text); !characters.at_end();) {
      const auto character = characters.next();
      TRY(writer_.put(escaped(character.code_point, character.bytes), character.is_untrusted));
    }
    return writer_.put("\"");
  }

  Result<void> break_line(std::size_t level) {
    if (!style_.indent) return {};
    TRY(writer_.put("\n"));
    for (std::size_t i = 0; i < level; ++i) TRY(writer_.put(*style_.indent));
    return {};
  }

  Result<void> write_array(const Sequence& sequence, std::size_t level) {
    if (sequence.items.empty()) return writer_.put("[]");
    TRY(writer_.put("["));
    bool is_first = true;
    for (const Value& item : sequence.items) {
      if (!is_first) TRY(writer_.put(style_.item_separator));
      is_first = false;
      TRY(break_line(level + 1));
      TRY(write(item, level + 1));
    }
    TRY(break_line(level));
    return writer_.put("]");
  }

  // Python turns keys that are numbers, booleans or none into strings.
  Result<void> write_key(const Value& key) {
    if (key.is(Kind::kString)) return write_string(key.as_text());
    if (!key.is_number() && !key.is(Kind::kNone)) {
      return fail(ErrorCode::kInvalidArgument, "", "tojson: a key is a {}", type_name(key));
    }
    TRY(writer_.put("\""));
    TRY(write(key, 0));
    return writer_.put("\"");
  }

  Result<void> write_object(const Dict& dict, std::size_t level) {
    if (dict.entries.empty()) return writer_.put("{}");
    std::vector<const std::pair<Value, Value>*> entries;
    entries.reserve(dict.entries.size());
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sorts_keys) TRY(sort_entries(entries));
    TRY(writer_.put("{"));
    bool is_first = true;
    for (const auto* entry : entries) {
      if (!is_first) TRY(writer_.put(style_.item_separator));
      is_first = false;
      TRY(break_line(level + 1));
      TRY(write_key(entry->first));
      TRY(writer_.put(style_.key_separator));
      TRY(write(entry->second, level + 1));
    }
    TRY(break_line(level));
    return writer_.put("}");
  }

  Result<void> sort_entries(std::vector<const std::pair<Value, Value>*>& entries) {
    TRY(budget_.charge_steps(entries.size() * 16));
    for (const auto* entry : entries) {
      if (!entry->first.is(Kind::kString)) {
        return fail(ErrorCode::kInvalidArgument, "", "tojson: sort_keys needs keys of one type");
      }
    }
    std::sort(entries.begin(), entries.end(), [](const auto* left, const auto* right) {
      return left->first.as_bytes() < right->first.as_bytes();
    });
    return {};
  }

  const JsonStyle& style_;
  Budget& budget_;
  Writer writer_;
};

}  // namespace

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 64> buffer{};
  const auto scientific = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                        std::chars_format::scientific);
  std::string text(buffer.data(), scientific.ptr);
  const auto exponent_at = text.find('e');
  const int exponent = std::atoi(text.c_str() + exponent_at + 1);
  // Python writes 1e-05 and 1e+16, but 0.0001 and 1000000000000000.0.
  if (exponent < -4 || exponent >= 16) return text;
  const auto fixed =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  std::string result(buffer.data(), fixed.ptr);
  if (result.find('.') == std::string::npos) result += ".0";
  return result;
}

Result<Text> to_text(const Value& value, Budget& budget) {
  if (value.is(Kind::kUndefined)) return Text();
  if (value.is(Kind::kString)) {
    TRY(budget.charge_bytes(value.as_text().held_bytes()));
    return value.as_text();
  }
  Writer writer(budget);
  TRY(write_repr(value, writer));
  return writer.take();
}

Result<Text> to_json(const Value& value, const JsonStyle& style, Budget& budget) {
  JsonWriter writer(style, budget);
  TRY(writer.write(value, 0));
  return writer.take();
}

}  // namespace fathom::tokenizer::jinja
