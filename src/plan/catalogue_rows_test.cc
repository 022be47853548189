// Every row of the catalogue against published figures, and what it holds of the 7B models.
#include <cmath>

#include "footprint/weights.h"
#include "plan/plan_test_data.h"
#include "plan/roofline.h"

namespace fathom::plan {
namespace {

struct Row {
  const char* gpu;
  // Tokens/s of one sequence if nothing but the weights were read at the peak bandwidth.
  double roof_fp16, roof_int4;
  bool fits_fp16;              // with one sequence of 4096 tokens
  std::int64_t batch_fp16;     // at 4096 tokens
  std::int64_t batch_int4;     // the same
  double tpot_low, tpot_high;  // ms, fp16, what published or measured speeds lie within
};

// Roofs: 12.98 GB and 3.99 GB over the makers' bandwidths. Published speeds at batch 1: llama.cpp
// F16 61 tokens/s on a 4090, LMDeploy 102 and gpt-fast 105 on an A100 80GB; AWQ's authors 62 on a
// 4090 and 12 on an Orin, FastChat 27 ms a token on an A6000; ours 290 on an H200.
constexpr Row kRows[] = {
    {"t4", 25, 80, false, 0, 4, 0, 0},
    {"rtx3090", 72, 234, true, 5, 9, 0, 0},
    {"rtx4090", 78, 252, true, 5, 9, 1000.0 / 62, 1000.0 / 61},
    {"a6000", 59, 192, true, 17, 22, 27.1, 27.1},
    {"l4", 23, 75, true, 4, 8, 0, 0},
    {"l40s", 67, 216, true, 16, 20, 0, 0},
    {"a100-40", 120, 389, true, 13, 18, 0, 0},
    {"a100-80", 157, 511, true, 35, 39, 1000.0 / 105, 1000.0 / 102},
    {"h100", 258, 839, true, 34, 39, 0, 0},
    {"h200", 370, 1202, true, 67, 71, 1000.0 / 292, 1000.0 / 284},
    {"orin-64", 16, 51, true, 23, 27, 1000.0 / 12, 1000.0 / 12},
};

TEST(CatalogueRows, AreAllHere) {
  const Catalogue catalogue = whole_catalogue();
  EXPECT_EQ(catalogue.accelerators.size(), std::size(kRows) + 1);
  EXPECT_EQ(catalogue.names(),
            "t4, rtx3090, rtx4090, a6000, l4, l40s, a100-40, a100-80, h100, h200, orin-64, cpu");
}

TEST(CatalogueRows, HaveThePublishedRoofs) {
  const Demand demand = demand_for();
  for (const Row& row : kRows) {
    const Accelerator& device = *demand.catalogue.find(row.gpu);
    const double bytes_per_s = device.bandwidth_gb_per_s.value * 1e9;
    const auto roof = [&](Weights weights) {
      return bytes_per_s / static_cast<double>(footprint::read_weight_bytes(
                               demand.spec, weight_format(weights, device)));
    };
    // The published figures are whole numbers, cut or rounded.
    EXPECT_NEAR(roof(Weights::kFp16), row.roof_fp16, 1) << row.gpu;
    EXPECT_NEAR(roof(Weights::kInt4), row.roof_int4, 1.5) << row.gpu;
  }
}

TEST(CatalogueRows, HoldWhatTheirMemoryAllows) {
  const Demand demand = demand_for();
  for (const Row& row : kRows) {
    const Configuration wide = configure_one(demand, row.gpu);
    EXPECT_EQ(wide.fits(), row.fits_fp16) << row.gpu;
    EXPECT_EQ(wide.max_batch_at_4096, row.batch_fp16) << row.gpu;
    EXPECT_EQ(configure_one(demand, row.gpu, Weights::kInt4).max_batch_at_4096, row.batch_int4)
        << row.gpu;
    // A sequence of 4096 tokens costs 1.875 GiB, beside sampling's 1.6 MiB and more.
    const std::int64_t batch = wide.max_batch_at_4096;
    const double memory_gib = demand.catalogue.find(row.gpu)->memory_gib.value;
    EXPECT_LE(12.87 + 1.875 * static_cast<double>(batch), memory_gib) << row.gpu;
    EXPECT_GT(12.87 + 1.885 * static_cast<double>(batch + 1) + 1.5 +
                  (demand.catalogue.find(row.gpu)->shares_host_memory ? 3.2 : 0),
              memory_gib)
        << row.gpu;
  }
}

TEST(CatalogueRows, PredictPublishedSpeedsWithinTheirRange) {
  Demand demand = demand_for();
  demand.context_tokens = 600;
  for (const Row& row : kRows) {
    const Configuration made = configure_one(demand, row.gpu);
    if (row.tpot_high == 0) continue;
    ASSERT_TRUE(made.tpot_ms) << row.gpu;
    EXPECT_TRUE(made.tpot_ms->contains(row.tpot_low)) << row.gpu << " " << row.tpot_low;
    EXPECT_TRUE(made.tpot_ms->contains(row.tpot_high)) << row.gpu << " " << row.tpot_high;
    EXPECT_LT(made.tpot_ms->high / made.tpot_ms->low, 2) << "a range that says nothing";
  }
}

// bench/results/h200.md and plan.md.
TEST(CatalogueRows, PredictTheMeasurementsOfTheH200) {
  struct Measured {
    Weights weights;
    KvType kv;
    std::int64_t batch, context;
    double low, high;  // tokens/s
  };
  const Demand demand = demand_for();
  const Accelerator& h200 = *demand.catalogue.find("h200");
  for (const Measured& each : {Measured{Weights::kFp16, KvType::kFp16, 1, 600, 284, 292},
                               Measured{Weights::kFp16, KvType::kFp16, 8, 600, 1722, 1730},
                               Measured{Weights::kFp16, KvType::kFp16, 32, 600, 4873, 4969},
                               Measured{Weights::kFp16, KvType::kFp16, 64, 600, 7162, 7358},
                               Measured{Weights::kFp16, KvType::kFp8, 128, 1024, 9746, 10195},
                               Measured{Weights::kFp8, KvType::kFp8, 1, 1024, 437, 440},
                               Measured{Weights::kFp8, KvType::kFp16, 1, 600, 437, 437},
                               Measured{Weights::kFp8, KvType::kFp16, 8, 600, 2105, 2411},
                               Measured{Weights::kFp8, KvType::kFp16, 32, 600, 5281, 5374},
                               Measured{Weights::kFp8, KvType::kFp8, 128, 1024, 10808, 11062}}) {
    const Placement placement{
        .spec = demand.spec, .device = h200, .weights = each.weights, .kv = each.kv};
    const Range step = decode_time(placement, each.batch, each.context).total_seconds;
    const Range rate = static_cast<double>(each.batch) / step;
    EXPECT_TRUE(rate.contains(each.low) && rate.contains(each.high))
        << each.batch << ": " << rate.low << " " << rate.likely << " " << rate.high;
    EXPECT_NEAR(rate.likely / each.high, 1, 0.25) << each.batch;
  }
  for (const auto& [weights, low, high] : {std::tuple{Weights::kFp16, 46700.0, 47600.0},
                                           std::tuple{Weights::kFp8, 75200.0, 78400.0}}) {
    const Placement placement{.spec = demand.spec, .device = h200, .weights = weights};
    const Range rate = 2048.0 / prefill_time(placement, 2048).total_seconds;
    EXPECT_TRUE(rate.contains(low) && rate.contains(high)) << rate.low << " " << rate.high;
    EXPECT_NEAR(rate.likely / high, 1, 0.15);
  }
}

TEST(CatalogueRows, HoldTheDistilledModel) {
  const Demand demand = demand_for("deepseek-r1-distill-qwen-7b");
  // 14.19 GiB of weights leave a T4 nothing; its small KV cache lets a 4090 hold much.
  EXPECT_FALSE(configure_one(demand, "t4").fits());
  EXPECT_TRUE(configure_one(demand, "t4", Weights::kInt8).fits());
  EXPECT_GT(configure_one(demand, "rtx4090").max_batch_at_4096, 25);
  EXPECT_EQ(configure_one(demand, "h200").max_context_at_batch_1, 131072);
}

}  // namespace
}  // namespace fathom::plan
