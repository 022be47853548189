// Merges made at random, applied to texts made at random, against the definition in plain loops.
#include "tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace fathom::tokenizer {
namespace {

// Characters of one to four bytes that share leading and trailing bytes.
const std::vector<std::string> kCharacters = {"a",
                                              " ",
                                              "\xC3\xA9",
                                              "中",
                                              "丮",
                                              "乭",
                                              "嘭",
                                              "\xE3\x82\xA2",
                                              "，",
                                              "가",
                                              "\xF0\x9F\x98\x80",
                                              "\xF0\x9F\x98\x81",
                                              "\xE4\xB9\xAD"};

std::string random_text(std::mt19937& random, std::size_t num_characters) {
  std::string text;
  for (std::size_t i = 0; i < num_characters; ++i) {
    text += kCharacters[random() % kCharacters.size()];
  }
  return text;
}

// A vocabulary of all bytes and of pieces of random texts, cut anywhere, also inside characters.
class RandomVocabulary {
 public:
  RandomVocabulary(std::mt19937& random, std::size_t num_merges) {
    for (int byte = 0; byte < 256; ++byte) {
      tokens_.emplace_back(1, static_cast<char>(byte));
      ids_[tokens_.back()] = byte;
      bpe_.set_byte_token(static_cast<unsigned char>(byte), TokenId{byte});
    }
    bpe_.reserve(num_merges);
    while (rules_.size() < num_merges) add_random_merge(random);
  }

  std::vector<TokenId> encode(std::string_view text) const {
    std::vector<TokenId> tokens;
    EXPECT_TRUE(bpe_.encode(text, tokens, [&](std::string_view run) -> base::Result<void> {
      ++num_runs_;
      bpe_.encode_run(run, tokens);
      return {};
    }));
    return tokens;
  }

  // The definition: the lowest rank first, the leftmost of equals.
  std::vector<TokenId> encode_by_definition(std::string_view text) const {
    std::vector<int> symbols;
    for (const char byte : text) symbols.push_back(static_cast<unsigned char>(byte));
    while (true) {
      std::size_t best = symbols.size();
      std::size_t best_rank = rules_.size();
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
        const auto rule = rules_.find({symbols[i], symbols[i + 1]});
        if (rule == rules_.end() || rule->second.rank >= best_rank) continue;
        best = i;
        best_rank = rule->second.rank;
      }
      if (best == symbols.size()) break;
      symbols[best] = rules_.at({symbols[best], symbols[best + 1]}).merged;
      symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    std::vector<TokenId> tokens;
    for (const int symbol : symbols) tokens.push_back(TokenId{symbol});
    return tokens;
  }

  int num_runs() const { return num_runs_; }

 private:
  struct Rule {
    std::size_t rank;
    int merged;
  };

  // Joins two neighbours of a text encoded by the merges so far.
  void add_random_merge(std::mt19937& random) {
    const std::vector<TokenId> tokens = encode_by_definition(random_text(random, 4));
    if (tokens.size() < 2) return;
    const std::size_t at = random() % (tokens.size() - 1);
    const int left = base::index(tokens[at]);
    const int right = base::index(tokens[at + 1]);
    const std::string& left_bytes = tokens_[static_cast<std::size_t>(left)];
    const std::string& right_bytes = tokens_[static_cast<std::size_t>(right)];
    const auto [id, is_new] = ids_.try_emplace(left_bytes + right_bytes, std::ssize(tokens_));
    const auto merged = static_cast<int>(id->second);
    bpe_.add_merge({.left = TokenId{left},
                    .right = TokenId{right},
                    .merged = TokenId{merged},
                    .left_bytes = left_bytes,
                    .right_bytes = right_bytes});
    const std::size_t rank = rules_.size();
    rules_.emplace(std::pair(left, right), Rule{rank, merged});
    if (is_new) tokens_.push_back(id->first);
  }

  Bpe bpe_;
  std::vector<std::string> tokens_;
  std::map<std::string, std::ptrdiff_t> ids_;
  std::map<std::pair<int, int>, Rule> rules_;
  mutable int num_runs_ = 0;
};

TEST(Bpe, MergesAsTheDefinitionSays) {
  std::mt19937 random(17);
  int num_pieces = 0;
  int num_runs = 0;
  for (int round = 0; round < 200; ++round) {
    const RandomVocabulary vocabulary(random, 5 + random() % 60);
    for (int i = 0; i < 20; ++i) {
      const std::string text = random_text(random, 1 + random() % 40);  // short and long ways
      ASSERT_EQ(vocabulary.encode(text), vocabulary.encode_by_definition(text)) << text;
    }
    num_pieces += 20;
    num_runs += vocabulary.num_runs();
  }
  EXPECT_GT(num_runs, 2 * num_pieces) << "texts were not cut where nothing joins";
}

}  // namespace
}  // namespace fathom::tokenizer
