// Known sizes of the 7B models, and what must hold for any.
#include <gtest/gtest.h>

#include "footprint/decoder_arrays.h"
#include "footprint/kv_cache.h"
#include "footprint/ledger.h"
#include "footprint/step_arrays.h"
#include "footprint/weights.h"
#include "spec/known_models.h"

namespace fathom::footprint {
namespace {

constexpr double kGiB = 1 << 30;
using tensor::DType;

double gib(std::int64_t bytes) { return static_cast<double>(bytes) / kGiB; }

spec::ModelSpec llm() { return *spec::known_shape("deepseek-llm-7b"); }
spec::ModelSpec qwen() { return *spec::known_shape("deepseek-r1-distill-qwen-7b"); }

TEST(Weights, AreAsBigAsPublished) {
  const WeightFormat wide;
  const WeightFormat int8{.matrices = MatrixFormat::kI8, .has_wide_head = true};
  const WeightFormat int4{.matrices = MatrixFormat::kI4Group, .has_wide_head = true};
  EXPECT_NEAR(gib(packed_weight_bytes(llm(), wide)), 12.87, 0.005);
  EXPECT_NEAR(gib(packed_weight_bytes(llm(), int8)), 7.22, 0.01);
  EXPECT_NEAR(gib(packed_weight_bytes(llm(), int4)), 4.50, 0.005);
  EXPECT_NEAR(gib(packed_weight_bytes(qwen(), wide)), 14.19, 0.005);
  EXPECT_NEAR(gib(packed_weight_bytes(qwen(), int8)), 8.11, 0.01);
  EXPECT_NEAR(gib(packed_weight_bytes(qwen(), int4)), 5.19, 0.005);
  EXPECT_EQ(stored_weight_bytes(llm(), DType::kBF16), 2 * llm().total_parameters());
}

TEST(Weights, OfATokensStepLackTheEmbedding) {
  const std::int64_t embedding = 102400LL * 4096 * 2;
  const WeightFormat wide;
  EXPECT_EQ(read_weight_bytes(llm(), wide), 2 * llm().total_parameters() - embedding);
  spec::ModelSpec tied = llm();
  tied.tied_embeddings = true;
  EXPECT_EQ(read_weight_bytes(tied, wide), 2 * tied.total_parameters());
}

TEST(Weights, GroupsThatDoNotFillUpCount) {
  // 4-bit values, and for each group 2 bytes of scale and half a byte of zero.
  EXPECT_EQ(matrix_bytes(MatrixFormat::kI4Group, 2, 256), 256 + 4 * 2 + 2);
  EXPECT_EQ(matrix_bytes(MatrixFormat::kI4Group, 2, 257), 258 + 6 * 2 + 3);
  EXPECT_EQ(matrix_bytes(MatrixFormat::kI8, 3, 10), 30 + 12);
}

TEST(KvCache, CostsWhatIsPublished) {
  const auto token_bytes = [](const spec::ModelSpec& spec, DType dtype) {
    return kv_block_bytes(spec, {.dtype = dtype}) / kBlockTokens;
  };
  EXPECT_EQ(token_bytes(llm(), DType::kBF16), 480 * 1024);
  EXPECT_EQ(token_bytes(qwen(), DType::kBF16), 56 * 1024);
  EXPECT_EQ(token_bytes(llm(), DType::kF8E4M3), 240 * 1024);
  // Two scales a layer and head.
  EXPECT_EQ(token_bytes(llm(), DType::kI8), 240 * 1024 + 2 * 30 * 32 * 4);
}

TEST(KvCache, AContextThatEndsInABlockTakesAllOfIt) {
  const auto blocks = [](std::int64_t context) {
    return plan_kv(llm(), {.max_context_tokens = context,
                           .max_batch_size = 1,
                           .memory_bytes = std::int64_t{8} << 30})
        ->shape.num_blocks;
  };
  EXPECT_EQ(blocks(16), 1);
  EXPECT_EQ(blocks(17), 2);
}

TEST(Ledger, AddsUpToNoMoreThanThereIs) {
  for (const std::int64_t gibibytes : {16, 24, 48, 141}) {
    const std::int64_t memory = gibibytes << 30;
    const EngineDemand demand{
        .spec = llm(), .memory_bytes = memory, .runtime_bytes = std::int64_t{500} << 20};
    const auto plan = plan_ledger(demand, {.is_gpu = true, .num_multiprocessors = 100});
    ASSERT_TRUE(plan) << plan.error().text();
    const auto total = static_cast<std::int64_t>(plan->ledger.total_bytes());
    EXPECT_LE(total + plan->kept_bytes, memory);
    // What is left is less than one block, unless the batch has all that it can use.
    const bool is_full = plan->ledger.kv_tokens == 256 * 4096;
    if (!is_full) {
      EXPECT_GT(total + plan->kept_bytes + (16 * 480 << 10), memory);
    }
  }
}

TEST(Ledger, SaysWhatIsMissing) {
  const EngineDemand demand{.spec = llm(), .memory_bytes = std::int64_t{8} << 30};
  const auto plan = plan_ledger(demand, {.is_gpu = true, .num_multiprocessors = 40});
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().message.find("MiB are missing"), std::string::npos);
}

}  // namespace
}  // namespace fathom::footprint
