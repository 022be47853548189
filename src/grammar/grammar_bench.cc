// Masks and construction on the vocabulary of deepseek-llm, if it is there, else on a made-up one.
#include <benchmark/benchmark.h>

#include <array>
#include <boost/json.hpp>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "grammar/grammar.h"

namespace fathom::grammar {
namespace {

constexpr std::string_view kSchema = R"({
  "type": "object",
  "properties": {
    "title": {"type": "string"},
    "year": {"type": "integer", "minimum": 1900, "maximum": 2100},
    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 8},
    "author": {"type": "object",
      "properties": {"name": {"type": "string"}, "born": {"type": "string", "format": "date"},
                     "rating": {"type": ["number", "null"]}},
      "required": ["name"], "additionalProperties": false},
    "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}}
  },
  "required": ["title", "author"], "additionalProperties": false,
  "$defs": {"part": {"type": "object",
    "properties": {"kind": {"enum": ["text", "image", "table"]}, "body": {"type": "string"},
                   "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}}},
    "required": ["kind"], "additionalProperties": false}}})";

constexpr std::string_view kAnswer =
    "{\n  \"title\": \"On the growth of plants — a \\\"study\\\"\",\n  \"year\": 1987,\n"
    "  \"tags\": [\"botany\", \"light\", \"水\"],\n  \"author\": {\"name\": \"Ada Smith\", "
    "\"born\": "
    "\"1950-02-28\", \"rating\": 4.5},\n  \"parts\": [{\"kind\": \"text\", \"body\": \"It was "
    "found "
    "that all the plants of the first group grew towards the window.\", \"parts\": [{\"kind\": "
    "\"table\"}]}]\n}";

// The byte that each character of a byte-level vocabulary stands for.
std::map<std::string, char> byte_alphabet() {
  std::map<std::string, char> alphabet;
  std::uint32_t next = 256;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    const bool is_direct = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    const std::uint32_t c = is_direct ? byte : next++;
    std::string text;
    if (c < 0x80) {
      text.push_back(static_cast<char>(c));
    } else {
      text.push_back(static_cast<char>(0xC0 | (c >> 6)));
      text.push_back(static_cast<char>(0x80 | (c & 0x3F)));
    }
    alphabet[text] = static_cast<char>(byte);
  }
  return alphabet;
}

std::vector<std::string> made_up_tokens() {
  std::mt19937 random(1);
  std::vector<std::string> tokens;
  for (int i = 0; i < 100'000; ++i) {
    std::string text = random() % 2 == 0 ? " " : "";
    for (auto length = random() % 9 + 2; length > 0; --length)
      text.push_back(
          "etaoinshrdlucmfwypvbgkjqxz0123456789.,\":{}[]"[random() % (26 + random() % 19)]);
    tokens.push_back(std::move(text));
  }
  return tokens;
}

std::vector<std::string> read_tokens() {
  std::ifstream file(FATHOM_SOURCE_DIR "/../shared/tokenizers/deepseek-llm/tokenizer.json");
  if (!file) return made_up_tokens();
  std::stringstream text;
  text << file.rdbuf();
  const auto alphabet = byte_alphabet();
  std::vector<std::string> tokens;
  const auto document = boost::json::parse(text.str());
  for (const auto& [key, id] : document.at("model").at("vocab").as_object()) {
    std::string bytes;
    const std::string_view token(key.data(), key.size());
    for (std::size_t i = 0; i < token.size();) {
      const std::size_t length = static_cast<unsigned char>(token[i]) < 0x80 ? 1 : 2;
      const auto byte = alphabet.find(std::string(token.substr(i, length)));
      if (byte != alphabet.end()) bytes.push_back(byte->second);
      i += length;
    }
    tokens.push_back(std::move(bytes));
  }
  return tokens;
}

std::shared_ptr<const Vocabulary> vocabulary() {
  static const auto shared = [] {
    auto tokens = read_tokens();
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    tokens.emplace_back();
    const auto end = static_cast<TokenId>(tokens.size() - 1);
    auto created = Vocabulary::create(std::move(tokens), {end});
    CHECK(created, "the benchmark's vocabulary: {}", created.error().text());
    return *created;
  }();
  return shared;
}

