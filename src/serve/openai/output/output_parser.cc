// The splitter first, the calls in what it leaves.
#include "serve/openai/output/output_parser.h"

#include <utility>

namespace fathom::serve {

void OutputParser::take(const ReasoningSplitter::Split& split, std::vector<OutputPiece>& pieces) {
  if (!split.reasoning.empty()) {
    append_piece(pieces, OutputPiece::Kind::kReasoning, split.reasoning);
  }
  if (!split.content.empty()) tools_.push(split.content, pieces);
}

std::vector<OutputPiece> OutputParser::push(std::string_view text) {
  std::vector<OutputPiece> pieces;
  take(reasoning_.push(text), pieces);
  return pieces;
}

std::vector<OutputPiece> OutputParser::finish() {
  std::vector<OutputPiece> pieces;
  take(reasoning_.finish(), pieces);
  tools_.finish(pieces);
  return pieces;
}

}  // namespace fathom::serve
