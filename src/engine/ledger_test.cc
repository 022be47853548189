// What an engine takes of memory is what footprint::plan_ledger() says.
#include <gtest/gtest.h>

#include "engine/engine_test_data.h"
#include "footprint/ledger.h"
#include "kernels/device_shape.h"
#include "model/random_weights.h"
#include "spec/known_models.h"

namespace fathom::engine {
namespace {

using tensor::DType;

class LedgerTest : public EngineTest {};

void expect_planned(const Engine& engine, const model::Weights& weights,
                    const footprint::EngineSizes& sizes, const device::Device& device) {
  const footprint::EngineDemand demand{
      .spec = weights.spec(),
      .compute_dtype = weights.compute_dtype(),
      .sizes = sizes,
      .memory_bytes = std::int64_t{16} << 30,
      .runtime_bytes = static_cast<std::int64_t>(engine.ledger().runtime_bytes)};
  const auto plan = footprint::plan_ledger(demand, kernels::device_shape(device));
  ASSERT_TRUE(plan) << plan.error().text();
  EXPECT_EQ(plan->ledger.weights_bytes, engine.ledger().weights_bytes);
  EXPECT_EQ(plan->ledger.kv_bytes, engine.ledger().kv_bytes);
  EXPECT_EQ(plan->ledger.kv_tokens, engine.ledger().kv_tokens);
  EXPECT_EQ(plan->ledger.workspace_bytes, engine.ledger().workspace_bytes);
  EXPECT_EQ(plan->ledger.logits_bytes, engine.ledger().logits_bytes);
  EXPECT_EQ(plan->max_context_tokens, engine.max_context_tokens());
}

TEST_F(LedgerTest, IsPlannedToTheByte) {
  ASSERT_NO_FATAL_FAILURE(open());
  if (!device_->reads_host_memory()) GTEST_SKIP() << "the sizes here are a CPU's";
  struct Case {
    std::int64_t context, batch, drafts, kv_memory;
    DType compute, kv;
  };
  for (const Case& each :
       {Case{0, 0, 0, 0, DType::kBF16, DType::kBF16}, Case{100, 1, 0, 0, DType::kBF16, DType::kI8},
        Case{2048, 64, 0, 0, DType::kF32, DType::kF32},
        Case{0, 300, 4, 64 << 20, DType::kBF16, DType::kBF16},
        Case{513, 7, 2, 0, DType::kF32, DType::kI8}}) {
    auto folder = checkpoint::ModelFolder::open(kModel);
    ASSERT_TRUE(folder);
    auto loaded =
        model::Weights::load(std::make_shared<const checkpoint::ModelFolder>(*std::move(folder)),
                             *device_, {.compute_dtype = each.compute});
    ASSERT_TRUE(loaded) << loaded.error().text();
    const auto weights = std::make_shared<const model::Weights>(*std::move(loaded));
    const auto engine = Engine::create(weights, tokenizer_, *device_,
                                       {.max_context_tokens = each.context,
                                        .max_batch_size = each.batch,
                                        .max_draft_tokens = each.drafts,
                                        .kv_memory_bytes = each.kv_memory,
                                        .kv_dtype = each.kv});
    ASSERT_TRUE(engine) << engine.error().text();
    expect_planned(**engine, *weights,
                   {.max_context_tokens = each.context,
                    .max_batch_size = each.batch,
                    .max_draft_tokens = each.drafts,
                    .kv_memory_bytes = each.kv_memory,
                    .kv_dtype = each.kv},
                   *device_);
  }
}

// Random weights are packed as a GPU's are.
TEST_F(LedgerTest, PackedWeightsAreCountedToTheByte) {
  for (const char* const name : {"deepseek-llm-7b", "deepseek-r1-distill-qwen-7b"}) {
    for (const bool in_fp8 : {false, true}) {
      const spec::ModelSpec spec = *spec::known_shape(name);
      const footprint::WeightFormat format{.matrices = in_fp8 ? footprint::MatrixFormat::kF8E4M3
                                                              : footprint::MatrixFormat::kBF16};
      EXPECT_EQ(static_cast<std::size_t>(footprint::packed_weight_bytes(spec, format)),
                model::random_weights_bytes(spec, {.matrices_in_fp8 = in_fp8}));
    }
  }
}

}  // namespace
}  // namespace fathom::engine
