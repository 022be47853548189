// What a request adds to the metrics, from its deltas.
#include "serve/metrics/measured_generator.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "serve/openai/testing/fake_generator.h"

namespace fathom::serve {
namespace {

class MeasuredGeneratorTest : public ::testing::Test {
 protected:
  // The value of the only series of that name, or of the one with that label.
  double value(const std::string& name, const std::string& label = "") {
    std::istringstream text(metrics_.expose({}));
    for (std::string line; std::getline(text, line);) {
      if (!line.starts_with("fathom_" + name + "{")) continue;
      if (line.find(label) != std::string::npos) return std::stod(line.substr(line.rfind(' ')));
    }
    ADD_FAILURE() << "no " << name;
    return -1;
  }

  static engine::GenerationRequest request() {
    engine::GenerationRequest made;
    made.prompt.resize(10);
    made.stop.max_tokens = 7;
    return made;
  }

  Metrics metrics_{{.model_name = "tiny"}};
  FakeGenerator inner_;
  MeasuredGenerator generator_{inner_, metrics_};
};

TEST_F(MeasuredGeneratorTest, CountsAnAnswer) {
  inner_.deltas.back().recomputed_tokens = 5;
  ASSERT_TRUE(generator_.submit(request(), [](auto) {}));
  EXPECT_EQ(value("prompt_tokens_total"), 10);
  EXPECT_EQ(value("prompt_tokens_cached_total"), 4);
  EXPECT_EQ(value("prompt_tokens_recomputed_total"), 5);
  EXPECT_EQ(value("generation_tokens_total"), 3);
  EXPECT_EQ(value("request_success_total", "\"stop\""), 1);
  EXPECT_EQ(value("request_params_n_sum"), 1);
  EXPECT_EQ(value("request_params_max_tokens_sum"), 7);
  EXPECT_EQ(value("request_max_num_generation_tokens_sum"), 3);
  EXPECT_EQ(value("corrupted_requests_total"), 0);
  EXPECT_EQ(value("time_to_first_token_seconds_count"), 1);
  EXPECT_EQ(value("inter_token_latency_seconds_count"), 2);
}

TEST_F(MeasuredGeneratorTest, CountsTheChoicesOfARequestOnce) {
  inner_.waits = true;
  const auto group = std::make_shared<engine::AnswerGroup>(3);
  for (int i = 0; i < 3; ++i) {
    auto each = request();
    each.group = group;
    ASSERT_TRUE(generator_.submit(std::move(each), [](auto) {}));
  }
  for (const std::int64_t tokens : {4, 9, 2}) {
    EXPECT_EQ(value("request_params_n_count"), 0);
    inner_.pending()[tokens == 4   ? 0
                     : tokens == 9 ? 1
                                   : 2](
        {.finish = engine::FinishReason::kLength, .completion_tokens = tokens});
  }
  EXPECT_EQ(value("request_params_n_count"), 1);
  EXPECT_EQ(value("request_params_n_sum"), 3);
  EXPECT_EQ(value("request_max_num_generation_tokens_sum"), 9);
  EXPECT_EQ(value("request_success_total", "\"length\""), 3);
}

TEST_F(MeasuredGeneratorTest, TellsFailuresApart) {
  const auto end_with = [this](const base::Error& error) {
    inner_.deltas = {{.finish = engine::FinishReason::kError, .error = error}};
    ASSERT_TRUE(generator_.submit(request(), [](auto) {}));
  };
  end_with(base::fail(base::ErrorCode::kUnavailable, "engine", "waited too long"));
  EXPECT_EQ(value("admission_rejections_total", "\"no_capacity\""), 1);
  EXPECT_EQ(value("request_success_total", "\"error\""), 0);
  end_with(base::fail(base::ErrorCode::kInternal, "model", "not finite"));
  EXPECT_EQ(value("corrupted_requests_total"), 1);
  end_with(base::fail(base::ErrorCode::kInternal, "device", "gone"));
  EXPECT_EQ(value("corrupted_requests_total"), 1);
  EXPECT_EQ(value("request_success_total", "\"error\""), 2);
  inner_.failure = base::fail(base::ErrorCode::kResourceExhausted, "engine", "full");
  EXPECT_FALSE(generator_.submit(request(), [](auto) {}));
  EXPECT_EQ(value("admission_rejections_total", "\"queue_full\""), 1);
}

TEST_F(MeasuredGeneratorTest, CountsEmbeddingsThatWereNotWaitedFor) {
  inner_.waits = true;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(generator_.submit_embedding({.prompt = {base::TokenId{1}}}, [](auto) {}));
  }
  const auto pending = inner_.pending_embeddings();
  pending[0]({.error = base::fail(base::ErrorCode::kCancelled, "engine", "left")});
  pending[1]({.error = base::fail(base::ErrorCode::kUnavailable, "engine", "waited too long")});
  EXPECT_EQ(value("request_success_total", "\"abort\""), 1);
  EXPECT_EQ(value("request_success_total", "\"error\""), 0);
  EXPECT_EQ(value("admission_rejections_total", "\"no_capacity\""), 1);
}

}  // namespace
}  // namespace fathom::serve
