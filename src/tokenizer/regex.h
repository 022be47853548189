// Regular expressions of tokenizer.json, which are written for Oniguruma, run by PCRE2's compiler.
//
// The pattern is translated where the two differ: \s and \S become the Unicode White_Space set,
// $ matches at every line's end. Backtracking is bounded: a pattern that needs more is an error,
// never a hang.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_range.h"
#include "base/result.h"

namespace fathom::tokenizer {

// Immutable: any thread may match.
class Regex {
 public:
  static base::Result<Regex> compile(std::string_view pattern, std::string_view where);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  // Memory that matching needs; one for each thread at a time.
  class Scratch {
   public:
    explicit Scratch(const Regex& regex);
    ~Scratch();
    Scratch(Scratch&&) noexcept;
    Scratch& operator=(Scratch&&) noexcept;

   private:
    friend class Regex;
    struct State;
    std::unique_ptr<State> state_;
  };

  // The first match in `text` at or after `from`; an empty range at text.size() if none. `text`
  // is valid UTF-8. Empty matches are skipped.
  base::Result<base::ByteRange> find(std::string_view text, std::size_t from,
                                     Scratch& scratch) const;

 private:
  struct Code;
  explicit Regex(std::unique_ptr<Code> code);
  std::unique_ptr<Code> code_;
};

}  // namespace fathom::tokenizer
