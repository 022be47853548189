// What the engine promises beyond answers: memory, failing devices, stalls, when to come again, and
// the same bits with every cache, paused and guessed.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <random>

#include "engine/engine_test_data.h"

namespace fathom::engine {
namespace {

constexpr const char* kStory =
    "The server reads the model, and the model reads the prompt. The prompt asks the server what "
    "the model reads, and the server answers that the model reads the prompt.";

// A device that fails when told to.
class FaultyDevice final : public device::CpuDevice {
 public:
  FaultyDevice() : CpuDevice(device::usable_isas().back(), 1) {}

  base::Result<device::Buffer> allocate(std::size_t num_bytes, device::Place place) override {
    if (num_allocations++ == failing_allocation) {
      return base::fail(base::ErrorCode::kResourceExhausted, "host memory", "told to fail");
    }
    return CpuDevice::allocate(num_bytes, place);
  }
  base::Result<std::unique_ptr<device::Stream>> create_stream() override;
  bool is_lost() const override { return is_lost_after_failure && num_waits > failing_wait; }

  std::atomic<bool> is_lost_after_failure{false};
  int num_allocations = 0;
  int failing_allocation = -1;
  std::atomic<int> num_waits{0};
  std::atomic<int> failing_wait{-1};
};

class FaultyStream final : public device::Stream {
 public:
  FaultyStream(FaultyDevice& device, std::unique_ptr<Stream> inner)
      : device_(device), inner_(std::move(inner)) {}

  device::Device& device() const override { return device_; }
  void copy_to_device(void* to, const void* from, std::size_t num_bytes) override {
    inner_->copy_to_device(to, from, num_bytes);
  }
  void copy_to_host(void* to, const void* from, std::size_t num_bytes) override {
    inner_->copy_to_host(to, from, num_bytes);
  }
  base::Result<void> synchronize() override { return inner_->synchronize(); }
  Mark mark() override { return inner_->mark(); }
  void run_recorded(RecordingKey key, const std::function<void()>& enqueue) override {
    inner_->run_recorded(key, enqueue);
  }
  base::Result<void> wait(Mark mark) override {
    if (device_.num_waits++ == device_.failing_wait) {
      return base::fail(base::ErrorCode::kInternal, "device", "told to fail");
    }
    return inner_->wait(mark);
  }

