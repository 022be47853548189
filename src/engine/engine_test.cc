// The engine on the demo model: answers, limits, cancellation, and bits under load.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "engine/engine_test_data.h"

namespace fathom::engine {
namespace {

constexpr const char* kQuestion = "User: how do I start the server\n\nAssistant:";

TEST_F(EngineTest, AnswersAndStopsAtTheEnd) {
  start();
  Received answer;
  ASSERT_TRUE(engine_->submit(request(kQuestion, 200), answer.callback()));
  answer.wait();
  EXPECT_EQ(answer.finish, FinishReason::kStop);
  EXPECT_TRUE(answer.text.starts_with(" Run: fathom serve MODEL --port 8000.")) << answer.text;
  EXPECT_EQ(base::index(answer.tokens.back()), 4095);
}

TEST_F(EngineTest, StopsAtAStopStringAndAtTheLimit) {
  start();
  Received cut;
  GenerationRequest stopped = request(kQuestion, 200);
  stopped.stop.texts = {"zzz", "MODEL --p"};
  ASSERT_TRUE(engine_->submit(std::move(stopped), cut.callback()));
  Received limited;
  ASSERT_TRUE(engine_->submit(request(kQuestion, 3), limited.callback()));
  cut.wait();
  limited.wait();
  EXPECT_EQ(cut.text, " Run: fathom serve ");
  EXPECT_EQ(cut.finish, FinishReason::kStop);
  EXPECT_EQ(limited.finish, FinishReason::kLength);
  EXPECT_EQ(limited.tokens.size(), 3U);
}

TEST_F(EngineTest, GivesTheSameBitsWhateverElseRuns) {
  EngineOptions options;
  options.max_batch_size = 5;
  options.max_step_tokens = 37;
  std::vector<GenerationRequest> requests;
  std::vector<std::vector<TokenId>> alone;
  std::mt19937 random(std::random_device{}());
  start(options, 1);
  for (int i = 0; i < 12; ++i) {
    std::string prompt;
    for (std::uint32_t j = random() % 60 + 1; j > 0; --j) {
      prompt += "word" + std::to_string(random() % 50) + " ";
    }
    requests.push_back(request(prompt, 1 + static_cast<std::int64_t>(random() % 20)));
    requests.back().sampling = {.temperature = 0.9F, .top_p = 0.95F, .seed = random()};
    requests.back().stop.ignore_eos = true;
    Received answer;
    ASSERT_TRUE(engine_->submit(requests.back(), answer.callback()));
    answer.wait();
    alone.push_back(answer.tokens);
  }
  engine_.reset();
  start(options, 3);
  std::vector<std::unique_ptr<Received>> answers;
  for (const GenerationRequest& each : requests) {
    answers.push_back(std::make_unique<Received>());
    ASSERT_TRUE(engine_->submit(each, answers.back()->callback()));
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    answers[i]->wait();
    EXPECT_EQ(answers[i]->tokens, alone[i]) << "request " << i;
  }
}

TEST_F(EngineTest, RefusesWhatCannotRun) {
  start({.max_context_tokens = 64});
  EXPECT_EQ(engine_->max_context_tokens(), 64);
  const auto code = [this](GenerationRequest asked) {
    auto id = engine_->submit(std::move(asked), [](GenerationDelta) {});
    return id ? base::ErrorCode::kUnknown : id.error().code;
  };
  GenerationRequest empty = request("x", 1);
  empty.prompt.clear();
  EXPECT_EQ(code(empty), base::ErrorCode::kInvalidArgument);
  GenerationRequest unknown = request("x", 1);
  unknown.prompt = {TokenId{4096}};
  EXPECT_EQ(code(unknown), base::ErrorCode::kInvalidArgument);
  unknown.prompt = {TokenId{-1}};
  EXPECT_EQ(code(unknown), base::ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(request("x", 0)), base::ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(request("x", 64)), base::ErrorCode::kOutOfRange);
  EXPECT_EQ(code(request("x", INT64_MAX)), base::ErrorCode::kOutOfRange);
}

TEST_F(EngineTest, CancelsRunningAndWaitingRequests) {
  start({.max_batch_size = 1});
  Received running;
  Received waiting;
  GenerationRequest endless = request("The ", 1500);
  endless.stop.ignore_eos = true;
  const auto first = engine_->submit(endless, running.callback());
  const auto second = engine_->submit(endless, waiting.callback());
  ASSERT_TRUE(first && second);
  running.wait_for_tokens(3);
  engine_->cancel(*second);
  waiting.wait();
  EXPECT_EQ(waiting.finish, FinishReason::kCancelled);
  EXPECT_TRUE(waiting.tokens.empty());
  engine_->cancel(*first);
  running.wait();
  EXPECT_EQ(running.finish, FinishReason::kCancelled);
  engine_->cancel(*first);  // again: nothing happens
  Received next;
  ASSERT_TRUE(engine_->submit(request("The ", 2), next.callback()));
  next.wait();
  EXPECT_EQ(next.tokens.size(), 2U);
  EXPECT_EQ(running.num_ends, 1);
}

TEST_F(EngineTest, BoundsItsQueueAndEndsEveryRequestWhenItGoes) {
  start({.max_batch_size = 1, .max_queue = 2});
  std::vector<std::unique_ptr<Received>> answers;
  GenerationRequest endless = request("The ", 1500);
  endless.stop.ignore_eos = true;
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    answers.push_back(std::make_unique<Received>());
    if (!engine_->submit(endless, answers.back()->callback())) {
      ++refused;
      answers.pop_back();
    }
  }
  EXPECT_GE(refused, 6);
  engine_.reset();
  for (const auto& answer : answers) EXPECT_EQ(answer->num_ends, 1);
}

TEST_F(EngineTest, SurvivesThreadsThatSubmitAndCancelAtRandom) {
  start({.max_batch_size = 4, .max_step_tokens = 16});
  std::atomic<int> ended{0};
  std::atomic<int> accepted{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 12; ++i) {
        auto id = engine_->submit(request("a b c d e f g", 1 + random() % 12),
                                  [&ended](const GenerationDelta& delta) {
                                    if (delta.finish) ++ended;
                                  });
        if (!id) continue;
        ++accepted;
        if (random() % 3 == 0) engine_->cancel(*id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  engine_.reset();
  EXPECT_EQ(ended, accepted);
}

TEST_F(EngineTest, SaysWhenTheCacheIsTooSmall) {
  ASSERT_NO_FATAL_FAILURE(open());
  auto folder = checkpoint::ModelFolder::open(kModel);
  auto weights = model::Weights::load(
      std::make_shared<const checkpoint::ModelFolder>(*std::move(folder)), *device_, {});
  auto shared = std::make_shared<const model::Weights>(*std::move(weights));
  auto tokenizer = *tokenizer::Tokenizer::load(kModel);
  EXPECT_FALSE(Engine::create(shared, tokenizer, *device_,
                              {.max_context_tokens = 2048, .kv_memory_bytes = 1 << 20}));
  EXPECT_FALSE(Engine::create(shared, tokenizer, *device_, {.max_context_tokens = 4096}));
  EXPECT_FALSE(Engine::create(shared, tokenizer, *device_, {.kv_memory_bytes = 100}));
  auto small = Engine::create(shared, tokenizer, *device_, {.kv_memory_bytes = 1 << 20});
  ASSERT_TRUE(small);
  EXPECT_EQ((*small)->max_context_tokens(), 128);  // 8 KiB a token
}

}  // namespace
}  // namespace fathom::engine
