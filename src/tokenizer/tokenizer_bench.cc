// Encoding and decoding speed, in bytes per second of one core.
//
// FATHOM_TOKENIZER names a folder with a tokenizer.json; without it, the demo model's is measured.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/check.h"
#include "base/file.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

const std::filesystem::path kSource = FATHOM_SOURCE_DIR;
constexpr std::size_t kMegabyte = 1'000'000;

const Tokenizer& measured() {
  static const auto tokenizer = [] {
    const char* const folder = std::getenv("FATHOM_TOKENIZER");
    auto loaded = Tokenizer::load(folder != nullptr ? std::filesystem::path(folder)
                                                    : kSource / "tests/data/models/mini-llama");
    CHECK(loaded.has_value(), "{}", loaded.error().text());
    return *std::move(loaded);
  }();
  return *tokenizer;
}

std::string file_text(const std::filesystem::path& path) {
  auto text = base::read_file(path, std::uint64_t{1} << 30);
  CHECK(text.has_value(), "{}", text.error().text());
  return *std::move(text);
}

std::string prose_en() { return file_text(kSource / "tests/data/goldens/perplexity_en.txt"); }
std::string prose_zh() { return file_text(kSource / "tests/data/goldens/perplexity_zh.txt"); }
std::string code() {
  std::string text;
  for (const char* const file : {"scheduler.cc", "sampler.cc", "engine.cc", "engine_steps.cc"}) {
    text += file_text(kSource / "src/engine" / file);
  }
  return text;
}
// What fits into so many bytes: a prompt's length.
std::string beginning_of(std::string text, std::size_t size) {
  return text.substr(0, valid_utf8_prefix(text.substr(0, size)));
}
std::string one_letter(std::size_t size) { return std::string(size, 'a'); }
// Different characters without a space: one word for the pre-tokenizer.
std::string han(std::size_t size) {
  std::string text;
  for (std::uint32_t i = 0; text.size() + 3 <= size; ++i) {
    const std::uint32_t point = 0x4E00 + i * 7919 % 20'000;
    text += static_cast<char>(0xE0 | point >> 12);
    text += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (point & 0x3F));
  }
  return text;
}

void encode(benchmark::State& state, const std::string& text) {
  const Tokenizer& tokenizer = measured();  // loaded before the clock runs
  for (auto _ : state) {
    auto tokens = tokenizer.encode(text);
    CHECK(tokens.has_value(), "{}", tokens.error().text());
    benchmark::DoNotOptimize(tokens->data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void decode(benchmark::State& state, const std::string& text) {
  const auto tokens = *measured().encode(text);
  for (auto _ : state) {
    auto decoded = measured().decode(tokens);
    benchmark::DoNotOptimize(decoded->data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

BENCHMARK_CAPTURE(encode, prose_en, prose_en());
BENCHMARK_CAPTURE(encode, prose_zh, prose_zh());
BENCHMARK_CAPTURE(encode, code, code());
BENCHMARK_CAPTURE(encode, prompt_en_2_kB, beginning_of(prose_en(), 2000));
BENCHMARK_CAPTURE(encode, prompt_zh_2_kB, beginning_of(prose_zh(), 2000));
BENCHMARK_CAPTURE(encode, one_letter_100_kB, one_letter(kMegabyte / 10));
BENCHMARK_CAPTURE(encode, one_letter_1_MB, one_letter(kMegabyte));
BENCHMARK_CAPTURE(encode, han_100_kB, han(kMegabyte / 10));
BENCHMARK_CAPTURE(encode, han_1_MB, han(kMegabyte));
BENCHMARK_CAPTURE(decode, prose_en, prose_en());

}  // namespace
}  // namespace fathom::tokenizer
