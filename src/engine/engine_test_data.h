// An engine on the demo model, and what one request got from it. For tests.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "checkpoint/model_folder.h"
#include "device/cpu_device.h"
#include "engine/engine.h"

namespace fathom::engine {

inline const std::filesystem::path kModel =
    std::filesystem::path(FATHOM_SOURCE_DIR) / "tests/data/models/mini-llama";

// Everything that one request got.
class Received {
 public:
  DeltaCallback callback() {
    return [this](GenerationDelta delta) {
      const std::lock_guard lock(mutex_);
      text += delta.text;
      tokens.insert(tokens.end(), delta.tokens.begin(), delta.tokens.end());
      for (const auto& each : delta.logprobs) logprobs.push_back(each);
      for (const auto& each : delta.prompt_logprobs) prompt_logprobs.push_back(each);
      if (delta.error) error = delta.error;
      num_ends += delta.finish ? 1 : 0;
      if (delta.finish) finish = delta.finish;
      last = std::move(delta);
      changed_.notify_all();
    };
  }
  void wait() {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [this] { return num_ends > 0; }));
  }
  void wait_for_tokens(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(60), [&] { return tokens.size() >= count; });
  }

  std::string text;
  std::vector<TokenId> tokens;
  std::vector<TokenLogprobs> logprobs;
  std::vector<TokenLogprobs> prompt_logprobs;
  GenerationDelta last;
  std::optional<FinishReason> finish;
  std::optional<base::Error> error;
  int num_ends = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

class EngineTest : public ::testing::Test {
 protected:
  // The CPU, or what FATHOM_TEST_DEVICE names.
  void open(int num_threads = 2) {
    const char* const name = std::getenv("FATHOM_TEST_DEVICE");
    auto device = device::open_device(name != nullptr ? name : "cpu", {.num_threads = num_threads});
    ASSERT_TRUE(device) << device.error().text();
    device_ = *std::move(device);
  }

  void start(EngineOptions options = {}, int num_threads = 2) {
    ASSERT_NO_FATAL_FAILURE(open(num_threads));
    // The tests compare bits.
    options.determinism = model::Determinism::kBatch;
    auto folder = checkpoint::ModelFolder::open(kModel);
    ASSERT_TRUE(folder) << folder.error().text();
    auto weights = model::Weights::load(
        std::make_shared<const checkpoint::ModelFolder>(*std::move(folder)), *device_, {});
    ASSERT_TRUE(weights) << weights.error().text();
    auto engine = Engine::create(std::make_shared<const model::Weights>(*std::move(weights)),
                                 tokenizer_, *device_, options);
    ASSERT_TRUE(engine) << engine.error().text();
    engine_ = *std::move(engine);
  }

  GenerationRequest request(std::string_view prompt, std::int64_t max_tokens) const {
    GenerationRequest made;
    made.prompt = *tokenizer_->encode(prompt);
    made.stop.max_tokens = max_tokens;
    made.sampling.temperature = 0;
    return made;
  }

  // Submits and waits.
  std::unique_ptr<Received> ask(GenerationRequest asked) {
    auto answer = std::make_unique<Received>();
    const auto id = engine_->submit(std::move(asked), answer->callback());
    EXPECT_TRUE(id) << id.error().text();
    if (id) answer->wait();
    return answer;
  }

  // An answer may be out before what it held has come back.
  void expect_idle() const {
    EngineStatus status = engine_->status();
    for (int i = 0; i < 1000 && status.num_running + status.num_used_kv_blocks > 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      status = engine_->status();
    }
    EXPECT_EQ(status.num_running, 0);
    EXPECT_EQ(status.num_used_kv_blocks, 0);
  }

  std::unique_ptr<device::Device> device_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_ = *tokenizer::Tokenizer::load(kModel);
  std::unique_ptr<Engine> engine_;
};

}  // namespace fathom::engine
