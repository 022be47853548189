// What the fuzz targets ask of every grammar: masks that are never empty and say what is accepted.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "grammar/grammar.h"

namespace fathom::grammar {

inline std::shared_ptr<const Vocabulary> fuzz_vocabulary() {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
  for (const auto* text : {"", "{\"", "\":", "\", \"", "aa", "ab", "\xE4\xB8", "\n  ", "12", "]}"})
    bytes.emplace_back(text);
  return Vocabulary::create(std::move(bytes), {static_cast<TokenId>(256)}).value();
}

// Takes some allowed tokens, chosen by `seed`; aborts where mask and acceptance differ.
inline void walk_at_random(const std::shared_ptr<const Grammar>& grammar, std::uint64_t seed) {
  static const auto kVocabulary = fuzz_vocabulary();
  constexpr int kMaxSteps = 40;
  Matcher matcher(grammar, kVocabulary);
  std::vector<std::uint32_t> mask(kVocabulary->num_mask_words());
  for (int step = 0; step < kMaxSteps && !matcher.is_finished(); ++step) {
    matcher.fill_mask(mask);
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    const auto count = kVocabulary->num_tokens();
    std::size_t token = (seed >> 33) % count;
    std::size_t num_looked_at = 0;
    const auto is_allowed = [&] { return (mask[token / 32] >> (token % 32) & 1U) != 0; };
    for (; !is_allowed(); token = (token + 1) % count) {
      if (++num_looked_at > count) std::abort();
    }
    if (!matcher.accept(static_cast<TokenId>(token))) std::abort();
  }
}

}  // namespace fathom::grammar
