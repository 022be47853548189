// Draining: what runs finishes, what idles closes, nothing new begins.
#include <gtest/gtest.h>

#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/http_server.h"
#include "net/raw_client_test_data.h"

namespace fathom::net {
namespace {

using namespace std::chrono_literals;

const std::string kGet = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string kHold = "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n";

// The parameter: with TLS.
class HttpDrainTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    HttpServerOptions options;
    if (GetParam()) {
      options.tls_certificate_file = certificate_.certificate_file();
      options.tls_key_file = certificate_.key_file();
    }
    auto server = HttpServer::start(options, [this](std::shared_ptr<HttpExchange> exchange) {
      if (exchange->request().path != "/hold") return exchange->respond({200, {}, "done"});
      exchange->start(200, {});
      exchange->write("begin");
      const std::lock_guard lock(mutex_);
      held_.push_back(std::move(exchange));
    });
    ASSERT_TRUE(server) << server.error().text();
    server_ = *std::move(server);
  }

  RawClient connect() { return RawClient(server_->port(), {.tls = GetParam()}); }

  TestCertificate certificate_{GetParam()};
  std::mutex mutex_;
  std::vector<std::shared_ptr<HttpExchange>> held_;
  std::unique_ptr<HttpServer> server_;
};

INSTANTIATE_TEST_SUITE_P(Plain, HttpDrainTest, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Tls, HttpDrainTest, ::testing::Values(true));

TEST_P(HttpDrainTest, IsOverAtOnceWithoutConnections) {
  EXPECT_TRUE(server_->drain(1s));
  EXPECT_TRUE(server_->drain(0ms));
}

TEST_P(HttpDrainTest, ClosesIdleConnections) {
  RawClient used = connect();
  used.send(kGet);
  used.receive("done");
  RawClient fresh = connect();
  EXPECT_TRUE(fresh.is_open());
  const auto begin = std::chrono::steady_clock::now();
  auto drained = std::async(std::launch::async, [&] { return server_->drain(5s); });
  EXPECT_EQ(used.receive_all(), "");
  EXPECT_EQ(fresh.receive_all(), "");
  EXPECT_FALSE(used.was_silent() || fresh.was_silent());
  used.close();
  fresh.close();
  EXPECT_TRUE(drained.get());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

TEST_P(HttpDrainTest, LetsAnswersFinishAndTakesRequestsThatHaveBegun) {
  RawClient streaming = connect();
  streaming.send(kHold);
  streaming.receive("begin");
  RawClient halfway = connect();
  halfway.send(kGet);
  halfway.receive("done");
  halfway.send(kGet.substr(0, 10));
  RawClient pipelined = connect();
  pipelined.send(kHold + kGet);
  pipelined.receive("begin");
  std::this_thread::sleep_for(50ms);
  auto drained = std::async(std::launch::async, [&] { return server_->drain(10s); });
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(RawClient(server_->port(), {}).is_open());

  halfway.send(kGet.substr(10));
  const std::string answer = halfway.receive_all();
  EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
  EXPECT_NE(answer.find("done"), std::string::npos) << answer;
  halfway.close();
  EXPECT_EQ(drained.wait_for(50ms), std::future_status::timeout);

  {
    const std::lock_guard lock(mutex_);
    ASSERT_EQ(held_.size(), 2U);
    for (const auto& exchange : held_) {
      exchange->write("end");
      exchange->finish();
    }
  }
  EXPECT_NE(streaming.receive_all().find("end\r\n0\r\n\r\n"), std::string::npos);
  EXPECT_FALSE(streaming.was_silent());
  EXPECT_NE(pipelined.receive_all().find("end\r\n0\r\n\r\n"), std::string::npos);
  streaming.close();
  pipelined.close();
  EXPECT_TRUE(drained.get());
}

TEST_P(HttpDrainTest, DoesNotWaitForConnectionsThatSayNothing) {
  const RawClient silent(server_->port(), {});
  std::this_thread::sleep_for(20ms);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(server_->drain(5s));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

TEST_P(HttpDrainTest, SaysThatItsTimeIsUp) {
  RawClient streaming = connect();
  streaming.send(kHold);
  streaming.receive("begin");
  EXPECT_FALSE(server_->drain(100ms));
  server_.reset();
  EXPECT_EQ(streaming.receive_all(), "");
}

}  // namespace
}  // namespace fathom::net
