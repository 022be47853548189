// When to come again: from answers, prompts and places in the queue.
#include "engine/step_pace.h"

#include <gtest/gtest.h>

namespace fathom::engine {
namespace {

using namespace std::chrono_literals;

TEST(StepPace, KnowsNothingBeforeItHasMeasured) {
  const StepPace pace;
  EXPECT_EQ(pace.time_for({}), 1s);
  EXPECT_EQ(pace.time_for({4, 100, 4000, 1'000'000}), 1s);
}

TEST(StepPace, CountsTheAnswersOfThoseThatRunAndWait) {
  StepPace pace;
  for (int i = 0; i < 5; ++i) pace.record(100ms, 0);
  // 50 steps of 100 ms.
  EXPECT_EQ(pace.time_for({.num_running = 4, .answer_tokens = 200}), 5s);
  // And as many again for each four that wait.
  EXPECT_EQ(pace.time_for({.num_running = 4, .num_waiting = 8, .answer_tokens = 200}), 15s);
  EXPECT_EQ(pace.time_for({.num_running = 1, .answer_tokens = 1'000'000}), 1h);
}

TEST(StepPace, CountsPromptsThatAreNotComputedYet) {
  StepPace pace;
  pace.record(100ms, 0);
  pace.record(2'100ms, 200);  // the prompt's rows added two seconds: 10 ms each
  const PendingWork decoding{.num_running = 4, .num_waiting = 4, .answer_tokens = 200};
  PendingWork with_prompts = decoding;
  with_prompts.prompt_tokens = 3'000;
  EXPECT_EQ(pace.time_for(decoding), 10s);
  EXPECT_EQ(pace.time_for(with_prompts), 40s);
  // Steps with prompts do not make decoding look slower.
  for (int i = 0; i < 100; ++i) pace.record(2'100ms, 200);
  EXPECT_EQ(pace.time_for(decoding), 10s);
}

TEST(StepPace, MeasuresPromptsBeforeAnythingWasDecoded) {
  StepPace pace;
  pace.record(2s, 200);
  EXPECT_EQ(pace.time_for({.num_waiting = 1, .prompt_tokens = 1'000}), 10s);
}

TEST(StepPace, FollowsWhatChanges) {
  StepPace pace;
  pace.record(100ms, 0);
  for (int i = 0; i < 100; ++i) pace.record(200ms, 0);
  EXPECT_EQ(pace.time_for({.num_running = 1, .answer_tokens = 100}), 20s);
}

}  // namespace
}  // namespace fathom::engine
