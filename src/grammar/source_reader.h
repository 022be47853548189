// SourceReader: walks a grammar's source by code points and reads what both notations share.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "grammar/code_points.h"

namespace fathom::grammar {

// Bounds of {m,n}; max may be kUnbounded.
struct RepeatCounts {
  std::uint32_t min;
  std::uint32_t max;
};
constexpr std::uint32_t kMaxRepeatCount = 100'000;
// Groups within groups in a source.
constexpr std::uint32_t kMaxGroupDepth = 64;

// A member of a class, or what an escape stands for: a set, or one code point that may begin or end
// a range.
struct ClassItem {
  CodePointSet set;
  std::optional<char32_t> single;
};

class SourceReader {
 public:
  // `where` names the source in errors. The text must be valid UTF-8; both must outlive the reader.
  SourceReader(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  bool at_end() const { return position_ >= text_.size(); }
  std::size_t position() const { return position_; }
  void rewind(std::size_t position) { position_ = position; }
  // 0 at the end; `ahead` counts bytes, for ASCII only.
  char peek(std::size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }
  bool starts_with(std::string_view prefix) const {
    return text_.substr(position_).starts_with(prefix);
  }
  // Moves behind the prefix if it is there.
  bool take(std::string_view prefix);
  // Not at the end.
  char32_t next();
  std::string_view text_from(std::size_t begin) const {
    return text_.substr(begin, position_ - begin);
  }

  // "at byte N: message".
  base::Error error_at(std::size_t position, std::string_view message) const;

  // Behind "{": "m}", "m,}", "m,n}" or ",n}". Nothing, and unmoved, if it is none of these.
  base::Result<std::optional<RepeatCounts>> read_counts();
  // Behind "[", up to and including "]".
  base::Result<CodePointSet> read_class();
  // Behind "\": one of the escapes of a class, a letter or punctuation.
  base::Result<ClassItem> read_escape();

 private:
  base::Result<char32_t> read_hex(std::size_t num_digits);
  base::Result<ClassItem> read_class_item();
  std::optional<std::uint32_t> read_number();

  std::string_view text_;
  std::string_view where_;
  std::size_t position_ = 0;
};

}  // namespace fathom::grammar
