// Reads tokenizer.json and tokenizer_config.json into a Tokenizer; refuses what it cannot follow.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <unordered_map>

#include "base/file.h"
#include "base/json.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/json_reader.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer_reader.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {

namespace json = boost::json;
using base::Result;

namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{64} << 20;
constexpr std::int64_t kMaxTokens = std::int64_t{1} << 24;
constexpr std::size_t kMaxAddedTokens = 100'000;
constexpr std::size_t kMaxTokenBytes = 64 << 10;
constexpr int kMaxNesting = 8;

}  // namespace

class TokenizerReader : JsonReader {
 public:
  TokenizerReader(Tokenizer& tokenizer, std::string where)
      : JsonReader(std::move(where)), tokenizer_(tokenizer) {}

  Result<void> read(const json::value& root) {
    if (!root.is_object()) return bad("it", "not an object");
    const json::object& object = root.get_object();
    TRY(refuse(object, {"truncation", "padding"}));
    TRY(read_model(object));
    TRY(read_normalizer(find(object, "normalizer"), 0));
    TRY(read_added_tokens(find(object, "added_tokens")));
    TRY(read_pre_tokenizer(find(object, "pre_tokenizer"), where(), tokenizer_.pre_tokenizer_));
    TRY(read_post_processor(find(object, "post_processor"), 0));
    TRY(read_decoder(find(object, "decoder")));
    return {};
  }

  // add_bos_token, add_eos_token, bos_token and eos_token.
  Result<void> read_config(const json::value& root) {
    if (!root.is_object()) return bad("it", "not an object");
    const json::object& object = root.get_object();
    tokenizer_.bos_ = TRY(named_token(object, "bos_token"));
    tokenizer_.eos_ = TRY(named_token(object, "eos_token"));
    TRY(place(object, "add_bos_token", tokenizer_.bos_, tokenizer_.prefix_));
    return place(object, "add_eos_token", tokenizer_.eos_, tokenizer_.suffix_);
  }

