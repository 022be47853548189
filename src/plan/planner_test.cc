// Choices, targets, corrections, and what is refused.
#include "plan/planner.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <sstream>

#include "plan/advice.h"
#include "plan/explain.h"
#include "plan/plan_json.h"
#include "plan/plan_test_data.h"
#include "plan/tables.h"
#include "plan/target.h"
#include "plan/text_layout.h"

namespace fathom::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void expect_narrow(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), kTextColumns) << line;
}

std::string refusal(const Demand& demand) {
  const auto made = plan(demand);
  return made ? "no error" : made.error().text();
}

TEST(Planner, RefusesWhatItCannotPlan) {
  Demand demand = demand_for();
  demand.gpu = "rtx5090";
  EXPECT_THAT(refusal(demand), HasSubstr("t4, rtx3090, rtx4090"));
  demand = demand_for();
  demand.gpus = -1;
  EXPECT_THAT(refusal(demand), HasSubstr("--gpus"));
  demand = demand_for();
  demand.batch = 0;
  EXPECT_THAT(refusal(demand), HasSubstr("--batch"));
  demand = demand_for();
  demand.context_tokens = 5000;
  EXPECT_THAT(refusal(demand), HasSubstr("--context: 5000"));
  demand = demand_for();
  demand.tpot_ms = -3;
  EXPECT_THAT(refusal(demand), HasSubstr("--tpot-ms"));
  demand = demand_for();
  demand.requests_per_s = 1;
  demand.input_tokens = 4000;
  demand.output_tokens = 4000;
  EXPECT_THAT(refusal(demand), HasSubstr("--input: 8000"));
  demand = demand_for();
  demand.gpu = "cpu";
  demand.gpus = 2;
  EXPECT_THAT(refusal(demand), HasSubstr("--gpus"));
}

TEST(Planner, AModelThatNobodyCanRunFitsNowhere) {
  Demand demand = demand_for();
  demand.spec.num_layers = 4096;
  demand.spec.num_heads = demand.spec.num_kv_heads = 4096;
  demand.spec.head_dim = 512;
  demand.spec.max_context_tokens = 1 << 24;
  demand.context_tokens = 1 << 24;
  demand.batch = kMaxBatch;
  const auto all = plan(demand);
  ASSERT_TRUE(all) << all.error().text();
  for (const Configuration& each : *all) {
    EXPECT_FALSE(each.fits());
    EXPECT_LT(each.ledger.free_bytes, 0);
    EXPECT_EQ(each.max_batch_at_4096, 0);
  }
}

TEST(Planner, LooksAtEveryRowAndAtWhatFitsInstead) {
  const auto all = plan(demand_for());
  ASSERT_TRUE(all);
  int num_t4 = 0;
  for (const Configuration& each : *all) {
    if (each.device.name == "t4") ++num_t4;
    EXPECT_EQ(each.fits(), each.tpot_ms.has_value());
  }
  EXPECT_EQ(num_t4, 2);  // fp16 does not fit, int8 does
}

TEST(Planner, AnUnevenCutIsCountedByItsLargestPart) {
  EXPECT_THAT(share(86, 4), ElementsAre(22, 22, 21, 21));
  const spec::ModelSpec spec = *spec::known_shape("deepseek-llm-7b");
  EXPECT_EQ(largest_rank(spec, 4, Weights::kInt4).intermediate_size, 22 * 128);
  EXPECT_EQ(largest_rank(spec, 4, Weights::kFp16).intermediate_size, 11008 / 4);
  EXPECT_EQ(largest_rank(spec, 2, Weights::kInt4).intermediate_size, 43 * 128);
  const Configuration made =
      configure_one(demand_for(), "a100-80", Weights::kInt4, KvType::kFp16, 4, Split::kTensor);
  EXPECT_TRUE(has_reason(made, "22, 22, 21, 21"));
  const spec::ModelSpec distilled = *spec::known_shape("deepseek-r1-distill-qwen-7b");
  EXPECT_EQ(largest_rank(distilled, 8, Weights::kFp16).num_kv_heads, 1);
  EXPECT_EQ(largest_rank(distilled, 8, Weights::kFp16).num_heads, 4);
}

TEST(Planner, SaysWhereUsualAdviceIsWrong) {
  const Demand demand = demand_for();
  EXPECT_TRUE(has_reason(configure_one(demand, "t4", Weights::kInt8), "no bf16"));
  EXPECT_TRUE(has_reason(configure_one(demand, "a100-80", Weights::kFp16, KvType::kFp16, 4),
                         "NVLink without NVSwitch"));
  EXPECT_TRUE(
      has_reason(configure_one(demand, "rtx4090", Weights::kFp16, KvType::kFp16, 2, Split::kTensor),
                 "no NVLink"));
  EXPECT_TRUE(has_reason(configure_one(demand, "a6000", Weights::kFp16, KvType::kFp16, 2),
                         "DistributedDataParallel is for training"));
  EXPECT_TRUE(
      has_reason(configure_one(demand, "a6000", Weights::kFp16, KvType::kFp16, 2, Split::kTensor),
                 "not pooled"));
  EXPECT_TRUE(has_reason(configure_one(demand, "a100-80", Weights::kFp8), "sm_89"));
  EXPECT_FALSE(configure_one(demand, "a100-80", Weights::kFp8).fits());
  EXPECT_TRUE(has_reason(configure_one(demand, "h100", Weights::kInt4), "cannot load them yet"));
  EXPECT_TRUE(has_reason(configure_one(demand, "t4"), "--weights int8 fits"));
  const std::vector<std::string> notes = model_notes(demand);
  EXPECT_THAT(notes[0], HasSubstr("fp16 13.82 GB"));
  EXPECT_THAT(notes[1], HasSubstr("480 KiB a token"));
}

