// Fuzz target: a model's text, whole and cut at every byte, must read the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "serve/openai/output/output_parser.h"

namespace {

using fathom::serve::append_piece;
using fathom::serve::OutputFormat;
using fathom::serve::OutputParser;
using fathom::serve::OutputPiece;
using fathom::serve::ToolFormat;

std::vector<OutputPiece> read(const OutputFormat& format, std::string_view text, std::size_t step) {
  OutputParser parser(format);
  std::vector<OutputPiece> all;
  const auto add = [&](const std::vector<OutputPiece>& pieces) {
    for (const OutputPiece& piece : pieces) append_piece(all, piece.kind, piece.text);
  };
  for (std::size_t at = 0; at < text.size(); at += step) add(parser.push(text.substr(at, step)));
  add(parser.finish());
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 4096) return 0;
  const OutputFormat format{.splits_reasoning = (data[0] & 1U) != 0,
                            .starts_in_reasoning = (data[0] & 2U) != 0,
                            .tools = static_cast<ToolFormat>((data[0] >> 2U) % 3),
                            .has_parallel_calls = (data[0] & 16U) != 0};
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = read(format, text, text.size() + 1);
  for (const std::size_t step : {1, 3, 7}) {
    const auto cut = read(format, text, step);
    if (cut.size() != whole.size()) std::abort();
    for (std::size_t i = 0; i < cut.size(); ++i) {
      if (cut[i].kind != whole[i].kind || cut[i].text != whole[i].text) std::abort();
    }
  }
  return 0;
}