 private:
  FaultyDevice& device_;
  std::unique_ptr<Stream> inner_;
};

base::Result<std::unique_ptr<device::Stream>> FaultyDevice::create_stream() {
  return std::make_unique<FaultyStream>(*this, TRY(CpuDevice::create_stream()));
}

std::shared_ptr<const model::Weights> load_weights(device::Device& device) {
  auto folder = checkpoint::ModelFolder::open(kModel);
  auto weights = model::Weights::load(
      std::make_shared<const checkpoint::ModelFolder>(*std::move(folder)), device, {});
  return std::make_shared<const model::Weights>(*std::move(weights));
}

class EngineContract : public EngineTest {};

TEST_F(EngineContract, TakesItsMemoryAtTheStartAndNoneLater) {
  FaultyDevice device;
  const auto weights = load_weights(device);
  EXPECT_EQ(device.memory().allocated_bytes, weights->copied_bytes());
  auto engine = Engine::create(weights, tokenizer_, device,
                               {.max_context_tokens = 256,
                                .max_batch_size = 4,
                                .max_step_tokens = 32,
                                .reserve_tokens = 8,
                                .max_draft_tokens = 2,
                                .kv_memory_bytes = 256 * 8192});
  ASSERT_TRUE(engine);
  engine_ = *std::move(engine);
  const MemoryLedger& ledger = engine_->ledger();
  EXPECT_EQ(ledger.weights_bytes, weights->total_bytes());
  EXPECT_EQ(device.memory().allocated_bytes - weights->copied_bytes(),
            ledger.kv_bytes + ledger.workspace_bytes + ledger.logits_bytes);
  EXPECT_EQ(ledger.kv_bytes, 256U * 8192U);
  EXPECT_GT(ledger.runtime_bytes, std::size_t{1} << 20);
  EXPECT_LT(ledger.runtime_bytes, private_memory_bytes());
  const int num_allocations = device.num_allocations;
  std::vector<std::unique_ptr<Received>> answers;
  for (int i = 0; i < 12; ++i) {  // pauses, guesses, scored prompts, penalties, forms
    GenerationRequest asked = request(kStory + std::to_string(i % 3), 20);
    if (i % 3 == 0) asked.stop.max_tokens.reset();
    if (i % 4 == 0) asked.prompt_logprobs = 20;
    asked.top_logprobs = 20;
    asked.stop.ignore_eos = i % 2 == 0;
    if (i % 5 == 0) asked.sampling.presence_penalty = 1;
    if (i % 5 == 1) asked.grammar = *grammar::Grammar::from_json_object();
    answers.push_back(std::make_unique<Received>());
    ASSERT_TRUE(engine_->submit(std::move(asked), answers.back()->callback()));
  }
  for (const auto& answer : answers) answer->wait();
  EXPECT_EQ(device.num_allocations, num_allocations);
  engine_.reset();
  EXPECT_EQ(device.memory().allocated_bytes, weights->copied_bytes());
}

TEST_F(EngineContract, EveryAllocationMayFail) {
  FaultyDevice device;
  const auto weights = load_weights(device);
  int failing = 0;
  for (bool is_made = false; !is_made; ++failing) {
    ASSERT_LT(failing, 100);
    device.num_allocations = 0;
    device.failing_allocation = failing;
    const auto engine = Engine::create(weights, tokenizer_, device, {.max_batch_size = 2});
    is_made = engine.has_value();
    if (is_made) break;
    EXPECT_EQ(engine.error().code, base::ErrorCode::kResourceExhausted);
    EXPECT_EQ(device.memory().allocated_bytes, weights->copied_bytes())
        << "leaked by failure " << failing;
  }
  EXPECT_GE(failing, 4);
}

TEST_F(EngineContract, ALostDeviceEndsEveryRequestAndTakesNoMore) {
  FaultyDevice device;
  device.is_lost_after_failure = true;
  device.failing_wait = 2;
  std::atomic<int> num_losses{0};
  auto engine = Engine::create(load_weights(device), tokenizer_, device,
                               {.max_batch_size = 1, .on_device_lost = [&] { ++num_losses; }});
  ASSERT_TRUE(engine);
  engine_ = *std::move(engine);
  GenerationRequest asked = request(kStory, 12);
  asked.stop.ignore_eos = true;
  Received running;
  Received waiting;
  ASSERT_TRUE(engine_->submit(asked, running.callback()));
  ASSERT_TRUE(engine_->submit(asked, waiting.callback()));
  for (Received* const each : {&running, &waiting}) {
    each->wait();
    EXPECT_EQ(each->finish, FinishReason::kError);
    ASSERT_TRUE(each->error);
    EXPECT_NE(each->error->message.find("told to fail"), std::string::npos);
  }
  for (int i = 0; i < 1000 && num_losses == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(num_losses, 1);
  const auto refused = engine_->submit(asked, running.callback());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::ErrorCode::kUnavailable);
  engine_.reset();  // before its device
}

TEST_F(EngineContract, AFailedStepEndsItsRequestsAndLeavesNothingWrongBehind) {
  FaultyDevice device;
  auto engine = Engine::create(load_weights(device), tokenizer_, device,
                               {.max_batch_size = 2, .max_step_tokens = 16});
  ASSERT_TRUE(engine);
  engine_ = *std::move(engine);
  GenerationRequest asked = request(kStory, 12);
  asked.stop.ignore_eos = true;
  // The prompt takes three steps: when the second fails, its blocks are known to the cache already.
  device.failing_wait = device.num_waits + 1;
  const auto failed = ask(asked);
  EXPECT_EQ(failed->finish, FinishReason::kError);
  ASSERT_TRUE(failed->error);
  EXPECT_EQ(failed->error->where, "device");
  expect_idle();
  const auto next = ask(asked);
  EXPECT_EQ(next->finish, FinishReason::kLength);
  EXPECT_EQ(next->last.cached_prompt_tokens, 0);  // what the failed step wrote is not trusted
  EXPECT_GT(ask(asked)->last.cached_prompt_tokens, 0);
  engine_.reset();
}

TEST_F(EngineContract, AStepThatHangsShows) {
  std::promise<void> go_on;
  std::shared_future<void> until = go_on.get_future().share();
  EngineOptions options;
  options.on_step = [until](const StepReport&) { until.wait(); };  // on the step thread
  start(options);
  EXPECT_EQ(engine_->status().since_progress.count(), 0);
  Received answer;
  ASSERT_TRUE(engine_->submit(request(kStory, 4), answer.callback()));
  EngineStatus stuck = engine_->status();
  for (int i = 0; i < 1000 && stuck.since_progress.count() < 300; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    stuck = engine_->status();
  }
  EXPECT_GE(stuck.since_progress.count(), 300);
  EXPECT_EQ(stuck.num_running + stuck.num_waiting, 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_GT(engine_->status().since_progress, stuck.since_progress);
  go_on.set_value();
  answer.wait();
  expect_idle();
  EXPECT_EQ(engine_->status().since_progress.count(), 0);
}

TEST_F(EngineContract, ACancelledRequestFreesItsBlocksWithinAStep) {
  std::atomic<bool> is_cancelled{false};
  std::atomic<int> num_steps{0};         // that ended after the cancellation
  std::atomic<int> freed_after{0};       // as many of them; 0: not yet
  std::atomic<std::int64_t> held{1000};  // blocks, before it
  // engine_ is null already while its last steps run.
  std::atomic<const Engine*> engine{nullptr};
  EngineOptions options;
  options.on_step = [&](const StepReport&) {
    const EngineStatus status = engine.load()->status();
    if (!is_cancelled) {
      held = status.num_used_kv_blocks;
      return;
    }
    ++num_steps;
    if (freed_after == 0 && status.num_used_kv_blocks < held) freed_after = num_steps.load();
  };
  start(options);
  engine = engine_.get();
  GenerationRequest endless = request("The ", 1500);
  endless.stop.ignore_eos = true;
  Received first;
  Received second;
  const auto stays = engine_->submit(endless, first.callback());
  const auto leaves = engine_->submit(endless, second.callback());
  second.wait_for_tokens(5);
  is_cancelled = true;
  engine_->cancel(*leaves);
  second.wait();
  for (int i = 0; i < 1000 && freed_after == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  // The step that ran when the client left, and the one after it.
  EXPECT_GE(freed_after, 1);
  EXPECT_LE(freed_after, 2);
  engine_->cancel(*stays);
  first.wait();
  expect_idle();
  engine_.reset();  // before what its steps count in
}

TEST_F(EngineContract, WhenToComeAgainFollowsFromWhatRuns) {
  start({.max_batch_size = 1});
  EXPECT_EQ(engine_->retry_after().count(), 1);
  GenerationRequest endless = request("The ", 1500);
  endless.stop.ignore_eos = true;
  std::vector<std::unique_ptr<Received>> answers;
  std::vector<RequestId> ids;
  const auto submit = [&] {
    answers.push_back(std::make_unique<Received>());
    ids.push_back(*engine_->submit(endless, answers.back()->callback()));
  };
  submit();
  answers[0]->wait_for_tokens(50);
  const auto alone = engine_->retry_after();
  for (int i = 0; i < 100; ++i) submit();
  answers[0]->wait_for_tokens(60);
  const auto busy = engine_->retry_after();
  EXPECT_GE(busy, 10 * alone);  // 101 turns in place of one
  for (const RequestId id : ids) engine_->cancel(id);
  for (const auto& answer : answers) answer->wait();
  expect_idle();
  EXPECT_EQ(engine_->retry_after().count(), 1);
}

TEST_F(EngineContract, WhenToComeAgainCountsPromptsThatWait) {
  constexpr int kRequests = 40;
  constexpr int kMeasured = 3;
  start({.max_batch_size = 1, .use_prefix_cache = false});
  GenerationRequest prompt_alone = request("The ", 1);
  prompt_alone.prompt.resize(500, prompt_alone.prompt.back());
  std::vector<std::unique_ptr<Received>> answers;
  std::vector<RequestId> ids;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kRequests; ++i) {
    answers.push_back(std::make_unique<Received>());
    ids.push_back(*engine_->submit(prompt_alone, answers.back()->callback()));
  }
  for (int i = 0; i < kMeasured; ++i) answers[static_cast<std::size_t>(i)]->wait();
  const std::chrono::duration<double> each = (std::chrono::steady_clock::now() - begin) / kMeasured;
  const std::chrono::duration<double> told = engine_->retry_after();
  EXPECT_GE(told, 0.3 * (kRequests - kMeasured) * each);
  for (const RequestId id : ids) engine_->cancel(id);
  for (const auto& answer : answers) answer->wait();
  expect_idle();
}

class SameBits : public EngineContract, public ::testing::WithParamInterface<tensor::DType> {
 protected:
  static constexpr std::int64_t kContextTokens = 96;

  std::vector<GenerationRequest> random_requests(std::uint32_t seed) const {
    std::mt19937 random(seed);
    std::vector<GenerationRequest> requests;
    for (int i = 0; i < 6; ++i) {
      GenerationRequest each = request(i % 2 == 0 ? kStory : "word" + std::to_string(i), 20);
      if (i % 3 != 0) each.stop.max_tokens.reset();  // may be paused
      each.stop.ignore_eos = true;
      each.sampling = {.temperature = i % 2 == 0 ? 0.0F : 0.8F, .seed = random()};
      if (i % 4 == 1) each.sampling.frequency_penalty = 0.4F;
      each.top_logprobs = 2;
      if (i % 4 == 2) each.prompt_logprobs = 1;
      requests.push_back(each);
    }
    return requests;
  }
};

INSTANTIATE_TEST_SUITE_P(KvCache, SameBits,
                         ::testing::Values(tensor::DType::kBF16, tensor::DType::kF32,
                                           tensor::DType::kI8),
                         [](const auto& each) { return std::string(tensor::name(each.param)); });

// Whatever the cache's type, a pause, a guess, a chunk and company change no bit.
TEST_P(SameBits, PausedGuessedAndInChunks) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  const auto requests = random_requests(seed);
  EngineOptions options;
  options.max_context_tokens = kContextTokens;
  options.kv_dtype = GetParam();
  start(options, 1);
  std::vector<std::unique_ptr<Received>> alone;
  for (const GenerationRequest& each : requests) alone.push_back(ask(each));
  const auto block_bytes =
      static_cast<std::int64_t>(engine_->ledger().kv_bytes) / engine_->status().num_kv_blocks;
  engine_.reset();
  options.max_batch_size = 5;
  options.max_step_tokens = 19;
  options.reserve_tokens = 4;
  options.max_draft_tokens = GetParam() == tensor::DType::kF32 ? 3 : 0;
  options.kv_memory_bytes = block_bytes * 9;  // one context and a half
  start(options, 2);
  std::vector<std::unique_ptr<Received>> answers;
  for (const GenerationRequest& each : requests) {
    answers.push_back(std::make_unique<Received>());
    ASSERT_TRUE(engine_->submit(each, answers.back()->callback()));
  }
  std::int64_t num_pauses = 0;
  std::int64_t num_recomputed = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    SCOPED_TRACE(i);
    answers[i]->wait();
    EXPECT_EQ(answers[i]->tokens, alone[i]->tokens);
    EXPECT_EQ(answers[i]->logprobs, alone[i]->logprobs);
    EXPECT_EQ(answers[i]->prompt_logprobs, alone[i]->prompt_logprobs);
    EXPECT_EQ(answers[i]->finish, alone[i]->finish);
    const GenerationDelta& last = answers[i]->last;
    EXPECT_FALSE(requests[i].stop.max_tokens && last.timings.num_pauses > 0);
    EXPECT_EQ(last.timings.num_pauses > 0, last.timings.paused_ms > 0);
    num_pauses += last.timings.num_pauses;
    num_recomputed += last.recomputed_tokens;
  }
  expect_idle();
  EXPECT_GT(num_pauses, 0);
  EXPECT_GT(num_recomputed, 0);
}

}  // namespace
}  // namespace fathom::engine
