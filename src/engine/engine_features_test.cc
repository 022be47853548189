// What requests may ask for, on the demo model: each feature does what it says, and none of them
// lets one request's answer depend on another.
#include <gtest/gtest.h>

#include <cmath>
#include <future>
#include <random>
#include <set>

#include "engine/engine_test_data.h"
#include "engine/perplexity.h"

namespace fathom::engine {
namespace {

constexpr const char* kQuestion = "User: how do I start the server\n\nAssistant:";
constexpr const char* kStory =
    "The server reads the model, and the model reads the prompt. The prompt asks the server what "
    "the model reads, and the server answers that the model reads the prompt.";

// Bit for bit: tokens, log-probabilities and text.
void expect_same(const Received& a, const Received& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.text, b.text);
  EXPECT_EQ(a.finish, b.finish);
  EXPECT_EQ(a.logprobs, b.logprobs);
  EXPECT_EQ(a.prompt_logprobs, b.prompt_logprobs);
}

class EngineFeatures : public EngineTest {
 protected:
  GenerationRequest greedy(std::int64_t max_tokens) const {
    GenerationRequest made = request(kQuestion, max_tokens);
    made.stop.ignore_eos = true;
    return made;
  }
};

TEST_F(EngineFeatures, PrefixCacheChangesNothingButTheWork) {
  start({.max_step_tokens = 16});
  GenerationRequest asked = request(kStory, 12);
  asked.top_logprobs = 5;
  const auto first = ask(asked);
  const auto second = ask(asked);
  EXPECT_EQ(first->last.cached_prompt_tokens, 0);
  EXPECT_GE(second->last.cached_prompt_tokens, 16);
  expect_same(*first, *second);
  asked.tenant = "somebody else";
  EXPECT_EQ(ask(asked)->last.cached_prompt_tokens, 0);
  expect_idle();
}

TEST_F(EngineFeatures, AnswersOfOneTokenFillThePrefixCacheToo) {
  start();
  EXPECT_EQ(ask(request(kStory, 1))->last.cached_prompt_tokens, 0);
  EXPECT_GE(ask(request(kStory, 1))->last.cached_prompt_tokens, 16);
}

TEST_F(EngineFeatures, PausedAnswersAreTheSame) {
  start();
  GenerationRequest asked = request(kStory, 60);
  asked.stop.ignore_eos = true;
  asked.sampling = {.temperature = 0.8F, .frequency_penalty = 0.3F, .seed = 5};
  const auto expected = ask(asked);
  engine_.reset();
  // Room for one context; both answers grow to all of it.
  start({.max_context_tokens = 256, .reserve_tokens = 16, .kv_memory_bytes = 256 * 8192});
  asked.stop.max_tokens.reset();
  std::vector<std::unique_ptr<Received>> answers;
  for (int i = 0; i < 2; ++i) {
    answers.push_back(std::make_unique<Received>());
    ASSERT_TRUE(engine_->submit(asked, answers.back()->callback()));
  }
  for (const auto& answer : answers) {
    answer->wait();
    EXPECT_EQ(answer->finish, FinishReason::kLength);
    ASSERT_GE(answer->tokens.size(), 60U);
    EXPECT_TRUE(
        std::equal(expected->tokens.begin(), expected->tokens.end(), answer->tokens.begin()));
  }
  EXPECT_EQ(answers[0]->tokens, answers[1]->tokens);
  EXPECT_EQ(answers[0]->last.timings.num_pauses, 0);
  EXPECT_GE(answers[1]->last.timings.num_pauses, 1);
  EXPECT_GT(answers[1]->last.timings.paused_ms, 0);
}

TEST_F(EngineFeatures, GuessesChangeNothingButTheSteps) {
  GenerationRequest asked = request(kStory, 80);
  asked.stop.ignore_eos = true;
  asked.top_logprobs = 3;
  GenerationRequest drawn = asked;
  drawn.sampling = {.temperature = 0.7F, .top_p = 0.9F, .seed = 11};
  start();
  const auto plain = ask(asked);
  const auto plain_drawn = ask(drawn);
  engine_.reset();
  std::atomic<std::int64_t> accepted{0};
  EngineOptions options;
  options.max_draft_tokens = 4;
  options.on_step = [&](const StepReport& report) { accepted += report.num_accepted_tokens; };
  start(options);
  expect_same(*ask(asked), *plain);
  expect_same(*ask(drawn), *plain_drawn);
  engine_.reset();
  EXPECT_GT(accepted, 5);
}

TEST_F(EngineFeatures, PenaltiesCountTheAnswerAndThePrompt) {
  start();
  GenerationRequest asked = greedy(40);
  asked.sampling.presence_penalty = 1000;
  const auto once = ask(asked);
  EXPECT_EQ(std::set(once->tokens.begin(), once->tokens.end()).size(), once->tokens.size());
  asked.sampling = {.temperature = 0, .repetition_penalty = 1e6F};
  const auto neither = ask(asked);
  const auto prompt = std::set(asked.prompt.begin(), asked.prompt.end());
  const std::set answer(neither->tokens.begin(), neither->tokens.end());
  EXPECT_EQ(answer.size(), neither->tokens.size());
  for (const TokenId token : answer) EXPECT_FALSE(prompt.contains(token));
}

TEST_F(EngineFeatures, BiasesForceAndForbid) {
  start();
  GenerationRequest asked = greedy(5);
  asked.sampling.logit_bias = {{TokenId{77}, 1100.0F}};
  EXPECT_EQ(ask(asked)->tokens, std::vector<TokenId>(5, TokenId{77}));
  const TokenId first = ask(greedy(1))->tokens[0];
  asked.sampling.logit_bias = {{first, -std::numeric_limits<float>::infinity()}};
  const auto without = ask(asked);
  for (const TokenId token : without->tokens) EXPECT_NE(token, first);
}

TEST_F(EngineFeatures, BadWordsNeverComeWhole) {
  start();
  const auto free = ask(greedy(12));
  GenerationRequest asked = greedy(12);
  asked.stop.bad_words = {{free->tokens[2], free->tokens[3], free->tokens[4]}};
  const auto kept = ask(asked);
  EXPECT_TRUE(std::equal(free->tokens.begin(), free->tokens.begin() + 4, kept->tokens.begin()));
  EXPECT_NE(free->tokens[4], kept->tokens[4]);
}

TEST_F(EngineFeatures, MinTokensHoldOffTheEnd) {
  start();
  const auto free = ask(request(kQuestion, 100));
  ASSERT_EQ(free->finish, FinishReason::kStop);
  GenerationRequest asked = request(kQuestion, 100);
  asked.stop.min_tokens = std::ssize(free->tokens) + 5;
  EXPECT_GT(ask(asked)->tokens.size(), free->tokens.size() + 4);
}

TEST_F(EngineFeatures, StopTokensAndStringsEndTheAnswer) {
  start();
  const auto free = ask(greedy(10));
  GenerationRequest asked = greedy(10);
  asked.stop.token_ids = {free->tokens[3]};
  const auto by_token = ask(asked);
  EXPECT_EQ(by_token->tokens.size(), 4U);
  EXPECT_EQ(by_token->last.stop_token, free->tokens[3]);
  asked.stop.token_ids.clear();
  asked.stop.texts = {"serve"};
  asked.stop.include_text = true;
  const auto by_text = ask(asked);
  EXPECT_TRUE(by_text->text.ends_with("serve")) << by_text->text;
  EXPECT_EQ(by_text->last.stop_text, "serve");
  EXPECT_EQ(by_text->last.completion_tokens, std::ssize(by_text->tokens));
}

TEST_F(EngineFeatures, LogprobsAreThoseOfTheModel) {
  start({.max_step_tokens = 24}, 2);
  GenerationRequest asked = request(kStory, 6);
  asked.top_logprobs = 4;
  asked.prompt_logprobs = 2;
  const auto answer = ask(asked);
  ASSERT_EQ(answer->prompt_logprobs.size(), asked.prompt.size() - 1);
  ASSERT_EQ(answer->logprobs.size(), answer->tokens.size());
  auto folder = checkpoint::ModelFolder::open(kModel);
  auto weights = model::Weights::load(
      std::make_shared<const checkpoint::ModelFolder>(*std::move(folder)), *device_, {});
  auto scorer =
      Scorer::create(std::make_shared<const model::Weights>(*std::move(weights)), *device_,
                     {.max_context_tokens = 512,
                      .num_valid_tokens = 4096,
                      .determinism = model::Determinism::kBatch});
  std::vector<TokenId> all = asked.prompt;
  all.insert(all.end(), answer->tokens.begin(), answer->tokens.end());
  const auto expected = *scorer->logprobs(all);
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    const bool is_prompt = i < answer->prompt_logprobs.size();
    const TokenLogprobs& given = is_prompt ? answer->prompt_logprobs[i]
                                           : answer->logprobs[i - answer->prompt_logprobs.size()];
    EXPECT_EQ(given.chosen.token, all[i + 1]);
    EXPECT_EQ(given.chosen.logprob, expected[i]) << i;
    EXPECT_EQ(given.top.size(), is_prompt ? 2U : 4U);
    EXPECT_GE(given.rank, 1);
    if (!is_prompt) {
      EXPECT_EQ(given.rank, 1);  // greedy
      EXPECT_EQ(given.top[0], given.chosen);
    }
  }
}

