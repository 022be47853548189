// What must hold for any model and any device.
#include <random>

#include "plan/plan_test_data.h"
#include "plan/roofline.h"

namespace fathom::plan {
namespace {

class RandomPlans : public ::testing::Test {
 protected:
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  template <typename T, std::size_t N>
  T any_of(const T (&values)[N]) {
    return values[static_cast<std::size_t>(between(0, N - 1))];
  }

  spec::ModelSpec any_spec() {
    spec::ModelSpec spec;
    spec.num_layers = between(1, 48);
    spec.num_kv_heads = any_of({1, 2, 4, 8, 32});
    spec.num_heads = spec.num_kv_heads * any_of({1, 2, 7, 8});
    spec.head_dim = any_of({64, 128});
    spec.hidden_size = 128 * between(2, 64);
    spec.intermediate_size = 64 * between(4, 300);
    spec.vocab_rows = 64 * between(2, 2400);
    spec.max_context_tokens = 1024 * between(1, 64);
    spec.tied_embeddings = between(0, 3) == 0;
    spec.qkv_bias = between(0, 1) == 0;
    return spec;
  }

  std::mt19937_64 random_{20261128};
  Catalogue catalogue_ = whole_catalogue();
};

TEST_F(RandomPlans, MoreOfAnythingNeverHelpsMemory) {
  for (int i = 0; i < 200; ++i) {
    const spec::ModelSpec spec = any_spec();
    Accelerator device = catalogue_.accelerators[static_cast<std::size_t>(between(0, 11))];
    device.memory_gib.value = static_cast<double>(between(1, 160));
    const Placement placement{
        .spec = spec, .device = device, .weights = any_of(kAllWeights), .kv = any_of(kAllKvTypes)};
    const std::int64_t context = between(16, spec.max_context_tokens);
    const std::int64_t batch = between(1, 300);
    const DeviceLedger ledger = device_ledger(placement, batch, context);
    // The parts are the whole.
    EXPECT_EQ(ledger.memory_bytes, ledger.weights_bytes + ledger.kv_bytes + ledger.workspace_bytes +
                                       ledger.logits_bytes + ledger.runtime_bytes +
                                       ledger.kept_bytes + ledger.free_bytes);
    // A longer context or a larger batch leaves less.
    EXPECT_LE(device_ledger(placement, batch + 1, context).free_bytes, ledger.free_bytes);
    const std::int64_t longer = between(context, spec.max_context_tokens);
    EXPECT_LE(device_ledger(placement, batch, longer).free_bytes, ledger.free_bytes);
    const std::int64_t most = max_batch(placement, context);
    EXPECT_LE(max_batch(placement, longer), most);
    // It is the largest.
    if (most > 0) {
      EXPECT_TRUE(device_ledger(placement, most, context).fits());
    }
    if (most < kMaxBatch) {
      EXPECT_FALSE(device_ledger(placement, most + 1, context).fits());
    }
    const std::int64_t longest = max_context(placement, batch);
    if (longest > 0) {
      EXPECT_TRUE(device_ledger(placement, batch, longest).fits());
    }
    if (longest < spec.max_context_tokens) {
      EXPECT_FALSE(device_ledger(placement, batch, longest + 1).fits());
    }
    // More memory never fits less.
    Accelerator larger = device;
    larger.memory_gib.value += 1;
    Placement there = placement;
    const Placement roomier{
        .spec = spec, .device = larger, .weights = there.weights, .kv = there.kv};
    EXPECT_GT(device_ledger(roomier, batch, context).free_bytes, ledger.free_bytes);
    EXPECT_GE(max_batch(roomier, context), most);
    EXPECT_GE(max_context(roomier, batch), longest);
  }
}

TEST_F(RandomPlans, MoreDevicesEachHoldLess) {
  for (int i = 0; i < 100; ++i) {
    const spec::ModelSpec spec = any_spec();
    const Accelerator& device = *catalogue_.find("a100-80");
    std::int64_t weights_before = INT64_MAX;
    std::int64_t kv_before = INT64_MAX;
    const Weights weights = any_of(kAllWeights);
    for (const int ranks : {1, 2, 4, 8}) {
      const Placement placement{.spec = spec, .device = device, .ranks = ranks, .weights = weights};
      const DeviceLedger ledger = device_ledger(placement, 2, 1024);
      EXPECT_LE(ledger.weights_bytes, weights_before);
      EXPECT_LE(ledger.kv_bytes, kv_before);
      // The largest part is at least an equal one.
      const Placement whole{.spec = spec, .device = device, .weights = weights};
      EXPECT_GE(ledger.weights_bytes * ranks, device_ledger(whole, 2, 1024).weights_bytes - 4096);
      weights_before = ledger.weights_bytes;
      kv_before = ledger.kv_bytes;
    }
  }
}

TEST_F(RandomPlans, TimesGrowWithWorkAndFallWithSpeed) {
  for (int i = 0; i < 200; ++i) {
    const spec::ModelSpec spec = any_spec();
    const Accelerator device = catalogue_.accelerators[static_cast<std::size_t>(between(0, 11))];
    const Placement placement{
        .spec = spec, .device = device, .weights = any_of(kAllWeights), .kv = any_of(kAllKvTypes)};
    const std::int64_t batch = between(1, 200);
    const std::int64_t context = between(16, 4000);
    const Range step = decode_time(placement, batch, context).total_seconds;
    EXPECT_GT(step.low, 0);
    EXPECT_LE(step.low, step.likely);
    EXPECT_LE(step.likely, step.high);
    EXPECT_GE(decode_time(placement, batch + 1, context).total_seconds.likely, step.likely);
    EXPECT_GE(decode_time(placement, batch, context + 1).total_seconds.likely, step.likely);
    // A step of more sequences costs less than as many steps.
    EXPECT_LE(decode_time(placement, 2 * batch, context).total_seconds.likely, 2 * step.likely);
    const Range prompt = prefill_time(placement, context).total_seconds;
    EXPECT_GE(prefill_time(placement, context + 1).total_seconds.likely, prompt.likely);
    Accelerator faster = device;
    faster.bandwidth_gb_per_s.value *= 2;
    faster.fp16_tflops.value *= 2;
    const Placement there{
        .spec = spec, .device = faster, .weights = placement.weights, .kv = placement.kv};
    EXPECT_LT(decode_time(there, batch, context).total_seconds.likely, step.likely);
  }
}

TEST_F(RandomPlans, PartsOfAnyCutAddUpToTheWhole) {
  for (int i = 0; i < 200; ++i) {
    const std::int64_t total = between(1, 500);
    const int ranks = static_cast<int>(between(1, 16));
    const std::vector<std::int64_t> parts = share(total, ranks);
    std::int64_t sum = 0;
    for (const std::int64_t part : parts) sum += part;
    EXPECT_EQ(sum, total);
    EXPECT_LE(parts.front() - parts.back(), 1);
  }
}

}  // namespace
}  // namespace fathom::plan
