// String operations that cut a text into pieces and put pieces together.
#include "tokenizer/template/builtins/strings.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "tokenizer/template/value/format.h"

namespace fathom::tokenizer::jinja {
namespace {

std::u32string code_points(const Text& text) {
  std::u32string result;
  for (Characters characters(text); !characters.at_end();) {
    result.push_back(characters.next().code_point);
  }
  return result;
}

char32_t to_case(char32_t code_point, Case target) {
  const auto number = static_cast<utf8proc_int32_t>(code_point);
  switch (target) {
    case Case::kUpper:
      return static_cast<char32_t>(utf8proc_toupper(number));
    case Case::kLower:
      return static_cast<char32_t>(utf8proc_tolower(number));
    default:
      return static_cast<char32_t>(utf8proc_totitle(number));
  }
}

constexpr char32_t kSharpS = 0xDF;

void append_in_case(const Characters::Character& character, Case target, Text& out) {
  if (character.code_point == kSharpS && target != Case::kLower) {
    out.append(target == Case::kUpper ? "SS" : "Ss", character.is_untrusted);
    return;
  }
  std::string bytes;
  append_utf8(to_case(character.code_point, target), bytes);
  out.append(bytes, character.is_untrusted);
}

bool is_cased(char32_t code_point) {
  return to_case(code_point, Case::kLower) != code_point ||
         to_case(code_point, Case::kUpper) != code_point || code_point == kSharpS;
}

// Where a piece of a split lies.
using Piece = std::pair<std::size_t, std::size_t>;

std::vector<Piece> split_at_space(const Text& text, std::size_t max_splits) {
  const std::string_view bytes = text.bytes();
  std::vector<Piece> pieces;
  std::size_t begin = leading_space_bytes(bytes);
  while (begin < bytes.size()) {
    if (pieces.size() == max_splits) {
      pieces.emplace_back(begin, bytes.size());
      break;
    }
    std::size_t end = begin;
    while (end < bytes.size() && leading_space_bytes(bytes.substr(end, 4)) == 0) ++end;
    pieces.emplace_back(begin, end);
    begin = end + leading_space_bytes(bytes.substr(end));
  }
  return pieces;
}

std::vector<Piece> split_at_space_from_right(const Text& text, std::size_t max_splits) {
  std::vector<Piece> pieces = split_at_space(text, std::string::npos);
  if (pieces.size() <= max_splits + 1 || max_splits == std::string::npos) return pieces;
  const auto first_kept = pieces.end() - static_cast<std::ptrdiff_t>(max_splits);
  const Piece head{0, (first_kept - 1)->second};
  std::vector<Piece> result{head};
  result.insert(result.end(), first_kept, pieces.end());
  return result;
}

std::vector<Piece> split_at(std::string_view bytes, std::string_view separator,
                            std::size_t max_splits) {
  std::vector<Piece> pieces;
  std::size_t begin = 0;
  while (pieces.size() < max_splits) {
    const auto found = find_first(bytes.substr(begin), separator);
    if (!found) break;
    pieces.emplace_back(begin, begin + *found);
    begin += *found + separator.size();
  }
  pieces.emplace_back(begin, bytes.size());
  return pieces;
}

std::string reversed(std::string_view bytes) { return {bytes.rbegin(), bytes.rend()}; }

// The mirror image of a split of the mirrored text.
std::vector<Piece> split_at_from_right(std::string_view bytes, std::string_view separator,
                                       std::size_t max_splits) {
  std::vector<Piece> pieces = split_at(reversed(bytes), reversed(separator), max_splits);
  for (auto& [begin, end] : pieces) {
    begin = bytes.size() - begin;
    end = bytes.size() - end;
    std::swap(begin, end);
  }
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

Result<std::vector<Value>> cut(const Text& text, const std::vector<Piece>& pieces, Budget& budget) {
  TRY(budget.charge_bytes(text.held_bytes() + pieces.size() * (sizeof(Value) + sizeof(Text))));
  std::vector<Value> values;
  values.reserve(pieces.size());
  for (const auto& [begin, end] : pieces) values.push_back(Value::string(text.slice(begin, end)));
  return values;
}

}  // namespace

Result<Text> strip(const Text& text, Side side, const Text* characters, Budget& budget) {
  TRY(budget.charge_bytes(text.held_bytes()));
  const std::string_view bytes = text.bytes();
  if (characters == nullptr) {
    const std::size_t begin = side == Side::kRight ? 0 : leading_space_bytes(bytes);
    const std::size_t end = side == Side::kLeft
                                ? bytes.size()
                                : bytes.size() - trailing_space_bytes(bytes.substr(begin));
    return text.slice(begin, end);
  }
  std::u32string removed = code_points(*characters);
  TRY(budget.charge_steps(removed.size()));
  std::sort(removed.begin(), removed.end());
  const auto is_removed = [&removed](char32_t code_point) {
    return std::binary_search(removed.begin(), removed.end(), code_point);
  };
  std::size_t begin = 0;
  std::size_t end = 0;
  bool has_kept = false;
  for (Characters walk(text); !walk.at_end();) {
    const auto character = walk.next();
    if (is_removed(character.code_point)) continue;
    if (!has_kept) begin = walk.offset() - character.bytes.size();
    has_kept = true;
    end = walk.offset();
  }
  if (!has_kept) return Text();
  return text.slice(side == Side::kRight ? 0 : begin, side == Side::kLeft ? bytes.size() : end);
}

Result<Text> change_case(const Text& text, Case target, Budget& budget) {
  TRY(budget.charge_bytes(2 * text.held_bytes()));
  Text result;
  bool starts_word = true;
  for (Characters characters(text); !characters.at_end();) {
    const auto character = characters.next();
    const bool is_whole = target == Case::kUpper || target == Case::kLower;
    append_in_case(character,
                   is_whole      ? target
                   : starts_word ? Case::kTitle
                                 : Case::kLower,
                   result);
    starts_word = target == Case::kTitle && !is_cased(character.code_point);
  }
  return result;
}

Result<Text> title_words(const Text& text, Budget& budget) {
  TRY(budget.charge_bytes(2 * text.held_bytes()));
  Text result;
  bool starts_word = true;
  for (Characters characters(text); !characters.at_end();) {
    const auto character = characters.next();
    append_in_case(character, starts_word ? Case::kUpper : Case::kLower, result);
    starts_word =
        is_space(character.code_point) ||
        std::u32string_view(U"-({[<").find(character.code_point) != std::u32string_view::npos;
  }
  return result;
}

std::optional<std::size_t> find_first(std::string_view text, std::string_view needle) {
  if (needle.empty()) return 0;
  // memmem takes linear time whatever the texts; string_view::find does not.
  const void* found = ::memmem(text.data(), text.size(), needle.data(), needle.size());
  if (found == nullptr) return std::nullopt;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

std::optional<std::size_t> find_last(std::string_view text, std::string_view needle) {
  const auto mirrored = find_first(reversed(text), reversed(needle));
  if (!mirrored) return std::nullopt;
  return text.size() - *mirrored - needle.size();
}

Result<Text> replace(const Text& text, const Replacement& replacement, Budget& budget) {
  const std::string_view bytes = text.bytes();
  const std::string_view from = replacement.from.bytes();
  const std::size_t max_count = replacement.max_count < 0
                                    ? std::string::npos
                                    : static_cast<std::size_t>(replacement.max_count);
  TRY(budget.charge_walk(bytes.size()));
  std::vector<Piece> pieces;
  if (from.empty()) {
    std::size_t begin = 0;
    pieces.emplace_back(0, 0);
    for (Characters walk(text); !walk.at_end() && pieces.size() < max_count;) {
      walk.next();
      pieces.emplace_back(begin, walk.offset());
      begin = walk.offset();
    }
    if (max_count > 0 && begin < bytes.size()) pieces.emplace_back(begin, bytes.size());
    if (max_count > 0 && begin == bytes.size()) pieces.emplace_back(begin, begin);
    if (max_count == 0) pieces.front().second = bytes.size();
    if (pieces.size() > 1 && pieces.size() - 1 > max_count) pieces.pop_back();
  } else {
    pieces = split_at(bytes, from, max_count);
  }
  const auto added = base::checked_mul(pieces.size(), replacement.to.held_bytes());
  TRY(budget.charge_bytes(text.held_bytes() + pieces.size() * sizeof(Piece)));
  TRY(budget.charge_bytes(added.value_or(std::string::npos)));
  Text result;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i > 0) result.append(replacement.to);
    result.append(text, pieces[i].first, pieces[i].second);
  }
  TRY(budget.charge_bytes(result.held_bytes()));
  return result;
}

Result<std::vector<Value>> split(const Text& text, const Split& how, Budget& budget) {
  TRY(budget.charge_walk(text.size_bytes()));
  const std::size_t max_splits =
      how.max_splits < 0 ? std::string::npos : static_cast<std::size_t>(how.max_splits);
  if (how.separator == nullptr) {
    return cut(text,
               how.from_right ? split_at_space_from_right(text, max_splits)
                              : split_at_space(text, max_splits),
               budget);
  }
  const std::string_view separator = how.separator->bytes();
  if (separator.empty()) {
    return fail(ErrorCode::kInvalidArgument, "", "split: the separator is empty");
  }
  return cut(text,
             how.from_right ? split_at_from_right(text.bytes(), separator, max_splits)
                            : split_at(text.bytes(), separator, max_splits),
             budget);
}

Result<std::vector<Value>> split_lines(const Text& text, bool keep_ends, Budget& budget) {
  TRY(budget.charge_walk(text.size_bytes()));
  std::vector<Piece> pieces;
  std::size_t begin = 0;
  const auto ends_line = [](char32_t code_point) {
    return (code_point >= 10 && code_point <= 13) || (code_point >= 0x1C && code_point <= 0x1E) ||
           code_point == 0x85 || code_point == 0x2028 || code_point == 0x2029;
  };
  for (Characters walk(text); !walk.at_end();) {
    const std::size_t start = walk.offset();
    const auto character = walk.next();
    if (!ends_line(character.code_point)) continue;
    if (character.code_point == '\r' && text.bytes().substr(walk.offset(), 1) == "\n") walk.next();
    pieces.emplace_back(begin, keep_ends ? walk.offset() : start);
    begin = walk.offset();
  }
  if (begin < text.size_bytes()) pieces.emplace_back(begin, text.size_bytes());
  return cut(text, pieces, budget);
}

Result<Text> join(const std::vector<Value>& items, const Text& separator, Budget& budget) {
  Text result;
  for (std::size_t i = 0; i < items.size(); ++i) {
    TRY(budget.charge_bytes(i == 0 ? 0 : separator.held_bytes()));
    if (i > 0) result.append(separator);
    result.append(TRY(to_text(items[i], budget)));
    if (result.size_bytes() > budget.limits().max_value_bytes) break;
  }
  TRY(budget.charge_bytes(result.held_bytes()));
  return result;
}

}  // namespace fathom::tokenizer::jinja
