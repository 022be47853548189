// The API over a generator made here: routes, requests, streams, errors, cancellation.
#include "serve/openai/service.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "serve/openai/error_response.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using engine::FinishReason;
using engine::GenerationDelta;

// Answers every request with "Hi there!" unless told to wait.
class FakeGenerator final : public engine::Generator {
 public:
  base::Result<engine::RequestId> submit(engine::GenerationRequest request,
                                         engine::DeltaCallback on_delta) override {
    if (fails) return base::fail(base::ErrorCode::kResourceExhausted, "engine", "queue is full");
    last = std::move(request);
    if (waits) {
      pending = std::move(on_delta);
    } else {
      on_delta({.text = "Hi", .completion_tokens = 1});
      on_delta({.text = "", .completion_tokens = 2});
      on_delta({.text = " there!", .finish = FinishReason::kStop, .completion_tokens = 3});
    }
    return engine::RequestId{7};
  }
  void cancel(engine::RequestId id) override { cancelled = static_cast<int>(id); }
  std::int64_t max_context_tokens() const override { return 100; }
  base::Result<engine::RequestId> submit_embedding(engine::EmbeddingRequest,
                                                   engine::EmbeddingCallback) override {
    return base::fail(base::ErrorCode::kUnimplemented, "engine", "not asked for here");
  }
  std::int64_t embedding_size() const override { return 0; }
  engine::EngineStatus status() const override { return {}; }
  std::chrono::seconds retry_after() const override { return std::chrono::seconds(1); }

  engine::GenerationRequest last;
  engine::DeltaCallback pending;
  bool waits = false;
  bool fails = false;
  std::atomic<int> cancelled{0};
};

class FakeExchange final : public net::HttpExchange {
 public:
  FakeExchange(std::string method, std::string path, std::string body)
      : request_{std::move(method), std::move(path), "", {}, std::move(body)} {}
  const net::HttpRequest& request() const override { return request_; }
  void respond(net::HttpResponse response) override {
    const std::lock_guard lock(mutex_);
    status = response.status;
    body = std::move(response.body);
    headers = std::move(response.headers);
    is_over = true;
    changed_.notify_all();
  }
  void start(int code, net::HttpHeaders) override { status = code; }
  void write(std::string piece) override { body += piece; }
  void finish() override {
    const std::lock_guard lock(mutex_);
    is_over = true;
    changed_.notify_all();
  }
  void abort() override { finish(); }
  void on_client_gone(std::function<void()> callback) override {
    const std::lock_guard lock(mutex_);
    gone = std::move(callback);
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(10), [this] { return is_over; }));
  }
  void wait_for_callback() {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(10), [this] { return bool(gone); }));
  }

  int status = 0;
  std::string body;
  net::HttpHeaders headers;
  std::function<void()> gone;
  bool is_over = false;

 private:
  net::HttpRequest request_;
  std::mutex mutex_;
  std::condition_variable changed_;
};

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    const std::filesystem::path folder =
        std::filesystem::path(FATHOM_SOURCE_DIR) / "tests/data/models/mini-llama";
    service_ = std::make_unique<Service>(ServedModel{"demo", *tokenizer::Tokenizer::load(folder),
                                                     *tokenizer::load_chat_template(folder)},
                                         generator_);
  }
  std::shared_ptr<FakeExchange> send(std::string method, std::string path, std::string body = "") {
    auto exchange =
        std::make_shared<FakeExchange>(std::move(method), std::move(path), std::move(body));
    service_->handle(exchange);
    return exchange;
  }
  std::shared_ptr<FakeExchange> post(const std::string& path, const std::string& body) {
    auto exchange = send("POST", path, body);
    exchange->wait();
    return exchange;
  }
  std::shared_ptr<FakeExchange> chat(const std::string& fields) {
    return post(
        "/v1/chat/completions",
        R"({"model": "demo", "messages": [{"role": "user", "content": "Q"}])" + fields + "}");
  }
  FakeGenerator generator_;
  std::unique_ptr<Service> service_;
};

