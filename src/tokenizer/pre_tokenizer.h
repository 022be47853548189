// PreTokenizer: cuts text into the pieces that BPE works on, by one split after another.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/regex.h"

namespace fathom::tokenizer {

// Each split cuts every piece of the split before: its matches become pieces, and so does what
// lies between them. Immutable: any thread may cut.
class PreTokenizer {
 public:
  void add_split(Regex regex) { splits_.push_back(std::move(regex)); }
  std::size_t num_splits() const { return splits_.size(); }

  // Memory for cutting; one for each thread at a time.
  class Scratch {
   public:
    explicit Scratch(const PreTokenizer& pre_tokenizer);

   private:
    friend class PreTokenizer;
    std::vector<Regex::Scratch> regexes_;
  };

  // Calls on_piece(piece) -> Result<void> for the pieces, in order, after splits [first, last).
  template <typename F>
  base::Result<void> cut(std::string_view text, std::size_t first, std::size_t last,
                         Scratch& scratch, F&& on_piece) const {
    if (text.empty()) return {};
    if (first == last) return on_piece(text);
    std::size_t done = 0;
    while (done < text.size()) {
      const base::ByteRange match = TRY(splits_[first].find(text, done, scratch.regexes_[first]));
      TRY(cut(text.substr(done, match.begin - done), first + 1, last, scratch, on_piece));
      TRY(cut(text.substr(match.begin, match.end - match.begin), first + 1, last, scratch,
              on_piece));
      done = match.end;
    }
    return {};
  }

 private:
  std::vector<Regex> splits_;
};

}  // namespace fathom::tokenizer
