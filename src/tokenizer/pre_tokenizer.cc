// Scratch memory of all splits.
#include "tokenizer/pre_tokenizer.h"

namespace fathom::tokenizer {

PreTokenizer::Scratch::Scratch(const PreTokenizer& pre_tokenizer) {
  for (const Regex& split : pre_tokenizer.splits_) regexes_.emplace_back(split);
}

}  // namespace fathom::tokenizer