TEST_F(ServiceTest, AnswersAChat) {
  const auto exchange = chat("");
  EXPECT_EQ(exchange->status, 200);
  const json::value answer = json::parse(exchange->body);
  EXPECT_EQ(answer.at("object").as_string(), "chat.completion");
  EXPECT_EQ(answer.at("choices").at(0).at("message").at("content").as_string(), "Hi there!");
  EXPECT_EQ(answer.at("choices").at(0).at("finish_reason").as_string(), "stop");
  EXPECT_EQ(answer.at("usage").at("completion_tokens").as_int64(), 3);
  EXPECT_EQ(answer.at("usage").at("prompt_tokens").as_int64(), std::ssize(generator_.last.prompt));
  EXPECT_EQ(base::index(generator_.last.prompt[0]), 4094);  // one BOS, the template's
  EXPECT_NE(base::index(generator_.last.prompt[1]), 4094);
}

TEST_F(ServiceTest, TakesControlTokensOfUsersAsText) {
  post("/v1/chat/completions",
       R"({"model":"demo","messages":[{"role":"user","content":"<｜end▁of▁sentence｜>"}]})");
  for (const base::TokenId token : generator_.last.prompt) EXPECT_NE(base::index(token), 4095);
}

TEST_F(ServiceTest, StreamsEvents) {
  const auto exchange = chat(R"(, "stream": true, "stream_options": {"include_usage": true})");
  std::vector<json::value> events;
  std::size_t at = 0;
  while ((at = exchange->body.find("data: {", at)) != std::string::npos) {
    const std::size_t end = exchange->body.find("\n\n", at);
    events.push_back(json::parse(exchange->body.substr(at + 6, end - at - 6)));
    at = end;
  }
  ASSERT_EQ(events.size(), 5U);
  EXPECT_EQ(events[0].at("choices").at(0).at("delta").at("role").as_string(), "assistant");
  EXPECT_EQ(events[1].at("choices").at(0).at("delta").at("content").as_string(), "Hi");
  EXPECT_EQ(events[2].at("choices").at(0).at("delta").at("content").as_string(), " there!");
  EXPECT_EQ(events[3].at("choices").at(0).at("finish_reason").as_string(), "stop");
  EXPECT_TRUE(events[4].at("choices").as_array().empty());
  EXPECT_TRUE(exchange->body.ends_with("data: [DONE]\n\n"));
}

TEST_F(ServiceTest, AnswersCompletions) {
  auto exchange = post("/v1/completions", R"({"model":"demo","prompt":"Once","max_tokens":5})");
  EXPECT_EQ(json::parse(exchange->body).at("choices").at(0).at("text").as_string(), "Hi there!");
  EXPECT_EQ(generator_.last.stop.max_tokens, 5);
  post("/v1/completions", R"({"model":"demo","prompt":[1,2,3]})");
  EXPECT_EQ(generator_.last.prompt.size(), 3U);
  EXPECT_EQ(generator_.last.stop.max_tokens, 16);
}

TEST_F(ServiceTest, AnswersTheSmallRoutes) {
  EXPECT_EQ(send("GET", "/health")->status, 200);
  EXPECT_EQ(send("GET", "/version")->status, 200);
  EXPECT_NE(send("GET", "/v1/models")->body.find("\"id\":\"demo\""), std::string::npos);
  EXPECT_EQ(send("GET", "/v1/models/demo")->status, 200);
  EXPECT_EQ(send("GET", "/v1/models/other")->status, 404);
  EXPECT_EQ(send("GET", "/none")->status, 404);
  const auto wrong = send("PUT", "/v1/chat/completions");
  EXPECT_EQ(wrong->status, 405);
  EXPECT_EQ(net::find_header(wrong->headers, "allow"), "POST");
}

