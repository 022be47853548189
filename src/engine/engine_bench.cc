// The engine on the bundled model: tokens per second against the batch size, and what the step
// loop costs beside the device's work.
//
// overhead_us is the step thread's time for a step without kernels and copies; limit_us is the
// promise, 20 us and 1 us for each sequence.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "base/check.h"
#include "checkpoint/model_folder.h"
#include "device/cpu_device.h"
#include "engine/engine.h"

namespace fathom::engine {
namespace {

const std::filesystem::path kModel =
    std::filesystem::path(FATHOM_SOURCE_DIR) / "tests/data/models/mini-llama";
constexpr std::int64_t kAnswerTokens = 128;

struct Bundled {
  device::CpuDevice device{device::usable_isas().back(), 0};
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer = *tokenizer::Tokenizer::load(kModel);
  std::shared_ptr<const model::Weights> weights;

  Bundled() {
    auto folder = checkpoint::ModelFolder::open(kModel);
    CHECK(folder.has_value(), "{}", folder.error().text());
    auto loaded = model::Weights::load(
        std::make_shared<const checkpoint::ModelFolder>(*std::move(folder)), device, {});
    CHECK(loaded.has_value(), "{}", loaded.error().text());
    weights = std::make_shared<const model::Weights>(*std::move(loaded));
  }
};

Bundled& bundled() {
  static Bundled instance;
  return instance;
}

struct StepCosts {
  std::mutex mutex;
  std::vector<double> decode_us;  // of steps in which every sequence decodes

  double median() {
    const std::lock_guard lock(mutex);
    if (decode_us.empty()) return 0;
    const auto middle = decode_us.begin() + static_cast<std::ptrdiff_t>(decode_us.size() / 2);
    std::nth_element(decode_us.begin(), middle, decode_us.end());
    return *middle;
  }
};

GenerationRequest request(std::int64_t index, const std::shared_ptr<const grammar::Grammar>& form) {
  GenerationRequest made;
  made.prompt = *bundled().tokenizer->encode("Question " + std::to_string(index) + ": ");
  made.stop.max_tokens = kAnswerTokens;
  made.stop.ignore_eos = true;
  made.sampling.temperature = 0;
  made.grammar = form;
  return made;
}

// Answers `batch` requests at a time.
void run(benchmark::State& state, const std::shared_ptr<const grammar::Grammar>& form) {
  const std::int64_t batch = state.range(0);
  StepCosts costs;
  EngineOptions options;
  options.max_batch_size = batch;
  options.on_step = [&](const StepReport& report) {
    if (report.num_tokens != batch) return;
    const std::lock_guard lock(costs.mutex);
    costs.decode_us.push_back(static_cast<double>(report.host_time.count()) * 1e-3);
  };
  auto engine = Engine::create(bundled().weights, bundled().tokenizer, bundled().device, options);
  CHECK(engine.has_value(), "{}", engine.error().text());
  std::mutex mutex;
  std::condition_variable all_ended;
  std::int64_t num_tokens = 0;
  for (auto _ : state) {
    std::int64_t num_running = batch;
    for (std::int64_t i = 0; i < batch; ++i) {
      const auto id = (*engine)->submit(request(i, form), [&](const GenerationDelta& delta) {
        if (!delta.finish) return;
        const std::lock_guard lock(mutex);
        num_tokens += delta.completion_tokens;
        if (--num_running == 0) all_ended.notify_one();
      });
      CHECK(id.has_value(), "{}", id.error().text());
    }
    std::unique_lock lock(mutex);
    all_ended.wait(lock, [&] { return num_running == 0; });
  }
  engine->reset();
  state.counters["tokens_per_s"] =
      benchmark::Counter(static_cast<double>(num_tokens), benchmark::Counter::kIsRate);
  state.counters["overhead_us"] = costs.median();
  state.counters["limit_us"] = 20.0 + static_cast<double>(batch);
}

void throughput(benchmark::State& state) { run(state, nullptr); }
BENCHMARK(throughput)->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(16)->UseRealTime();

// Each answer is words of letters, whose masks are met again and again.
void throughput_with_grammar(benchmark::State& state) {
  run(state, *grammar::Grammar::from_regex("([a-z]+ )*"));
}
BENCHMARK(throughput_with_grammar)->Arg(1)->Arg(16)->UseRealTime();

}  // namespace
}  // namespace fathom::engine
