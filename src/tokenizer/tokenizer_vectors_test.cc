// The real vocabularies' reference encodings, where they lie beside the project.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <random>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/streaming_decoder.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {
namespace {

const std::filesystem::path kSource = FATHOM_SOURCE_DIR;

struct Vocabulary {
  const char* name;
  const char* tokenizer;
  const char* vectors;
  bool normalizes;
};

std::string name_of(const ::testing::TestParamInfo<Vocabulary>& info) { return info.param.name; }

class VectorsTest : public ::testing::TestWithParam<Vocabulary> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kSource / GetParam().tokenizer)) {
      GTEST_SKIP() << "SKIPPED: no reference vocabularies at " << kSource;
    }
    auto loaded = Tokenizer::load(kSource / GetParam().tokenizer);
    ASSERT_TRUE(loaded) << loaded.error().text();
    tokenizer_ = *loaded;
  }
  std::vector<TokenId> encode(std::string_view text) const {
    auto ids = tokenizer_->encode(text, {.add_special = false});
    EXPECT_TRUE(ids) << ids.error().text();
    return *ids;
  }
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_P(VectorsTest, EncodesAndDecodesAsTheReference) {
  auto text = base::read_file(kSource / GetParam().vectors, 1 << 24);
  ASSERT_TRUE(text);
  auto vectors = base::parse_json(*text, "vectors");
  ASSERT_TRUE(vectors) << vectors.error().text();
  ASSERT_GT(vectors->as_array().size(), 10U);
  for (const boost::json::value& vector : vectors->as_array()) {
    const std::string input(vector.at("text").as_string());
    std::vector<TokenId> expected;
    for (const auto& id : vector.at("ids").as_array()) {
      expected.push_back(TokenId{static_cast<std::int32_t>(id.as_int64())});
    }
    EXPECT_EQ(encode(input), expected) << input;
    auto decoded = tokenizer_->decode(expected, {.skip_special = false});
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, GetParam().normalizes ? *to_nfc(input) : input);
  }
}

TEST_P(VectorsTest, KeepsUmlauts) {
  const std::string text = "Führer über Ärger, naïve Straße, Việt Nam";
  EXPECT_EQ(*tokenizer_->decode(encode(text)), text);
}

TEST_P(VectorsTest, StreamsWhatItDecodes) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 200; ++round) {
    std::vector<TokenId> tokens;
    while (tokens.size() < 30) {
      const TokenId token{static_cast<std::int32_t>(
          random() % static_cast<std::uint32_t>(tokenizer_->vocab_size()))};
      if (tokenizer_->decode({&token, 1})) tokens.push_back(token);
    }
    StreamingDecoder decoder(tokenizer_);
    std::string streamed;
    for (const TokenId token : tokens) streamed += decoder.push(token);
    streamed += decoder.finish();
    EXPECT_EQ(streamed, *tokenizer_->decode(tokens));
  }
}

// Milliseconds to encode the text once.
double encode_ms(const Tokenizer& tokenizer, const std::string& text) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(tokenizer.encode(text));
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

TEST_P(VectorsTest, TakesNoMoreThanLinearithmicTime) {
  std::mt19937 random(7);
  std::string han;
  for (int i = 0; i < 350'000; ++i) {
    const std::uint32_t c = 0x4E00 + random() % 20000;
    han += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
            static_cast<char>(0x80 | (c & 0x3F))};
  }
  std::string one_han;
  for (int i = 0; i < 350'000; ++i) one_han += "\xE4\xB8\xAD";
  const std::string spaces(1 << 20, ' ');
  for (const std::string& text :
       {std::string(1 << 20, 'a'), one_han, han, spaces, std::string(1 << 20, '\n'),
        spaces + "\xE4\xB8\xAD", spaces + "x", std::string(1 << 20, '!')}) {
    EXPECT_LT(encode_ms(*tokenizer_, text), 5000) << text.substr(0, 8);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Vocabularies, VectorsTest,
    ::testing::Values(Vocabulary{"deepseek_llm", "../shared/tokenizers/deepseek-llm/tokenizer.json",
                                 "../shared/tokenizers/deepseek-llm/vectors.json", false},
                      Vocabulary{"deepseek_coder",
                                 "../shared/tokenizers/deepseek-coder/tokenizer.json",
                                 "../shared/tokenizers/deepseek-coder/vectors.json", false},
                      Vocabulary{"qwen2", "../shared/tokenizers/qwen2/tokenizer.json",
                                 "../shared/tokenizers/qwen2/vectors.json", true},
                      Vocabulary{"mini", "tests/data/models/mini-llama/tokenizer.json",
                                 "tests/data/goldens/tokenizer_mini.json", false}),
    name_of);

}  // namespace
}  // namespace fathom::tokenizer
