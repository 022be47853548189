// The benchmark of a shape on a small one, and its table.
#include "bench/shape_rates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "bench/ceilings.h"
#include "bench/shape_report.h"
#include "device/device.h"
#include "spec/known_models.h"

namespace fathom::bench {
namespace {

using tensor::DType;
using ::testing::HasSubstr;

ShapeBenchOptions small_options() {
  ShapeBenchOptions options;
  options.spec = *spec::known_shape("deepseek-r1-distill-qwen-7b");
  options.spec.num_layers = 2;
  options.spec.hidden_size = 256;
  options.spec.intermediate_size = 512;
  options.spec.num_heads = 4;
  options.spec.num_kv_heads = 2;
  options.spec.head_dim = 64;
  options.spec.vocab_rows = 1000;
  options.batches = {1, 3};
  options.context_tokens = 50;
  options.prompt_tokens = 60;
  options.max_dot_size = 1024;
  options.ceiling_read_bytes = 1 << 24;
  return options;
}

class ShapeBenchTest : public ::testing::Test {
 protected:
  std::unique_ptr<device::Device> device_ = *device::open_device("cpu", {.num_threads = 2});
};

void expect_figures(const ShapeReport& report) {
  EXPECT_GT(report.ceilings.read_bytes_per_s, 1e8);
  EXPECT_GT(report.ceilings.dot_flop_per_s, 1e8);
  ASSERT_EQ(report.decode.size(), 2U);
  EXPECT_EQ(report.decode[1].batch, 3);
  EXPECT_EQ(report.decode[1].context_tokens, 50);
  for (const DecodeRate& each : report.decode) {
    EXPECT_NEAR(each.tokens_per_s, static_cast<double>(each.batch) / each.step_ms * 1e3, 1e-6);
    EXPECT_GT(each.percent_of_limit(), 0);
  }
  ASSERT_EQ(report.prefill.size(), 1U);
  EXPECT_EQ(report.prefill[0].num_tokens, 60);
  EXPECT_GT(report.prefill[0].tokens_per_s, 0);
}

TEST_F(ShapeBenchTest, MeasuresEveryPhaseInEveryType) {
  struct Case {
    DType compute, kv;
  };
  for (const Case& types : {Case{DType::kBF16, DType::kBF16}, Case{DType::kF32, DType::kF32},
                            Case{DType::kBF16, DType::kI8}}) {
    ShapeBenchOptions options = small_options();
    options.compute_dtype = types.compute;
    options.kv_dtype = types.kv;
    const auto report = bench_shape(*device_, options);
    ASSERT_TRUE(report) << report.error().text();
    expect_figures(*report);
    // Weights of two bytes and the cache, at least; and everything was given back.
    EXPECT_GT(report->resident_bytes,
              static_cast<std::size_t>(2 * options.spec.total_parameters()));
    EXPECT_EQ(device_->memory().allocated_bytes, 0U);
  }
}

TEST_F(ShapeBenchTest, MeasuresOnePhaseAlone) {
  ShapeBenchOptions options = small_options();
  options.batches.clear();
  auto report = bench_shape(*device_, options);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_TRUE(report->decode.empty());
  options = small_options();
  options.prompt_tokens = 0;
  report = bench_shape(*device_, options);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_TRUE(report->prefill.empty());
}

TEST_F(ShapeBenchTest, RefusesWhatItCannotMeasure) {
  const auto refusal = [&](auto change) {
    ShapeBenchOptions options = small_options();
    change(options);
    const auto report = bench_shape(*device_, options);
    return report ? "no error" : report.error().text();
  };
  EXPECT_THAT(refusal([](auto& o) { o.context_tokens = 10; }), HasSubstr("--context"));
  EXPECT_THAT(refusal([](auto& o) { o.spec.max_context_tokens = 62; }), HasSubstr("--context"));
  EXPECT_THAT(refusal([](auto& o) { o.prompt_tokens = 1 << 20; }), HasSubstr("--prompt"));
  EXPECT_THAT(refusal([](auto& o) { o.batches = {1, 0}; }), HasSubstr("--batch"));
  EXPECT_THAT(refusal([](auto& o) { o.spec.num_layers = 0; }), HasSubstr("--layers"));
  EXPECT_THAT(refusal([](auto& o) { o.spec.vocab_rows = 1 << 26; }), HasSubstr("MiB"));
  EXPECT_THAT(refusal([](auto& o) { o.batches = {1 << 24}; }), HasSubstr("KV cache"));
}

TEST(ShapeReportTable, FitsItsLinesAndTellsOfACutModel) {
  ShapeReport report;
  report.device = "cuda:0, NVIDIA H200, sm_90";
  report.ceilings = {.read_bytes_per_s = 4.2e12, .dot_flop_per_s = 794e12};
  report.resident_bytes = std::size_t{3} << 29;
  report.decode.push_back({.batch = 128,
                           .context_tokens = 1024,
                           .step_ms = 12.5,
                           .tokens_per_s = 10240,
                           .limit_tokens_per_s = 12800});
  report.prefill.push_back(
      {.num_tokens = 2048, .seconds = 0.04, .tokens_per_s = 51200, .limit_tokens_per_s = 64000});
  ShapeTitle title{.model = "deepseek-r1-distill-qwen-7b",
                   .num_layers = 28,
                   .model_layers = 28,
                   .dtype = "bf16",
                   .kv_dtype = "f8_e4m3"};
  std::string text = table_text(title, report);
  EXPECT_THAT(text,
              HasSubstr("decode      128     1024       12.500        10240        12800       "
                        "80.0 %\n"));
  EXPECT_THAT(text, HasSubstr("prefill       1     2048       40.000        51200        64000"));
  EXPECT_THAT(text, HasSubstr("read 4200.0 GB/s, dot 794.000 TOP/s"));
  EXPECT_THAT(text, HasSubstr("1.50 GiB held"));
  EXPECT_EQ(text.find("NOT THE REAL MODEL"), std::string::npos);
  EXPECT_EQ(text.find("the same bits"), std::string::npos);
  title.num_layers = 1;
  title.is_batch_invariant = true;
  text = table_text(title, report);
  EXPECT_THAT(text, HasSubstr("NOT THE REAL MODEL: 1 of its 28 layers"));
  EXPECT_THAT(text, HasSubstr("the same bits whatever else is in the batch"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
}

}  // namespace
}  // namespace fathom::bench