TEST_F(EngineFeatures, EmbeddingsDoNotDependOnChunksOrCompany) {
  const auto embed = [this](const char* text, Pooling pooling) {
    std::promise<EmbeddingAnswer> promise;
    const auto id = engine_->submit_embedding(
        {.prompt = *tokenizer_->encode(text), .pooling = pooling},
        [&promise](EmbeddingAnswer answer) { promise.set_value(std::move(answer)); });
    EXPECT_TRUE(id);
    return promise.get_future().get();
  };
  std::vector<std::vector<float>> expected;
  for (const std::int64_t step_tokens : {512, 16, 17}) {
    start({.max_step_tokens = step_tokens});
    Received company;
    if (step_tokens == 17) {
      ASSERT_TRUE(engine_->submit(greedy(50), company.callback()));
    }
    std::vector<std::vector<float>> values;
    for (const Pooling pooling : {Pooling::kMean, Pooling::kLast}) {
      for (const char* text : {kStory, "one"}) {
        const EmbeddingAnswer answer = embed(text, pooling);
        EXPECT_FALSE(answer.error);
        EXPECT_EQ(std::ssize(answer.values), engine_->embedding_size());
        values.push_back(answer.values);
      }
    }
    if (expected.empty()) expected = values;
    EXPECT_EQ(values, expected);
    engine_.reset();
  }
  EXPECT_NE(expected[0], expected[2]);
}

