// Fuzz target: any bytes as a JSON schema; one that is read must lead every walk along.
#include <cstdint>
#include <string_view>

#include "grammar/fuzz_walk.h"
#include "grammar/grammar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using fathom::grammar::Grammar;
  const std::string_view schema(reinterpret_cast<const char*>(data), size);
  const auto grammar = Grammar::from_json_schema(schema);
  if (!grammar) return 0;
  for (std::uint64_t seed = 0; seed < 3; ++seed)
    fathom::grammar::walk_at_random(*grammar, seed * 977 + size);
  return 0;
}