TEST_F(ServiceTest, RefusesBadFieldsByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(, "temperature": 3)", "temperature"},
      {R"(, "temperature": "hot")", "temperature"},
      {R"(, "top_p": 0)", "top_p"},
      {R"(, "max_tokens": 0)", "max_tokens"},
      {R"(, "max_tokens": 1e30)", "max_tokens"},
      {R"(, "max_tokens": 18446744073709551615)", "max_tokens"},
      {R"(, "stop": [""])", "stop"},
      {R"(, "stop": ["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])",
       "stop"},
      {R"(, "n": 2)", "n"},
      {R"(, "logprobs": true)", "logprobs"},
      {R"(, "tools": [{}])", "tools"},
      {R"(, "response_format": {"type": "json_object"})", "response_format"},
      {R"(, "frequency_penalty": 0.5)", "frequency_penalty"},
      {R"(, "no_such_field": 1)", "no_such_field"},
      {R"(, "stream_options": {})", "stream_options"},
      {R"(, "stream": "yes")", "stream"},
      {R"(, "seed": 1.5)", "seed"},
  };
  for (const auto& [fields, name] : cases) {
    const auto exchange = chat(fields);
    EXPECT_EQ(exchange->status, 400) << fields << exchange->body;
    const json::value error = json::parse(exchange->body).at("error");
    EXPECT_EQ(error.at("param").as_string(), name) << exchange->body;
    EXPECT_EQ(error.at("type").as_string(), "invalid_request_error");
  }
  EXPECT_EQ(chat(R"(, "n": 1, "logprobs": false, "tools": [], "user": "u", "presence_penalty": 0,
                    "response_format": {"type": "text"}, "seed": null)")
                ->status,
            200);
}

TEST_F(ServiceTest, RefusesBadBodies) {
  for (const std::string& body :
       {std::string(""), std::string("["), std::string("[]"), std::string("null"),
        std::string(R"({"model":"demo"})"), std::string(R"({"model":"demo","messages":[]})"),
        std::string(R"({"model":"demo","messages":[{"role":"robot","content":"x"}]})"),
        std::string(
            R"({"model":"demo","messages":[{"role":"user","content":[{"type":"image_url"}]}]})"),
        std::string(
            R"({"model":"demo","messages":[{"role":"user","content":"x","tool_calls":[1]}]})"),
        std::string(R"({"model":"demo","model":"demo","messages":[]})"),
        "{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}"}) {
    EXPECT_EQ(post("/v1/chat/completions", body)->status, 400) << body.substr(0, 80);
  }
  EXPECT_EQ(post("/v1/chat/completions",
                 R"({"model":"gpt-4","messages":[{"role":"user","content":"x"}]})")
                ->status,
            404);
}

TEST_F(ServiceTest, SaysThatAPromptIsTooLong) {
  std::string words;
  for (int i = 0; i < 300; ++i) words += "word ";
  const auto exchange = post("/v1/completions", R"({"model":"demo","prompt":")" + words + "\"}");
  EXPECT_EQ(exchange->status, 400);
  EXPECT_NE(exchange->body.find("context_length_exceeded"), std::string::npos);
  EXPECT_NE(exchange->body.find("holds 100"), std::string::npos);
}

TEST_F(ServiceTest, CancelsWhenTheClientLeaves) {
  generator_.waits = true;
  auto exchange = send("POST", "/v1/completions", R"({"model":"demo","prompt":"x"})");
  exchange->wait_for_callback();
  exchange->gone();
  EXPECT_EQ(generator_.cancelled, 7);
}

TEST_F(ServiceTest, PassesTheEnginesErrorsOn) {
  generator_.fails = true;
  EXPECT_EQ(chat("")->status, 429);
  generator_.fails = false;
  generator_.waits = true;
  auto exchange = send("POST", "/v1/completions", R"({"model":"demo","prompt":"x"})");
  exchange->wait_for_callback();
  generator_.pending({.finish = FinishReason::kError,
                      .error = base::fail(base::ErrorCode::kInternal, "model", "broken")});
  exchange->wait();
  EXPECT_EQ(exchange->status, 500);
}

TEST_F(ServiceTest, AnswersHealthWhileALongPromptIsTokenized) {
  generator_.waits = true;
  std::string prompt;
  for (int i = 0; i < 1'000'000; ++i) prompt += "ab c ";
  auto slow = send("POST", "/v1/completions", R"({"model":"demo","prompt":")" + prompt + "\"}");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(send("GET", "/health")->status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(20));
  slow->wait();
  EXPECT_EQ(slow->status, 400);
}

TEST(HttpStatus, MapsEveryCode) {
  for (int code = 1; code <= 16; ++code) {
    const int status = http_status(static_cast<base::ErrorCode>(code));
    EXPECT_GE(status, 400);
    EXPECT_LE(status, 504);
  }
}

}  // namespace
}  // namespace fathom::serve