TEST_F(EngineFeatures, RequestsThatWaitTooLongAreToldSo) {
  start({.max_batch_size = 1});
  Received running;
  GenerationRequest endless = greedy(1500);
  const auto id = engine_->submit(endless, running.callback());
  running.wait_for_tokens(1);
  GenerationRequest patient = greedy(1);
  patient.queue_deadline = std::chrono::milliseconds(30);
  const auto late = ask(patient);
  EXPECT_EQ(late->finish, FinishReason::kError);
  EXPECT_EQ(late->error->code, base::ErrorCode::kUnavailable);
  EXPECT_GE(engine_->retry_after().count(), 1);
  EXPECT_EQ(engine_->status().num_running, 1);
  engine_->cancel(*id);
  running.wait();
}

TEST_F(EngineFeatures, AnswersKeepToTheirGrammar) {
  start({.max_batch_size = 4});
  std::vector<std::unique_ptr<Received>> answers;
  const std::vector<std::string> choices{"red apples", "green pears"};
  for (const auto& grammar :
       {*grammar::Grammar::from_regex("[0-9]{3}-[a-f]{4}"), *grammar::Grammar::from_choice(choices),
        *grammar::Grammar::from_json_schema(
            R"({"type":"object","properties":{"n":{"type":"integer","minimum":0,"maximum":99},)"
            R"("on":{"type":"boolean"}},"required":["n","on"],"additionalProperties":false})")}) {
    for (const float temperature : {0.0F, 1.0F}) {
      GenerationRequest asked = greedy(100);
      asked.grammar = grammar;
      asked.stop.min_tokens = 50;  // the grammar knows better
      asked.sampling.temperature = temperature;
      answers.push_back(std::make_unique<Received>());
      ASSERT_TRUE(engine_->submit(std::move(asked), answers.back()->callback()));
    }
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    answers[i]->wait();
    EXPECT_EQ(answers[i]->finish, FinishReason::kStop);
    const std::string& text = answers[i]->text;
    SCOPED_TRACE(text);
    if (i / 2 == 0) {
      EXPECT_EQ(text.size(), 8U);
      EXPECT_EQ(text.find_first_not_of("0123456789"), 3U);
      EXPECT_EQ(text.find_first_not_of("abcdef", 4), std::string::npos);
    } else if (i / 2 == 1) {
      EXPECT_TRUE(text == choices[0] || text == choices[1]);
    } else {
      EXPECT_TRUE(text.starts_with("{") && text.ends_with("}"));
      EXPECT_LT(text.find("\"n\""), text.find("\"on\""));
      EXPECT_TRUE(text.find("true") != std::string::npos ||
                  text.find("false") != std::string::npos);
    }
  }
}

