// Fuzz target: any bytes as EBNF and as a regular expression; what is read must lead every walk.
#include <cstdint>
#include <string_view>

#include "grammar/fuzz_walk.h"
#include "grammar/grammar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using fathom::grammar::Grammar;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  for (const auto& grammar : {Grammar::from_ebnf(source), Grammar::from_regex(source)}) {
    if (!grammar) continue;
    for (std::uint64_t seed = 0; seed < 3; ++seed)
      fathom::grammar::walk_at_random(*grammar, seed * 977 + size);
  }
  return 0;
}
