// MergeBorders: the places in a text that no merge can reach across.
//
// Chinese prose comes as words of ten characters and more, of which only neighbours that some
// token joins can merge. Cut at the other borders it falls into parts of one or two characters,
// which come again and again. Cutting changes no token: merges on one side of such a border do not
// see the other side.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace fathom::tokenizer {

// Immutable once all merges are learned: any thread may ask.
class MergeBorders {
 public:
  MergeBorders();
  // Learns a merge of tokens of these bytes. Every merge must be learned.
  void learn(std::string_view left, std::string_view right);
  // The size of the longest prefix of the text that may need merging as a whole; 0 only for an
  // empty text. `text` is valid UTF-8. Cost: linear in the size returned.
  std::size_t prefix_bytes(std::string_view text) const;

 private:
  // A border of which nothing is known to join it is open to no merge. Both tables may claim too
  // much, never too little.
  std::vector<bool> joined_characters_;  // by hash of the two whole characters at the border
  std::vector<bool> joined_fragments_;   // by the two bytes at the border
};

}  // namespace fathom::tokenizer