// Greedy pieces, as a tokenizer would more or less cut the text.
std::vector<TokenId> cut(std::string_view text) {
  std::map<std::string_view, TokenId> known;
  const auto& words = *vocabulary();
  for (std::size_t i = 0; i < words.num_tokens(); ++i)
    known.emplace(words.bytes_of(static_cast<TokenId>(i)), static_cast<TokenId>(i));
  std::vector<TokenId> tokens;
  while (!text.empty()) {
    auto length = std::min<std::size_t>(text.size(), 16);
    while (!known.contains(text.substr(0, length))) --length;
    tokens.push_back(known.at(text.substr(0, length)));
    text.remove_prefix(length);
  }
  return tokens;
}

std::shared_ptr<const Grammar> schema_grammar(std::string_view schema) {
  auto created = Grammar::from_json_schema(schema);
  CHECK(created, "the benchmark's schema: {}", created.error().text());
  return *created;
}

// One item is one token: its mask and its acceptance.
void follow(benchmark::State& state, std::string_view schema, std::string_view answer,
            bool is_fresh) {
  auto grammar = schema_grammar(schema);
  const auto tokens = cut(answer);
  std::vector<std::uint32_t> mask(vocabulary()->num_mask_words());
  for (auto _ : state) {
    if (is_fresh) {
      state.PauseTiming();
      grammar = schema_grammar(schema);
      state.ResumeTiming();
    }
    Matcher matcher(grammar, vocabulary());
    for (const auto token : tokens) {
      matcher.fill_mask(mask);
      CHECK(matcher.accept(token), "the benchmark's answer is not allowed");
    }
    benchmark::DoNotOptimize(mask.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(tokens.size()));
  state.counters["per_token"] = benchmark::Counter(
      static_cast<double>(tokens.size()),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void masks_of_first_answer(benchmark::State& state) { follow(state, kSchema, kAnswer, true); }
BENCHMARK(masks_of_first_answer)->Unit(benchmark::kMillisecond);

void masks_of_later_answers(benchmark::State& state) { follow(state, kSchema, kAnswer, false); }
BENCHMARK(masks_of_later_answers)->Unit(benchmark::kMillisecond);

// Every token leads to a place that was not met before.
void mask_with_length_limit(benchmark::State& state) {
  follow(state, R"({"type": "string", "maxLength": 500})",
         "\"It was found that all the plants of the first group grew towards the window.\"", true);
}
BENCHMARK(mask_with_length_limit)->Unit(benchmark::kMillisecond);

void mask_inside_a_string(benchmark::State& state) {
  const auto quote = cut("\"").front();
  std::vector<std::uint32_t> mask(vocabulary()->num_mask_words());
  for (auto _ : state) {
    state.PauseTiming();
    const auto grammar = schema_grammar(R"({"type": "string"})");
    Matcher matcher(grammar, vocabulary());
    matcher.accept(quote);
    state.ResumeTiming();
    matcher.fill_mask(mask);
  }
}
BENCHMARK(mask_inside_a_string)->Unit(benchmark::kMicrosecond);

// A mask that was not met before, at a place where the walk has to look at every token.
void mask_of_all_but_one_word(benchmark::State& state) {
  std::vector<std::uint32_t> mask(vocabulary()->num_mask_words());
  for (auto _ : state) {
    state.PauseTiming();
    const auto grammar = Grammar::from_regex("(?:[^z]|z+[^zq])*");
    CHECK(grammar, "the benchmark's expression is not valid");
    Matcher matcher(*grammar, vocabulary());
    state.ResumeTiming();
    matcher.fill_mask(mask);
  }
}
BENCHMARK(mask_of_all_but_one_word)->Unit(benchmark::kMicrosecond);

void read_schema(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(schema_grammar(kSchema));
}
BENCHMARK(read_schema)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace fathom::grammar