// Every feature at random, alone and then all together: the same bits.
TEST_F(EngineFeatures, GivesTheSameBitsWhateverElseRuns) {
  std::mt19937 random(std::random_device{}());
  const auto seed = random();
  SCOPED_TRACE(seed);
  random.seed(seed);
  start({}, 1);
  std::vector<GenerationRequest> requests;
  std::vector<std::unique_ptr<Received>> alone;
  const auto grammar = *grammar::Grammar::from_json_object();
  for (int i = 0; i < 24; ++i) {
    std::string prompt = random() % 2 == 0 ? kStory : "";
    for (std::uint32_t j = random() % 40 + 1; j > 0; --j) {
      prompt += "word" + std::to_string(random() % 50) + " ";
    }
    GenerationRequest each = request(prompt, 1 + random() % 30);
    each.stop.ignore_eos = random() % 2 == 0;
    each.priority = random() % 3;
    each.sampling = {.temperature = 0.3F * static_cast<float>(random() % 4),
                     .top_k = static_cast<std::int32_t>(random() % 3 * 20),
                     .top_p = random() % 2 == 0 ? 1.0F : 0.9F,
                     .seed = random()};
    if (random() % 3 == 0) each.sampling.repetition_penalty = 1.2F;
    if (random() % 3 == 0) each.sampling.frequency_penalty = 0.5F;
    if (random() % 3 == 0) each.sampling.logit_bias = {{TokenId{100}, 2.0F}};
    if (random() % 3 == 0) each.top_logprobs = static_cast<std::int32_t>(random() % 5);
    if (random() % 4 == 0) each.prompt_logprobs = static_cast<std::int32_t>(random() % 5);
    if (random() % 4 == 0) each.stop.texts = {"the"};
    if (random() % 4 == 0) each.stop.min_tokens = 3;
    if (random() % 4 == 0) each.grammar = grammar;
    requests.push_back(each);
    alone.push_back(ask(each));
  }
  engine_.reset();
  for (const std::int64_t drafts : {0, 3}) {
    start({.max_batch_size = 7,
           .max_step_tokens = 37,
           .max_draft_tokens = drafts,
           .kv_memory_bytes = 16 << 20},
          3);
    for (const bool again : {false, true}) {
      std::vector<std::unique_ptr<Received>> answers;
      for (const GenerationRequest& each : requests) {
        answers.push_back(std::make_unique<Received>());
        ASSERT_TRUE(engine_->submit(each, answers.back()->callback()));
      }
      for (std::size_t i = 0; i < answers.size(); ++i) {
        SCOPED_TRACE("request " + std::to_string(i) + (again ? " again" : ""));
        answers[i]->wait();
        expect_same(*answers[i], *alone[i]);
      }
    }
    expect_idle();
    engine_.reset();
  }
}

}  // namespace
}  // namespace fathom::engine