 private:
  Result<TokenId> token_id(const json::value& value, std::string_view field) const {
    if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() >= kMaxTokens) {
      return bad(field, "a token id is not between 0 and 16777215");
    }
    return TokenId{static_cast<std::int32_t>(value.get_int64())};
  }

  void keep(TokenId id, std::string bytes) {
    const auto index = static_cast<std::size_t>(base::index(id));
    if (index >= tokenizer_.bytes_.size()) {
      tokenizer_.bytes_.resize(index + 1);
      tokenizer_.is_known_.resize(index + 1);
      tokenizer_.is_special_.resize(index + 1);
    }
    tokenizer_.bytes_[index] = std::move(bytes);
    tokenizer_.is_known_[index] = true;
  }

  Result<void> read_model(const json::object& root) {
    const json::value* value = find(root, "model");
    if (value == nullptr || !value->is_object()) return bad("model", "missing");
    const json::object& model = value->get_object();
    const json::value* type = find(model, "type");
    if (type != nullptr && *type != json::value("BPE")) {
      return unimplemented("model type", type->is_string() ? view(type->get_string()) : "?");
    }
    TRY(refuse(model, {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                       "fuse_unk", "byte_fallback"}));
    TRY(read_vocabulary(model));
    TRY(read_merges(model));
    const json::value* ignore_merges = find(model, "ignore_merges");
    if (ignore_merges != nullptr && *ignore_merges == json::value(true)) {
      std::unordered_map<std::string, TokenId> whole;
      for (const auto& [spelling, id] : ids_) {
        whole.emplace(tokenizer_.bytes_[static_cast<std::size_t>(base::index(id))], id);
      }
      tokenizer_.bpe_.set_whole_pieces(std::move(whole));
    }
    return {};
  }

  Result<void> read_vocabulary(const json::object& model) {
    const json::value* vocabulary = find(model, "vocab");
    if (vocabulary == nullptr || !vocabulary->is_object() || vocabulary->get_object().empty()) {
      return bad("model.vocab", "missing or empty");
    }
    ids_.reserve(vocabulary->get_object().size());
    for (const auto& entry : vocabulary->get_object()) {
      const std::string_view spelling(entry.key().data(), entry.key().size());
      const TokenId id = TRY(token_id(entry.value(), "model.vocab"));
      auto bytes = bytes_of_spelling(spelling);
      if (!bytes || bytes->empty() || bytes->size() > kMaxTokenBytes) {
        return bad("model.vocab",
                   fmt::format("token {} is not spelled in the byte alphabet", base::index(id)));
      }
      if (is_taken(id)) return bad("model.vocab", fmt::format("id {} twice", base::index(id)));
      if (bytes->size() == 1) {
        tokenizer_.bpe_.set_byte_token(static_cast<unsigned char>((*bytes)[0]), id);
      }
      ids_.emplace(spelling, id);
      keep(id, std::move(*bytes));
    }
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool can_occur = byte < 0xC0 || (byte >= 0xC2 && byte <= 0xF4);
      if (can_occur && !tokenizer_.bpe_.has_byte_token(static_cast<unsigned char>(byte))) {
        return bad("model.vocab", fmt::format("no token for byte {:#04x}", byte));
      }
    }
    return {};
  }

  bool is_taken(TokenId id) const {
    const auto index = static_cast<std::size_t>(base::index(id));
    return index < tokenizer_.is_known_.size() && tokenizer_.is_known_[index];
  }

  Result<void> read_merges(const json::object& model) {
    const json::value* merges = find(model, "merges");
    if (merges == nullptr || !merges->is_array()) return bad("model.merges", "missing");
    if (merges->get_array().size() > Bpe::kMaxMerges) return bad("model.merges", "too many");
    tokenizer_.bpe_.reserve(merges->get_array().size());
    for (const json::value& merge : merges->get_array()) {
      std::string_view left, right;
      if (merge.is_string()) {
        const std::string_view both = view(merge.get_string());
        const std::size_t space = both.find(' ');
        if (space == std::string_view::npos) return bad("model.merges", "a merge without a space");
        left = both.substr(0, space);
        right = both.substr(space + 1);
      } else {
        const json::array* pair = merge.if_array();
        if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() ||
            !(*pair)[1].is_string()) {
          return bad("model.merges", "a merge is not a pair");
        }
        left = view((*pair)[0].get_string());
        right = view((*pair)[1].get_string());
      }
      const auto left_id = ids_.find(std::string(left));
      const auto right_id = ids_.find(std::string(right));
      const auto merged = ids_.find(std::string(left) + std::string(right));
      if (left_id == ids_.end() || right_id == ids_.end() || merged == ids_.end()) {
        return bad("model.merges", "a merge of tokens that are not in the vocabulary");
      }
      tokenizer_.bpe_.add_merge({.left = left_id->second,
                                 .right = right_id->second,
                                 .merged = merged->second,
                                 .left_bytes = tokenizer_.bytes_of(left_id->second),
                                 .right_bytes = tokenizer_.bytes_of(right_id->second)});
    }
    return {};
  }

  Result<void> read_normalizer(const json::value* value, int depth) {
    if (value == nullptr) return {};
    const std::string_view type = TRY(type_of(*value, "normalizer"));
    if (type == "NFC") {
      tokenizer_.normalizes_to_nfc_ = true;
      return {};
    }
    const json::value* list = value->get_object().if_contains("normalizers");
    if (type != "Sequence" || list == nullptr || !list->is_array() || depth > kMaxNesting) {
      return unimplemented("normalizer", type);
    }
    for (const json::value& each : list->get_array()) TRY(read_normalizer(&each, depth + 1));
    return {};
  }

  Result<void> read_added_tokens(const json::value* value) {
    if (value == nullptr) return {};
    if (!value->is_array() || value->get_array().size() > kMaxAddedTokens) {
      return bad("added_tokens", "not a list, or too long");
    }
    for (const json::value& each : value->get_array()) {
      if (!each.is_object()) return bad("added_tokens", "an entry is not an object");
      const json::object& object = each.get_object();
      TRY(refuse(object, {"single_word", "lstrip", "rstrip"}));
      const json::value* id = find(object, "id");
      const json::value* content = find(object, "content");
      if (id == nullptr || content == nullptr || !content->is_string()) {
        return bad("added_tokens", "an entry lacks id or content");
      }
      AddedToken token;
      token.id = TRY(token_id(*id, "added_tokens"));
      token.content = std::string(content->get_string());
      if (token.content.empty() || token.content.size() > kMaxTokenBytes) {
        return bad("added_tokens", "empty or overlong content");
      }
      token.is_special = TRY(flag(object, "special"));
      token.is_normalized = TRY(flag(object, "normalized"));
      TRY(add_token(std::move(token)));
    }
    return {};
  }

  Result<void> add_token(AddedToken token) {
    // The same token may stand in the vocabulary, spelled the same; its bytes are its content.
    const auto in_vocabulary = ids_.find(token.content);
    if (in_vocabulary == ids_.end() ? is_taken(token.id) : in_vocabulary->second != token.id) {
      return bad("added_tokens", fmt::format("id {} is another token's", base::index(token.id)));
    }
    keep(token.id, token.content);
    tokenizer_.is_special_[static_cast<std::size_t>(base::index(token.id))] = token.is_special;
    if (token.is_normalized && tokenizer_.normalizes_to_nfc_) {
      token.content = TRY(to_nfc(token.content));
    }
    (token.is_normalized ? tokenizer_.normalized_tokens_ : tokenizer_.raw_tokens_).add(token);
    return {};
  }

  Result<void> read_post_processor(const json::value* value, int depth) {
    if (value == nullptr) return {};
    const std::string_view type = TRY(type_of(*value, "post_processor"));
    if (type == "ByteLevel") return {};  // changes offsets only
    const json::object& object = value->get_object();
    if (type == "Sequence" && depth <= kMaxNesting) {
      const json::value* list = find(object, "processors");
      if (list == nullptr || !list->is_array()) return bad("post_processor", "an empty Sequence");
      for (const json::value& each : list->get_array()) {
        TRY(read_post_processor(&each, depth + 1));
      }
      return {};
    }
    if (type != "TemplateProcessing") return unimplemented("post_processor", type);
    const json::value* single = find(object, "single");
    if (single == nullptr || !single->is_array()) return bad("post_processor", "no single");
    bool seen_text = false;
    for (const json::value& item : single->get_array()) {
      const json::object* part = item.if_object();
      if (part != nullptr && part->contains("Sequence")) {
        if (seen_text) return bad("post_processor", "the text stands twice");
        seen_text = true;
        continue;
      }
      const json::value* special = part != nullptr ? find(*part, "SpecialToken") : nullptr;
      const json::value* name =
          special != nullptr && special->is_object() ? find(special->get_object(), "id") : nullptr;
      if (name == nullptr || !name->is_string()) return bad("post_processor", "an unknown part");
      const auto id = tokenizer_.token_of(view(name->get_string()));
      if (!id) return bad("post_processor", "a special token that is not in the vocabulary");
      (seen_text ? tokenizer_.suffix_ : tokenizer_.prefix_).push_back(*id);
    }
    return seen_text ? Result<void>() : bad("post_processor", "the text is left out");
  }

  Result<void> read_decoder(const json::value* value) const {
    if (value == nullptr) return {};
    const std::string_view type = TRY(type_of(*value, "decoder"));
    return type == "ByteLevel" ? Result<void>() : unimplemented("decoder", type);
  }

  // A token by its content: a string, or an object with "content".
  Result<std::optional<TokenId>> named_token(const json::object& object,
                                             std::string_view field) const {
    const json::value* value = find(object, field);
    if (value != nullptr && value->is_object()) value = find(value->get_object(), "content");
    if (value == nullptr) return std::optional<TokenId>();
    if (!value->is_string()) return bad(field, "not a token");
    const auto id = tokenizer_.token_of(view(value->get_string()));
    if (!id) return bad(field, "not in the vocabulary");
    return id;
  }

  // The configuration has the last word on what stands around a text.
  Result<void> place(const json::object& object, std::string_view field,
                     std::optional<TokenId> token, std::vector<TokenId>& around) const {
    if (find(object, field) == nullptr) return {};
    const bool is_wanted = TRY(flag(object, field));
    if (is_wanted && !token) return bad(field, "true, but the token is not named");
    around.clear();
    if (is_wanted) around.push_back(*token);
    return {};
  }

  Tokenizer& tokenizer_;
  std::unordered_map<std::string, TokenId> ids_;  // by spelling
};