TEST(Planner, TwoReplicasCarryTwiceAsMuchAtTheSameLatency) {
  const Demand demand = demand_for();
  const Configuration one = configure_one(demand, "a6000");
  const Configuration two = configure_one(demand, "a6000", Weights::kFp16, KvType::kFp16, 2);
  EXPECT_DOUBLE_EQ(two.tokens_per_s->likely, 2 * one.tokens_per_s->likely);
  EXPECT_DOUBLE_EQ(two.tpot_ms->likely, one.tpot_ms->likely);
  const Configuration split =
      configure_one(demand, "a6000", Weights::kFp16, KvType::kFp16, 2, Split::kTensor);
  EXPECT_LT(split.tpot_ms->likely, one.tpot_ms->likely);
  EXPECT_GT(split.tpot_ms->likely, one.tpot_ms->likely / 2);
}

TEST(Target, RanksByPriceAndSaysWhatTheOthersLack) {
  Demand demand = demand_for();
  demand.requests_per_s = 5;
  demand.ttft_ms = 500;
  demand.tpot_ms = 50;
  const auto all = plan(demand);
  ASSERT_TRUE(all) << all.error().text();
  double before = 0;
  bool is_over = false;
  for (const Configuration& each : *all) {
    const bool meets = *each.meets_target;
    EXPECT_FALSE(meets && is_over) << "one that meets it behind one that does not";
    is_over |= !meets;
    if (!meets) {
      EXPECT_FALSE(each.reasons.empty());
      continue;
    }
    EXPECT_LE(each.tpot_ms->likely, 50);
    EXPECT_LE(each.ttft_ms->likely, 500);
    EXPECT_TRUE(each.fits());
    const double price = each.usd_per_hour.value_or(1e9);
    EXPECT_GE(price, before);
    before = price;
  }
  EXPECT_TRUE(all->front().meets_target.value());
  expect_narrow(target_text(demand, *all));
}

TEST(Target, ATighterOneIsNeverCheaper) {
  double before = 0;
  for (const double load : {0.5, 2.0, 8.0, 32.0, 128.0}) {
    Demand demand = demand_for();
    demand.requests_per_s = load;
    demand.tpot_ms = 40;
    const auto all = plan(demand);
    ASSERT_TRUE(all);
    ASSERT_TRUE(all->front().meets_target.value()) << load;
    EXPECT_GE(*all->front().usd_per_hour, before);
    before = *all->front().usd_per_hour;
  }
}

TEST(Target, AnswersMoreRequestsThanArrive) {
  const Demand demand = demand_for();
  const Accelerator& device = *demand.catalogue.find("h200");
  const Placement placement{.spec = demand.spec, .device = device};
  const SteadyState idle = steady_state(placement, demand, 1, 0.01);
  const SteadyState busy = steady_state(placement, demand, 64, 15);
  EXPECT_GT(busy.requests_per_s, 15);
  EXPECT_GT(busy.tpot_seconds.likely, idle.tpot_seconds.likely);
  EXPECT_GT(busy.ttft_seconds.likely, idle.ttft_seconds.likely);
}

TEST(Target, ThatNothingMeetsSaysSo) {
  Demand demand = demand_for();
  demand.tpot_ms = 0.01;
  const auto all = plan(demand);
  ASSERT_TRUE(all);
  EXPECT_FALSE(all->front().meets_target.value());
  const std::string text = target_text(demand, *all);
  EXPECT_THAT(text, HasSubstr("No configuration of the catalogue meets this"));
  EXPECT_THAT(text, HasSubstr("ms per token, over 0.0"));
}

TEST(Text, FitsEightyColumns) {
  for (const std::string_view model : spec::known_shapes()) {
    Demand demand = demand_for(std::string(model));
    const auto all = plan(demand);
    ASSERT_TRUE(all);
    expect_narrow(overview_text(demand, *all));
    for (const Configuration& each : *all) expect_narrow(explain_text(demand, each));
  }
}

TEST(Json, HasWhatItPromises) {
  const Demand demand = demand_for();
  const auto all = plan(demand);
  ASSERT_TRUE(all);
  const auto json = plan_json(demand, *all);
  EXPECT_EQ(json.at("configurations").as_array().size(), all->size());
  for (const auto& each : json.at("configurations").as_array()) {
    const auto& fields = each.as_object();
    for (const char* const key : {"gpu", "gpus", "split", "weights", "kv", "fits", "ledger",
                                  "max_context_at_batch_1", "max_batch_at_4096", "ttft_ms",
                                  "tpot_ms", "tokens_per_s", "usd_per_million_tokens", "reasons"}) {
      EXPECT_TRUE(fields.contains(key)) << key;
    }
    EXPECT_EQ(fields.at("ttft_ms").is_null(), !fields.at("fits").as_bool());
  }
}

}  // namespace
}  // namespace fathom::plan
