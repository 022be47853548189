// Routes, readiness, errors, isolation, cancellation.
#include "serve/openai/service.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <thread>

#include "serve/openai/error_response.h"
#include "serve/openai/testing/events_test_data.h"
#include "serve/openai/testing/service_test_data.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;

TEST_F(ServiceTest, AnswersTheSmallRoutes) {
  for (const char* const path : {"/health", "/livez", "/readyz", "/version", "/v1/models"}) {
    EXPECT_EQ(send("GET", path)->status, 200) << path;
    EXPECT_EQ(send("HEAD", path)->status, 200) << path;
    const auto refused = send("POST", path);
    EXPECT_EQ(refused->status, 405) << path;
    EXPECT_EQ(net::find_header(refused->headers, "allow"), "GET, HEAD");
  }
  EXPECT_NE(send("GET", "/v1/models")->body.find("\"id\":\"demo\""), std::string::npos);
  EXPECT_EQ(send("GET", "/v1/models/demo")->status, 200);
  EXPECT_EQ(send("GET", "/v1/models/other")->status, 404);
  EXPECT_NE(send("GET", "/v1/models/other")->body.find("model_not_found"), std::string::npos);
  for (const char* const path : {"/none", "/", "", "/v1/models/", "/v1/chat/completions/"}) {
    EXPECT_EQ(send("GET", path)->status, 404) << path;
  }
  EXPECT_EQ(send("GET", std::string(100'000, 'x'))->status, 404);
  EXPECT_NE(send("GET", "/\xff")->body.find("/\ufffd"), std::string::npos);
}

TEST_F(ServiceTest, TakesOnlyPostForWork) {
  int num_posts = 0;
  for (const Route& route : routes()) {
    if (route.method != RouteMethod::kPost) continue;
    ++num_posts;
    for (const char* const method : {"GET", "PUT", "HEAD", "DELETE"}) {
      const auto refused = send(method, std::string(route.path));
      EXPECT_EQ(refused->status, 405) << route.path;
      EXPECT_EQ(net::find_header(refused->headers, "allow"), "POST");
    }
    // Nothing in any body is more than this request's trouble.
    for (const char* const body :
         {"", "[", "[]", "null", "{}", "{\"model\":\"demo\"}", "{\"a\":1,\"a\":2}"}) {
      const auto refused = post(std::string(route.path), body);
      EXPECT_EQ(refused->status, 400) << route.path << " " << body << refused->body;
      EXPECT_TRUE(json::parse(refused->body).at("error").at("message").is_string());
    }
  }
  EXPECT_EQ(num_posts, 7);
}

TEST_F(ServiceTest, SaysThatTheStepLoopHangs) {
  serve(demo_model(), {.max_stall = std::chrono::milliseconds(500)});
  generator_.current = {
      .num_running = 2, .num_waiting = 3, .since_progress = std::chrono::milliseconds(500)};
  EXPECT_EQ(send("GET", "/livez")->status, 200);
  generator_.current.since_progress = std::chrono::milliseconds(501);
  const auto stalled = send("GET", "/livez");
  EXPECT_EQ(stalled->status, 503);
  EXPECT_NE(stalled->body.find("2 requests running and 3 waiting"), std::string::npos);
  EXPECT_EQ(send("GET", "/health")->status, 200);
}

TEST_F(ServiceTest, IsReadyBetweenStartAndStop) {
  service_->set_readiness(Readiness::kStarting);
  EXPECT_EQ(send("GET", "/readyz")->status, 503);
  service_->set_readiness(Readiness::kReady);
  EXPECT_EQ(send("GET", "/readyz")->status, 200);
  generator_.waits = true;
  const auto running = send("POST", "/v1/completions", R"({"model":"demo","prompt":"x"})");
  ASSERT_TRUE(running->wait_until_submitted());
  EXPECT_EQ(service_->num_open_requests(), 1);
  service_->set_readiness(Readiness::kDraining);
  EXPECT_EQ(send("GET", "/readyz")->status, 503);
  EXPECT_EQ(send("GET", "/health")->status, 200);
  const auto refused = send("POST", "/v1/completions", R"({"model":"demo","prompt":"x"})");
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(net::find_header(refused->headers, "retry-after"), "9");
  generator_.pending()[0]({.text = "done", .finish = engine::FinishReason::kStop});
  ASSERT_TRUE(running->wait());
  EXPECT_EQ(running->status, 200);
}

TEST_F(ServiceTest, CountsOpenRequestsDownToZero) {
  for (int i = 0; i < 20; ++i) chat("");
  for (int i = 0; i < 1000 && service_->num_open_requests() > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(service_->num_open_requests(), 0);
}

TEST_F(ServiceTest, SaysWhenToComeAgain) {
  const std::pair<base::ErrorCode, int> cases[] = {{base::ErrorCode::kResourceExhausted, 429},
                                                   {base::ErrorCode::kUnavailable, 503},
                                                   {base::ErrorCode::kDeadlineExceeded, 503}};
  for (const auto& [code, status] : cases) {
    generator_.failure = base::fail(code, "engine", "not now");
    for (const auto& refused :
         {chat(""), complete(""), post("/v1/embeddings", R"({"model":"demo","input":"x"})")}) {
      EXPECT_EQ(refused->status, status);
      EXPECT_EQ(net::find_header(refused->headers, "retry-after"), "9");
    }
  }
  generator_.failure = base::fail(base::ErrorCode::kInternal, "engine", "broken");
  EXPECT_EQ(chat("")->status, 500);
  EXPECT_EQ(net::find_header(chat("")->headers, "retry-after"), "");
}

TEST_F(ServiceTest, AnExceptionIsOneRequestsTrouble) {
  generator_.throws = true;
  EXPECT_EQ(chat("")->status, 500);
  EXPECT_EQ(chat(R"(, "n": 4, "stream": true)")->status, 500);
  generator_.throws = false;
  EXPECT_EQ(chat("")->status, 200);
}

TEST_F(ServiceTest, CancelsWhenTheClientLeaves) {
  generator_.waits = true;
  auto exchange = send("POST", "/v1/completions", R"({"model":"demo","prompt":"x","n":3})");
  ASSERT_TRUE(exchange->leave());
  EXPECT_EQ(generator_.cancelled(), (std::vector<int>{1, 2, 3}));
  for (const auto& callback : generator_.pending()) {
    callback({.finish = engine::FinishReason::kCancelled});
  }
  EXPECT_FALSE(exchange->is_over());  // nobody is there to hear
}

TEST_F(ServiceTest, RefusesAllOrNone) {
  generator_.fails_from = 2;
  generator_.failure = base::fail(base::ErrorCode::kResourceExhausted, "engine", "queue is full");
  for (const char* const stream : {"false", "true"}) {
    const auto refused = chat(std::string(R"(, "n": 4, "stream": )") + stream);
    EXPECT_EQ(refused->status, 429);
    EXPECT_FALSE(generator_.cancelled().empty());
  }
}

TEST_F(ServiceTest, PassesErrorsOfRunningRequestsOn) {
  generator_.waits = true;
  auto whole = send("POST", "/v1/completions", R"({"model":"demo","prompt":"x","n":2})");
  ASSERT_TRUE(whole->wait_until_submitted());
  generator_.pending()[1]({.finish = engine::FinishReason::kError,
                           .error = base::fail(base::ErrorCode::kInternal, "model", "broken")});
  ASSERT_TRUE(whole->wait());
  EXPECT_EQ(whole->status, 500);
  for (int i = 0; i < 1000 && generator_.cancelled().size() < 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(generator_.cancelled(), (std::vector<int>{1, 2}));
  generator_.pending()[0]({.finish = engine::FinishReason::kCancelled});
  EXPECT_EQ(whole->num_answers, 1);

  auto stream = send("POST", "/v1/completions", R"({"model":"demo","prompt":"x","stream":true})");
  ASSERT_TRUE(stream->wait_until_submitted());
  generator_.pending()[2]({.text = "a"});
  generator_.pending()[2]({.finish = engine::FinishReason::kError,
                           .error = base::fail(base::ErrorCode::kInternal, "model", "broken")});
  ASSERT_TRUE(stream->wait());
  const auto events = events_of(stream->body);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1].at("error").at("type").as_string(), "server_error");
  EXPECT_EQ(stream->body.find("[DONE]"), std::string::npos);
}

TEST_F(ServiceTest, AnswersHealthWhileALongPromptIsTokenized) {
  std::string prompt;
  for (int i = 0; i < 400'000; ++i) prompt += "ab c ";
  auto slow = send("POST", "/tokenize", R"({"prompt":")" + prompt + "\"}");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(send("GET", "/health")->status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(20));
  EXPECT_EQ(chat("")->status, 200);  // a second worker is there
  ASSERT_TRUE(slow->wait());
  EXPECT_EQ(slow->status, 200);
}

TEST_F(ServiceTest, RefusesWhatNoWorkerCanTake) {
  serve(demo_model(), {.num_workers = 1, .max_waiting_tasks = 0});
  const auto refused = send("POST", "/tokenize", R"({"prompt":"x"})");
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(net::find_header(refused->headers, "retry-after"), "9");
}

TEST_F(ServiceTest, KeepsTenantsApart) {
  auto exchange =
      std::make_shared<FakeExchange>("POST", "/v1/completions", R"({"model":"demo","prompt":"x"})");
  service_->handle(exchange, "alice");
  ASSERT_TRUE(exchange->wait());
  EXPECT_EQ(generator_.last().tenant, "alice");
}

TEST_F(ServiceTest, ServesManyAtOnce) {
  std::vector<std::shared_ptr<FakeExchange>> exchanges;
  for (int i = 0; i < 200; ++i) {
    exchanges.push_back(send("POST", "/v1/chat/completions",
                             R"({"model":"demo","stream":true,"n":2,"messages":)"
                             R"([{"role":"user","content":"x"}]})"));
  }
  for (const auto& exchange : exchanges) {
    ASSERT_TRUE(exchange->wait());
    EXPECT_EQ(exchange->status, 200);
    EXPECT_TRUE(exchange->body.ends_with("data: [DONE]\n\n"));
  }
}

TEST_F(ServiceTest, TakesDeltasFromManyThreads) {
  generator_.waits = true;
  auto exchange = send("POST", "/v1/completions",
                       R"({"model":"demo","prompt":"x","n":16,"stream":true,"logprobs":1})");
  while (generator_.pending().size() < 16) std::this_thread::yield();
  std::vector<std::thread> threads;
  for (const auto& callback : generator_.pending()) {
    threads.emplace_back([callback] {
      for (int i = 0; i < 50; ++i) callback({.text = "ab", .tokens = {base::TokenId{39}}});
      callback({.finish = engine::FinishReason::kStop, .completion_tokens = 50});
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(exchange->wait());
  const auto events = events_of(exchange->body);
  EXPECT_EQ(events.size(), 16U * 51);
  std::vector<std::string> texts(16);
  for (const json::value& event : events) {
    const json::value& choice = event.at("choices").at(0);
    texts.at(choice.at("index").to_number<std::size_t>()) +=
        std::string_view(choice.at("text").as_string());
  }
  for (const std::string& text : texts) EXPECT_EQ(text.size(), 100U);
}

TEST(HttpStatus, MapsEveryCode) {
  for (int code = 1; code <= 16; ++code) {
    const int status = http_status(static_cast<base::ErrorCode>(code));
    EXPECT_GE(status, 400);
    EXPECT_LE(status, 503);
  }
  EXPECT_EQ(http_status(base::ErrorCode::kDeadlineExceeded), 503);
}

}  // namespace
}  // namespace fathom::serve