Result<std::shared_ptr<const Tokenizer>> Tokenizer::parse(std::string_view tokenizer_json,
                                                          std::string_view tokenizer_config,
                                                          std::string_view where) {
  const base::JsonLimits limits{.max_bytes = kMaxFileBytes};
  std::shared_ptr<Tokenizer> tokenizer(new Tokenizer);
  const json::value root = TRY(base::parse_json(tokenizer_json, where, limits));
  TRY(TokenizerReader(*tokenizer, std::string(where)).read(root));
  if (!tokenizer_config.empty()) {
    const std::string config_where = std::string(where) + ", tokenizer_config.json";
    const json::value config = TRY(base::parse_json(tokenizer_config, config_where, limits));
    TRY(TokenizerReader(*tokenizer, config_where).read_config(config));
  }
  return std::shared_ptr<const Tokenizer>(std::move(tokenizer));
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::load(const std::filesystem::path& path) {
  std::error_code code;
  const bool is_folder = std::filesystem::is_directory(path, code);
  const std::filesystem::path file = is_folder ? path / "tokenizer.json" : path;
  const std::filesystem::path config_file = file.parent_path() / "tokenizer_config.json";
  const std::string text = TRY(base::read_file(file, kMaxFileBytes));
  std::string config;
  if (std::filesystem::exists(config_file, code)) {
    config = TRY(base::read_file(config_file, kMaxFileBytes));
  }
  return parse(text, config, file.native());
}

}  // namespace fathom::tokenizer
