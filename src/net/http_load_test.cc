// Two hundred clients at once stream events, and some leave in the middle: no event is lost or
// crosses over, everyone who left is noticed, and the server drains to nothing.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "net/http_server.h"
#include "net/raw_client_test_data.h"

namespace fathom::net {
namespace {

using namespace std::chrono_literals;

constexpr int kClients = 200;
constexpr int kEvents = 30;

// A thread that writes one event to every open exchange in turn, as an engine's step does.
class Engine {
 public:
  Engine() : thread_([this] { run(); }) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() {
    is_over_ = true;
    thread_.join();
  }

  void admit(std::shared_ptr<HttpExchange> exchange) {
    auto stream = std::make_shared<Stream>();
    stream->exchange = std::move(exchange);
    stream->exchange->on_client_gone([this, stream] {
      stream->is_gone = true;
      ++num_gone_;
    });
    stream->exchange->start(200, {{"Content-Type", "text/event-stream"}});
    const std::lock_guard lock(mutex_);
    streams_.push_back(std::move(stream));
  }

  int num_finished() const { return num_finished_; }
  int num_gone() const { return num_gone_; }

 private:
  struct Stream {
    std::shared_ptr<HttpExchange> exchange;
    std::atomic<bool> is_gone{false};
    int num_sent = 0;
  };

  // False: it ended.
  bool step(Stream& stream) {
    if (stream.is_gone) return false;
    // Those who will leave have an answer without end, so that they leave in its middle.
    const bool has_end = !stream.exchange->request().path.starts_with("/endless");
    if (has_end && stream.num_sent == kEvents) {
      stream.exchange->finish();
      ++num_finished_;
      return false;
    }
    stream.exchange->write("data: " + stream.exchange->request().path + "#" +
                           std::to_string(stream.num_sent++) + "\n\n");
    return true;
  }

  void run() {
    while (!is_over_) {
      std::deque<std::shared_ptr<Stream>> batch;
      {
        const std::lock_guard lock(mutex_);
        batch = streams_;
      }
      std::erase_if(batch, [this](const auto& stream) { return step(*stream); });
      {
        const std::lock_guard lock(mutex_);
        for (const auto& ended : batch) std::erase(streams_, ended);
      }
      std::this_thread::sleep_for(1ms);
    }
  }

  std::atomic<bool> is_over_{false};
  std::atomic<int> num_finished_{0};
  std::atomic<int> num_gone_{0};
  std::mutex mutex_;
  std::deque<std::shared_ptr<Stream>> streams_;
  std::thread thread_;
};

std::string without_chunks(const std::string& text) {
  std::string body;
  std::size_t at = text.find("\r\n\r\n") + 4;
  while (at < text.size()) {
    const std::size_t size = std::stoul(text.substr(at), nullptr, 16);
    at = text.find("\r\n", at) + 2;
    body += text.substr(at, size);
    at += size + 2;
  }
  return body;
}

std::string expected_body(const std::string& path) {
  std::string body;
  for (int i = 0; i < kEvents; ++i) body += "data: " + path + "#" + std::to_string(i) + "\n\n";
  return body;
}

// The parameter: with TLS.
class HttpLoadTest : public ::testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(Plain, HttpLoadTest, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Tls, HttpLoadTest, ::testing::Values(true));

TEST_P(HttpLoadTest, StreamsToManyOfWhomSomeLeave) {
  const TestCertificate certificate(GetParam());
  Engine engine;
  HttpServerOptions options;
  if (GetParam()) {
    options.tls_certificate_file = certificate.certificate_file();
    options.tls_key_file = certificate.key_file();
  }
  auto server = HttpServer::start(
      options, [&](std::shared_ptr<HttpExchange> exchange) { engine.admit(std::move(exchange)); });
  ASSERT_TRUE(server) << server.error().text();
  std::atomic<int> num_whole{0};
  std::atomic<int> num_left{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] {
      std::mt19937 random(static_cast<unsigned>(i));
      RawClient client((*server)->port(), {.tls = GetParam()});
      const bool leaves = i % 5 == 0;
      const std::string path = (leaves ? "/endless" : "/") + std::to_string(i);
      client.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
      if (leaves) {
        client.receive("#" + std::to_string(random() % kEvents) + "\n", 20s);
        ++num_left;
        return random() % 2 == 0 ? client.close() : client.drop();
      }
      const std::string text = client.receive("\r\n0\r\n\r\n", 20s);
      if (without_chunks(text) == expected_body(path)) ++num_whole;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(num_whole + num_left, kClients);
  for (int i = 0; i < 1000 && engine.num_gone() < num_left; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(engine.num_gone(), num_left);
  EXPECT_EQ(engine.num_finished(), num_whole);
  EXPECT_TRUE((*server)->drain(5s));
}

}  // namespace
}  // namespace fathom::net
