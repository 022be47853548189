// Whole models against reference outputs made with transformers, on the first GPU.
#include "goldens_test_data.h"

namespace fathom {
namespace {

// How far the best logit has to lead for a type of lower precision to find the same token.
constexpr double kF16Margin = 0.05;
constexpr double kBF16Margin = 0.3;
constexpr double kFp8Margin = 1.0;

class GpuGoldensTest : public GoldensTest {
 protected:
  void open() override {
    auto opened = device::open_device("cuda");
    if (!opened) GTEST_SKIP() << "SKIPPED: " << opened.error().text();
    device_ = *std::move(opened);
  }

  // Random weights leave no choice that eight bits of mantissa could find again.
  static bool is_trained() { return std::string_view(GetParam().name).starts_with("mini"); }

  void expect_all(const model::WeightOptions& options, double margin, double perplexity) {
    if (!device_->supports(options.matrices_in_fp8 ? DType::kF8E4M3 : options.compute_dtype)) {
      GTEST_SKIP() << "SKIPPED: not computed on " << device_->name();
    }
    ASSERT_NO_FATAL_FAILURE(load(options));
    expect_greedy_ids(margin);
    expect_perplexity(perplexity);
  }
};

TEST_P(GpuGoldensTest, Fp32IsExact) {
  ASSERT_NO_FATAL_FAILURE(load({.compute_dtype = DType::kF32}));
  expect_logprobs();
  expect_greedy_ids(1e-3);
  expect_perplexity(1e-3);
}

TEST_P(GpuGoldensTest, Bf16IsWithinHalfAPercent) {
  if (!is_trained()) GTEST_SKIP() << "not trained";
  expect_all({.compute_dtype = DType::kBF16}, kBF16Margin, 5e-3);
}

TEST_P(GpuGoldensTest, Fp16IsWithinHalfAPercent) {
  expect_all({.compute_dtype = DType::kF16}, kF16Margin, 5e-3);
}

TEST_P(GpuGoldensTest, Fp8IsWithinOnePercent) {
  if (!is_trained()) GTEST_SKIP() << "not trained";
  expect_all({.compute_dtype = DType::kBF16, .matrices_in_fp8 = true}, kFp8Margin, 1e-2);
}

TEST_P(GpuGoldensTest, NarrowKvCachesAreWithinOnePercent) {
  for (const DType kv_dtype : {DType::kI8, DType::kF8E4M3}) {
    if (!device_->supports(kv_dtype) || !device_->supports(DType::kBF16)) continue;
    SCOPED_TRACE(tensor::name(kv_dtype));
    ASSERT_NO_FATAL_FAILURE(load({.compute_dtype = DType::kBF16}, kv_dtype));
    expect_perplexity(1e-2);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GpuGoldensTest, ::testing::ValuesIn(kGoldens),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace fathom
