// Vocabularies and ways of asking a grammar about whole texts, for the tests of this layer.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grammar/grammar.h"

namespace fathom::grammar {

inline TokenId token(std::size_t index) { return static_cast<TokenId>(index); }

// Tokens 0 to 255 are the single bytes, 256 is the end token, then come the others.
inline std::shared_ptr<const Vocabulary> vocabulary_with(const std::vector<std::string>& others) {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
  bytes.emplace_back();
  bytes.insert(bytes.end(), others.begin(), others.end());
  auto vocabulary = Vocabulary::create(std::move(bytes), {token(256)});
  return vocabulary ? *vocabulary : nullptr;
}
constexpr std::size_t kEnd = 256;

inline std::shared_ptr<const Vocabulary> json_vocabulary() {
  std::vector<std::string> others = {"{\"",
                                     "\"}",
                                     "\":",
                                     "\": ",
                                     "\",\"",
                                     "\", \"",
                                     "},{",
                                     "}, {",
                                     "]}",
                                     "[]",
                                     "{}",
                                     "true",
                                     "fal",
                                     "se",
                                     "null",
                                     "\n  ",
                                     "\n",
                                     "  ",
                                     "    ",
                                     "123",
                                     "0.",
                                     "-1",
                                     "e+",
                                     "\\n",
                                     "\\u",
                                     "\\\"",
                                     "name",
                                     "age",
                                     "id",
                                     "\"name",
                                     "kind",
                                     "a",
                                     "ab",
                                     "\xC3",
                                     "\xC3\xA9",
                                     "\xE4\xB8",
                                     "\xE4\xB8\x96\xE7",
                                     "\x95\x8C",
                                     "\xF0\x9F\x98\x80",
                                     "b\"",
                                     "},",
                                     "],",
                                     "1,",
                                     "[1",
                                     ", 2",
                                     "00",
                                     "-0",
                                     "2024-",
                                     "12:",
                                     "a@b.",
                                     "\\ud83d",
                                     "{\"name\": \"",
                                     "\"\"",
                                     "[[",
                                     "]]",
                                     "}}",
                                     "}\n",
                                     "1.5e3",
                                     "\"x"};
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) {
    std::string text;
    for (auto length = random() % 4 + 2; length > 0; --length)
      text.push_back("ab1-\"\\{}[]:, \n.eu0"[random() % 18]);
    others.push_back(std::move(text));
  }
  return vocabulary_with(others);
}

inline bool accepts_bytes(Matcher& matcher, std::string_view text) {
  for (const char byte : text) {
    if (!matcher.accept(token(static_cast<std::uint8_t>(byte)))) return false;
  }
  return true;
}

// Whether the whole text matches, byte by byte.
inline bool matches(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  static const auto kVocabulary = vocabulary_with({});
  Matcher matcher(grammar, kVocabulary);
  return accepts_bytes(matcher, text) && matcher.can_end();
}

inline std::vector<std::uint32_t> mask_of(Matcher& matcher, const Vocabulary& vocabulary) {
  std::vector<std::uint32_t> mask(vocabulary.num_mask_words() + 1, 0xFFFFFFFFU);
  matcher.fill_mask(mask);
  return mask;
}

inline bool has(const std::vector<std::uint32_t>& mask, std::size_t id) {
  return (mask[id / 32] >> (id % 32) & 1U) != 0;
}

// The mask says of every token what a copy says that follows its bytes one by one.
inline void expect_exact_mask(Matcher& matcher, const Vocabulary& vocabulary) {
  const auto mask = mask_of(matcher, vocabulary);
  bool is_empty = true;
  for (std::size_t id = 0; id < vocabulary.num_tokens(); ++id) {
    Matcher copy = matcher;
    const std::string& bytes = vocabulary.bytes_of(token(id));
    const bool is_allowed =
        vocabulary.is_end(token(id))
            ? matcher.can_end()
            : !matcher.is_finished() && !bytes.empty() && accepts_bytes(copy, bytes);
    ASSERT_EQ(has(mask, id), is_allowed) << "token " << id << " '" << bytes << "'";
    is_empty = is_empty && !is_allowed;
  }
  EXPECT_FALSE(is_empty);
  EXPECT_EQ(mask.back(), 0U);
}

// Takes random allowed tokens, a closing one where the text has become long, until the end.
inline std::string random_text(const std::shared_ptr<const Grammar>& grammar,
                               const std::shared_ptr<const Vocabulary>& vocabulary,
                               std::mt19937& random, std::size_t long_tokens) {
  Matcher matcher(grammar, vocabulary);
  std::string text;
  for (std::size_t step = 0; !matcher.is_finished(); ++step) {
    if (step > 100 * long_tokens) return text + "<does not end>";
    const auto mask = mask_of(matcher, *vocabulary);
    std::vector<std::size_t> allowed;
    for (std::size_t id = 0; id < vocabulary->num_tokens(); ++id) {
      if (has(mask, id)) allowed.push_back(id);
    }
    if (allowed.empty()) return text + "<empty mask>";
    std::size_t id = allowed[random() % allowed.size()];
    if (step > long_tokens && random() % 4 != 0) {
      for (const char closing : {'0', ']', '}', '"'}) {
        if (has(mask, static_cast<std::uint8_t>(closing))) id = static_cast<std::uint8_t>(closing);
      }
      if (has(mask, kEnd)) id = kEnd;
    }
    if (!matcher.accept(token(id))) return text + "<refused>";
    text += vocabulary->bytes_of(token(id));
  }
  return text;
}

inline std::string refusal(const Grammar::Created& created) {
  return created ? "" : created.error().text();
}

}  // namespace fathom::grammar
