// Fuzz target: any bytes as a config.json and, after a NUL, a generation_config.json.
#include <cstdint>
#include <string_view>

#include "checkpoint/model_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t nul = input.find('\0');
  const std::string_view generation =
      nul == std::string_view::npos ? std::string_view() : input.substr(nul + 1);
  (void)fathom::checkpoint::parse_model_config(input.substr(0, nul), generation, "fuzz");
  return 0;
}
