// Keeps an unfinished character back.
#include "tokenizer/streaming_decoder.h"

#include <utility>

#include "tokenizer/utf8.h"

namespace fathom::tokenizer {

std::string StreamingDecoder::push(TokenId token) {
  if (options_.skip_special && tokenizer_->is_special(token)) return {};
  pending_ += tokenizer_->bytes_of(token);
  std::size_t certain = 0;
  while (certain < pending_.size()) {
    const Utf8Piece piece = first_utf8_piece(std::string_view(pending_).substr(certain));
    if (piece.kind == Utf8Start::kIncomplete) break;
    certain += piece.num_bytes;
  }
  std::string text = to_valid_utf8(std::string_view(pending_).substr(0, certain));
  pending_.erase(0, certain);
  return text;
}

std::string StreamingDecoder::finish() { return to_valid_utf8(std::exchange(pending_, {})); }

}  // namespace fathom::tokenizer
