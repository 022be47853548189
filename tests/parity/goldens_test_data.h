// Models with reference outputs made with transformers, loaded on a device. For tests.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/model_folder.h"
#include "device/device.h"
#include "engine/perplexity.h"
#include "kernels/token_logprobs/log_softmax.h"
#include "model/weights.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

namespace json = boost::json;
using base::TokenId;
using tensor::DType;

inline const std::filesystem::path kSource = FATHOM_SOURCE_DIR;

struct Golden {
  const char* name;
  const char* folder;
  const char* goldens;
};

inline constexpr Golden kGoldens[] = {
    {"mini_llama", "tests/data/models/mini-llama", "tests/data/goldens/mini-llama.json"},
    {"mini_qwen2", "../shared/fixtures/mini-qwen2", "../shared/fixtures/goldens/mini-qwen2.json"},
    {"tiny_qwen2", "tests/data/models/tiny-qwen2", "tests/data/goldens/tiny-qwen2.json"},
    {"tiny_llama_linear", "tests/data/models/tiny-llama-linear",
     "tests/data/goldens/tiny-llama-linear.json"},
    {"tiny_llama3", "tests/data/models/tiny-llama3", "tests/data/goldens/tiny-llama3.json"},
    {"tiny_llama_f32", "tests/data/models/tiny-llama-f32",
     "tests/data/goldens/tiny-llama-f32.json"},
};

inline std::vector<TokenId> ids_of(const json::value& value) {
  std::vector<TokenId> ids;
  for (const json::value& id : value.as_array()) {
    ids.push_back(TokenId{id.to_number<std::int32_t>()});
  }
  return ids;
}

class GoldensTest : public ::testing::TestWithParam<Golden> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kSource / GetParam().folder)) {
      GTEST_SKIP() << "SKIPPED: no model at " << kSource / GetParam().folder;
    }
    const auto text = base::read_file(kSource / GetParam().goldens, 1 << 24);
    ASSERT_TRUE(text) << text.error().text();
    auto parsed = base::parse_json(*text, GetParam().goldens);
    ASSERT_TRUE(parsed) << parsed.error().text();
    goldens_ = *parsed;
    open();
  }

  // The device that the tests run on.
  virtual void open() {
    auto opened = device::open_device("cpu");
    ASSERT_TRUE(opened);
    device_ = *std::move(opened);
  }

  void load(const model::WeightOptions& options, std::optional<DType> kv_dtype = {}) {
    auto folder = checkpoint::ModelFolder::open(kSource / GetParam().folder);
    ASSERT_TRUE(folder) << folder.error().text();
    auto tokenizer = tokenizer::Tokenizer::load(kSource / GetParam().folder);
    ASSERT_TRUE(tokenizer) << tokenizer.error().text();
    tokenizer_ = *tokenizer;
    auto weights = model::Weights::load(
        std::make_shared<const checkpoint::ModelFolder>(*std::move(folder)), *device_, options);
    ASSERT_TRUE(weights) << weights.error().text();
    weights_ = std::make_shared<const model::Weights>(*std::move(weights));
    num_valid_ = std::min(tokenizer_->vocab_size(), weights_->spec().vocab_rows);
    auto scorer = engine::Scorer::create(weights_, *device_,
                                         {.max_context_tokens = 2048,
                                          .num_valid_tokens = num_valid_,
                                          .kv_dtype = kv_dtype.value_or(options.compute_dtype)});
    ASSERT_TRUE(scorer) << scorer.error().text();
    scorer_ = std::make_unique<engine::Scorer>(*std::move(scorer));
  }

  void expect_perplexity(double tolerance) {
    for (const auto& [key, file] : {std::pair{"perplexity_heldout_en", "perplexity_en.txt"},
                                    std::pair{"perplexity_heldout_zh", "perplexity_zh.txt"}}) {
      const json::value* golden = goldens_.as_object().if_contains(key);
      if (golden == nullptr) continue;
      const auto text = base::read_file(kSource / "tests/data/goldens" / file, 1 << 24);
      ASSERT_TRUE(text);
      const auto tokens = tokenizer_->encode(*text, {.add_special = false});
      ASSERT_TRUE(tokens);
      const auto result = engine::measure_perplexity(
          *scorer_, *tokens,
          {.window_tokens = 1024, .max_windows = 40, .bos = *tokenizer_->bos_token()});
      ASSERT_TRUE(result);
      const double expected = golden->at("value").to_number<double>();
      EXPECT_EQ(result->tokens, golden->at("tokens").as_int64());
      EXPECT_NEAR(result->value / expected, 1.0, tolerance) << key;
    }
  }

  // Log-probabilities of every case within what f32 arithmetic allows.
  void expect_logprobs() {
    for (const json::value& golden : goldens_.at("cases").as_array()) {
      SCOPED_TRACE(std::string(golden.at("text").as_string()).substr(0, 40));
      const std::vector<TokenId> prompt = ids_of(golden.at("input_ids"));
      const auto logits = scorer_->last_logits(prompt);
      ASSERT_TRUE(logits) << logits.error().text();
      const json::value& top = golden.at("last_logits_top20");
      for (std::size_t i = 0; i < top.at("ids").as_array().size(); ++i) {
        EXPECT_NEAR(
            kernels::log_softmax_at(logits->data(), num_valid_, top.at("ids").at(i).as_int64()),
            top.at("logprobs").at(i).to_number<double>(), 2e-3);
      }
      const auto logprobs = scorer_->logprobs(prompt);
      ASSERT_TRUE(logprobs);
      double sum = 0;
      for (const float logprob : *logprobs) sum += logprob;
      const double expected = golden.at("prompt_logprobs_sum").to_number<double>();
      EXPECT_NEAR(sum / expected, 1.0, 5e-4);
      const json::array& first = golden.at("prompt_logprobs_first32").as_array();
      for (std::size_t i = 0; i < first.size(); ++i) {
        EXPECT_NEAR((*logprobs)[i], first[i].to_number<double>(), 2e-3);
      }
    }
  }

  // Greedy tokens equal after the reference's, wherever its best logit leads by more than
  // `min_margin`.
  void expect_greedy_ids(double min_margin) {
    for (const json::value& golden : goldens_.at("cases").as_array()) {
      SCOPED_TRACE(std::string(golden.at("text").as_string()).substr(0, 40));
      std::vector<TokenId> tokens = ids_of(golden.at("input_ids"));
      const std::vector<TokenId> expected = ids_of(golden.at("greedy_ids"));
      const json::array& margins = golden.at("greedy_margins").as_array();
      for (std::size_t i = 0; i < expected.size(); ++i) {
        if (margins[i].to_number<double>() > min_margin) {
          const auto logits = scorer_->last_logits(tokens);
          ASSERT_TRUE(logits);
          const auto best = std::max_element(logits->begin(), logits->begin() + num_valid_);
          ASSERT_EQ(best - logits->begin(), base::index(expected[i])) << "token " << i;
        }
        tokens.push_back(expected[i]);
        // Long prompts are computed anew for each token: a few tell enough.
        if (tokens.size() > 600 && i >= 3) break;
      }
    }
  }

  json::value goldens_;
  std::unique_ptr<device::Device> device_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  std::shared_ptr<const model::Weights> weights_;
  std::unique_ptr<engine::Scorer> scorer_;
  std::int64_t num_valid_ = 0;
};

}  // namespace fathom
