// Truth, equality and printing of values, as in Python.
#include "tokenizer/template/value.h"

#include <fmt/format.h>

#include <cmath>

#include "tokenizer/template/ast.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {

Text Text::from_user(std::string bytes) {
  Text text(std::move(bytes));
  if (!text.bytes.empty()) text.untrusted.push_back({0, text.bytes.size()});
  return text;
}

void Text::append(const Text& other) {
  for (const base::ByteRange& range : other.untrusted) {
    const base::ByteRange moved{range.begin + bytes.size(), range.end + bytes.size()};
    if (!untrusted.empty() && untrusted.back().end == moved.begin) {
      untrusted.back().end = moved.end;
    } else {
      untrusted.push_back(moved);
    }
  }
  bytes += other.bytes;
}

Text Text::slice(std::size_t begin, std::size_t end) const {
  Text part(bytes.substr(begin, end - begin));
  for (const base::ByteRange& range : untrusted) {
    const std::size_t from = std::max(range.begin, begin);
    const std::size_t to = std::min(range.end, end);
    if (from < to) part.untrusted.push_back({from - begin, to - begin});
  }
  return part;
}

Text Text::with_bytes(std::string changed) const {
  return untrusted.empty() ? Text(std::move(changed)) : from_user(std::move(changed));
}

Value make_text(std::string trusted) { return {Text(std::move(trusted))}; }
Value make_list(List items) { return {std::make_shared<List>(std::move(items))}; }
Value make_dict(Dict entries) { return {std::make_shared<Dict>(std::move(entries))}; }

const Value* find_entry(const Dict& dict, std::string_view key) {
  for (const auto& [name, value] : dict) {
    if (name == key) return &value;
  }
  return nullptr;
}

bool is_true(const Value& value) {
  if (const auto* truth = value.get<bool>()) return *truth;
  if (const auto* number = value.get<std::int64_t>()) return *number != 0;
  if (const auto* number = value.get<double>()) return *number != 0;
  if (const Text* text = value.text()) return !text->bytes.empty();
  if (const List* list = value.list()) return !list->empty();
  if (const Dict* dict = value.dict()) return !dict->empty();
  return !value.is_undefined() && value.get<None>() == nullptr;
}

bool to_integer(const Value& value, std::int64_t& number) {
  if (const auto* integer = value.get<std::int64_t>()) {
    number = *integer;
    return true;
  }
  if (const auto* truth = value.get<bool>()) {
    number = *truth ? 1 : 0;
    return true;
  }
  return false;
}

bool to_double(const Value& value, double& number) {
  std::int64_t integer = 0;
  if (to_integer(value, integer)) {
    number = static_cast<double>(integer);
    return true;
  }
  if (const auto* real = value.get<double>()) {
    number = *real;
    return true;
  }
  return false;
}

bool is_equal(const Value& a, const Value& b) {
  double left = 0;
  double right = 0;
  if (to_double(a, left)) return to_double(b, right) && left == right;
  if (a.text() != nullptr) return b.text() != nullptr && a.text()->bytes == b.text()->bytes;
  if (a.get<None>() != nullptr) return b.get<None>() != nullptr;
  if (a.is_undefined()) return b.is_undefined();
  if (const List* list = a.list()) {
    const List* other = b.list();
    if (other == nullptr || list->size() != other->size() || a.is_tuple != b.is_tuple) return false;
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (!is_equal((*list)[i], (*other)[i])) return false;
    }
    return true;
  }
  if (const Dict* dict = a.dict()) {
    const Dict* other = b.dict();
    if (other == nullptr || dict->size() != other->size()) return false;
    for (const auto& [key, value] : *dict) {
      const Value* match = find_entry(*other, key);
      if (match == nullptr || !is_equal(value, *match)) return false;
    }
    return true;
  }
  return false;
}

std::string_view kind_of(const Value& value) {
  constexpr std::string_view kKinds[] = {"undefined", "none", "boolean", "integer", "float",
                                         "string",    "list", "mapping", "macro",   "function"};
  return kKinds[value.data.index()];
}

namespace {

// As Python's repr() of a float.
std::string number_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  std::string text = fmt::format("{}", number);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string quoted_text(std::string_view bytes) {
  const bool has_single = bytes.find('\'') != std::string_view::npos;
  const bool has_double = bytes.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : bytes) {
    if (c == quote || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + quote;
}

std::string json_text(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

void add(std::string_view trusted, Text& out) { out.bytes += trusted; }

}  // namespace

void print(const Value& value, bool quoted, Text& out) {
  if (const Text* text = value.text()) {
    out.append(quoted ? text->with_bytes(quoted_text(text->bytes)) : *text);
  } else if (const auto* truth = value.get<bool>()) {
    add(*truth ? "True" : "False", out);
  } else if (const auto* integer = value.get<std::int64_t>()) {
    add(fmt::format("{}", *integer), out);
  } else if (const auto* real = value.get<double>()) {
    add(number_text(*real), out);
  } else if (value.get<None>() != nullptr) {
    add("None", out);
  } else if (const List* list = value.list()) {
    add(value.is_tuple ? "(" : "[", out);
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i > 0) add(", ", out);
      print((*list)[i], true, out);
    }
    if (value.is_tuple && list->size() == 1) add(",", out);
    add(value.is_tuple ? ")" : "]", out);
  } else if (const Dict* dict = value.dict()) {
    add("{", out);
    for (std::size_t i = 0; i < dict->size(); ++i) {
      if (i > 0) add(", ", out);
      add(quoted_text((*dict)[i].first) + ": ", out);
      print((*dict)[i].second, true, out);
    }
    add("}", out);
  } else if (value.is_undefined() && quoted) {
    add("Undefined", out);
  }
}

void print_json(const Value& value, int indent, int depth, Text& out) {
  const auto line = [&](int level) {
    if (indent >= 0) add("\n" + std::string(static_cast<std::size_t>(indent * level), ' '), out);
  };
  const std::string_view separator = indent >= 0 ? "," : ", ";
  if (const Text* text = value.text()) {
    out.append(text->with_bytes(json_text(text->bytes)));
  } else if (const auto* truth = value.get<bool>()) {
    add(*truth ? "true" : "false", out);
  } else if (const List* list = value.list()) {
    add("[", out);
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i > 0) add(separator, out);
      line(depth + 1);
      print_json((*list)[i], indent, depth + 1, out);
    }
    if (!list->empty()) line(depth);
    add("]", out);
  } else if (const Dict* dict = value.dict()) {
    add("{", out);
    for (std::size_t i = 0; i < dict->size(); ++i) {
      if (i > 0) add(separator, out);
      line(depth + 1);
      add(json_text((*dict)[i].first) + ": ", out);
      print_json((*dict)[i].second, indent, depth + 1, out);
    }
    if (!dict->empty()) line(depth);
    add("}", out);
  } else if (value.get<None>() != nullptr || value.is_undefined()) {
    add("null", out);
  } else {
    print(value, false, out);
  }
}

}  // namespace fathom::tokenizer
