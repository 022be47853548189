// Tokenizer: text to token ids and back, as a Hugging Face tokenizer.json describes it.
//
// Byte-level BPE with the normalizers, pre-tokenizers, added tokens and post-processors of the
// DeepSeek and Qwen2 vocabularies. Anything else that would change the output is refused by name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_range.h"
#include "base/result.h"
#include "base/token_id.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/pre_tokenizer.h"

namespace fathom::tokenizer {

struct EncodeOptions {
  // Adds what the vocabulary puts around every text, such as BOS.
  bool add_special = true;
  // Parts of the text in which control tokens are not recognised but taken as plain text: what
  // users wrote. Sorted and disjoint.
  std::span<const base::ByteRange> plain_ranges = {};
};

struct DecodeOptions {
  bool skip_special = true;
};

// Immutable: any thread may encode and decode.
class Tokenizer {
 public:
  // From a folder with tokenizer.json and, if there, tokenizer_config.json; or from the path of a
  // tokenizer.json.
  static base::Result<std::shared_ptr<const Tokenizer>> load(const std::filesystem::path& path);
  // From the files' texts; the second may be empty.
  static base::Result<std::shared_ptr<const Tokenizer>> parse(std::string_view tokenizer_json,
                                                              std::string_view tokenizer_config,
                                                              std::string_view where);

  // Text that is not UTF-8 is an error that names the byte.
  base::Result<std::vector<TokenId>> encode(std::string_view text,
                                            const EncodeOptions& options = {}) const;
  // Always valid UTF-8: bytes that form no character become U+FFFD. An id outside the vocabulary
  // is an error.
  base::Result<std::string> decode(std::span<const TokenId> tokens,
                                   const DecodeOptions& options = {}) const;

  // The bytes that a token stands for; empty for an unknown id.
  std::string_view bytes_of(TokenId token) const;
  bool is_special(TokenId token) const;
  // The token of this spelling, added tokens included.
  std::optional<TokenId> token_of(std::string_view content) const;
  // One more than the highest id.
  std::int64_t vocab_size() const { return std::ssize(bytes_); }
  std::optional<TokenId> bos_token() const { return bos_; }
  std::optional<TokenId> eos_token() const { return eos_; }

 private:
  friend class TokenizerReader;
  class Encoder;
  Tokenizer() = default;

  Bpe bpe_;
  PreTokenizer pre_tokenizer_;
  bool normalizes_to_nfc_ = false;
  AddedTokens raw_tokens_;         // sought before normalization
  AddedTokens normalized_tokens_;  // sought after it
  std::vector<std::string> bytes_;
  std::vector<bool> is_known_;
  std::vector<bool> is_special_;
  std::vector<TokenId> prefix_;  // what add_special puts before and after the text
  std::vector<TokenId> suffix_;
  std::optional<TokenId> bos_;
  std::optional<TokenId> eos_;
};

}  // namespace fathom::tokenizer
