// The server against raw sockets, plain and TLS: whole, split, cut, hostile and slow.
#include "net/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/raw_client_test_data.h"

namespace fathom::net {
namespace {

using namespace std::chrono_literals;

std::string request(const std::string& target, const std::string& body = "",
                    const std::string& headers = "") {
  return (body.empty() ? "GET " : "POST ") + target + " HTTP/1.1\r\nHost: x\r\n" + headers +
         (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" +
         body;
}

// The parameter: with TLS.
class HttpServerTest : public ::testing::TestWithParam<bool> {
 protected:
  void start(HttpServerOptions options = {}) {
    if (GetParam()) {
      options.tls_certificate_file = certificate_.certificate_file();
      options.tls_key_file = certificate_.key_file();
    }
    auto server =
        HttpServer::start(options, [this](auto exchange) { handle(std::move(exchange)); });
    ASSERT_TRUE(server) << server.error().text();
    server_ = *std::move(server);
  }

  RawClient connect(int receive_buffer_bytes = 0) {
    return RawClient(server_->port(),
                     {.tls = GetParam(), .receive_buffer_bytes = receive_buffer_bytes});
  }

  void handle(std::shared_ptr<HttpExchange> exchange) {
    const std::string& path = exchange->request().path;
    if (path == "/stream") {
      exchange->start(200, {{"Content-Type", "text/plain"}});
      exchange->write("one,");
      exchange->write("two");
      exchange->finish();
    } else if (path == "/hold") {
      exchange->start(200, {});
      exchange->write("begin");
      exchange->on_client_gone([this] { ++num_gone_; });
      const std::lock_guard lock(mutex_);
      held_.push_back(std::move(exchange));
    } else if (path == "/break") {
      exchange->respond({200, {{"A", "1\r\nInjected: 1"}, {"Good", "1"}}, "done"});
    } else if (path == "/callback") {
      exchange->on_client_gone([exchange, holds = callback_holds_] {});
      exchange->respond({200, {}, "done"});
    } else if (path == "/later") {
      threads_.emplace_back([exchange] {
        std::this_thread::sleep_for(20ms);
        exchange->respond({200, {}, "later"});
      });
    } else {
      exchange->respond({200, {}, path + "|" + exchange->request().body});
    }
  }

  ~HttpServerTest() override {
    for (std::thread& thread : threads_) thread.join();
  }

  void wait_for_gone(int count) {
    for (int i = 0; i < 300 && num_gone_ < count; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(num_gone_, count);
  }

  TestCertificate certificate_{GetParam()};
  std::atomic<int> num_gone_{0};
  std::mutex mutex_;
  std::shared_ptr<int> callback_holds_;
  std::vector<std::shared_ptr<HttpExchange>> held_;
  std::vector<std::thread> threads_;
  std::unique_ptr<HttpServer> server_;
};

INSTANTIATE_TEST_SUITE_P(Plain, HttpServerTest, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Tls, HttpServerTest, ::testing::Values(true));

TEST_P(HttpServerTest, AnswersAndKeepsTheConnection) {
  start();
  RawClient client = connect();
  client.send(request("/a%20b?x=1"));
  EXPECT_NE(client.receive("/a b|").find("200 OK"), std::string::npos);
  client.send(request("/later"));
  EXPECT_NE(client.receive("later").find("Content-Length: 5"), std::string::npos);
  client.send(request("/c", "body", "Connection: close\r\n"));
  const std::string last = client.receive_all();
  EXPECT_NE(last.find("/c|body"), std::string::npos);
  EXPECT_NE(last.find("Connection: close"), std::string::npos);
}

TEST_P(HttpServerTest, TakesRequestsInPiecesAndSeveralAtOnce) {
  start();
  RawClient client = connect();
  for (const char c : request("/slow", "xyz")) client.send(std::string(1, c));
  EXPECT_NE(client.receive("/slow|xyz").find("/slow|xyz"), std::string::npos);
  client.send(request("/1") + request("/later") + request("/3", "b") + request("/stream"));
  const std::string all = client.receive("0\r\n\r\n");
  EXPECT_LT(all.find("/1|"), all.find("later"));
  EXPECT_LT(all.find("later"), all.find("/3|b"));
  EXPECT_NE(all.find("one,two"), std::string::npos);
}

TEST_P(HttpServerTest, StreamsInChunks) {
  start();
  RawClient client = connect();
  client.send(request("/hold"));
  EXPECT_NE(client.receive("5\r\nbegin\r\n").find("Transfer-Encoding: chunked"), std::string::npos);
  held_.at(0)->write("more");
  EXPECT_EQ(client.receive("\r\nmore\r\n"), "4\r\nmore\r\n");
  held_.at(0)->finish();
  EXPECT_EQ(client.receive("0\r\n\r\n"), "0\r\n\r\n");
  client.send("GET /stream HTTP/1.0\r\n\r\n");
  const std::string old = client.receive_all();
  EXPECT_NE(old.find("\r\n\r\none,two"), std::string::npos) << old;
  EXPECT_EQ(num_gone_, 0);
}

TEST_P(HttpServerTest, AnswersHeadAndExpectations) {
  start();
  RawClient client = connect();
  client.send("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.receive("\r\n\r\n").find("Content-Length: 3"), std::string::npos);
  client.send("POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_NE(client.receive("\r\n\r\n").find("100 Continue"), std::string::npos);
  client.send("ok");
  EXPECT_NE(client.receive("/e|ok").find("/e|ok"), std::string::npos);
}

TEST_P(HttpServerTest, RefusesHostileRequests) {
  start({.max_body_bytes = 100});
  const std::pair<std::string, const char*> cases[] = {
      {"nonsense\r\n\r\n", " 400 "},
      {"GET / HTTP/1.1\r\n\r\n", " 400 "},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", " 400 "},
      {"GET / HTTP/9.9\r\nHost: a\r\n\r\n", " 400 "},
      {request("/", std::string(200, 'x')), " 413 "},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", " 400 "},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", " 400 "},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
       "0\r\n\r\n",
       " 400 "},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", " 400 "},
      {request("/", "", "X: " + std::string(20000, 'a') + "\r\n"), " 431 "},
      {request("/", "",
               [] {
                 std::string many;
                 for (int i = 0; i < 150; ++i) many += "H" + std::to_string(i) + ": 1\r\n";
                 return many;
               }()),
       " 431 "},
  };
  for (const auto& [text, expected] : cases) {
    RawClient client = connect();
    client.send(text);
    const std::string answer = client.receive_all();
    EXPECT_NE(answer.find(expected), std::string::npos)
        << text.substr(0, 80) << " -> " << answer.substr(0, 200);
  }
  RawClient client = connect();
  client.send(request("/fine"));
  EXPECT_NE(client.receive("/fine|").find("200"), std::string::npos);
}

TEST_P(HttpServerTest, BoundsTheBodiesOfAllConnections) {
  start({.max_total_body_bytes = 1000});
  const std::string half = "POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: 800\r\n\r\n";
  {
    RawClient first = connect();
    first.send(half + std::string(700, 'a'));
    std::this_thread::sleep_for(50ms);
    RawClient second = connect();
    second.send(half + std::string(400, 'b'));
    const std::string refused = second.receive_all();
    EXPECT_NE(refused.find(" 503 "), std::string::npos);
    EXPECT_NE(refused.find("\r\nRetry-After: 1\r\n"), std::string::npos) << refused;
    first.send(std::string(100, 'a'));
    EXPECT_NE(first.receive("aaa").find(" 200 "), std::string::npos);
  }
  for (int i = 0; i < 5; ++i) {
    RawClient next = connect();
    next.send(half + std::string(800, 'c'));
    EXPECT_NE(next.receive("ccc").find(" 200 "), std::string::npos);
  }
}

TEST_P(HttpServerTest, AnswersHeadOfAStreamWithoutABody) {
  start();
  RawClient client = connect();
  client.send("HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n" + request("/after"));
  const std::string both = client.receive("/after|");
  EXPECT_EQ(both.find("one"), std::string::npos) << both;
  EXPECT_NE(both.find("\r\n\r\nHTTP/1.1 200 OK"), std::string::npos) << both;
}

TEST_P(HttpServerTest, LeavesHeadersWithLineBreaksOut) {
  start();
  RawClient client = connect();
  client.send(request("/break"));
  const std::string answer = client.receive("done");
  EXPECT_EQ(answer.find("Injected"), std::string::npos) << answer;
  EXPECT_NE(answer.find("Good: 1\r\n"), std::string::npos) << answer;
  EXPECT_NE(answer.find("Date: "), std::string::npos) << answer;
}

TEST_P(HttpServerTest, LetsGoOfTheCallbackWhenAnswered) {
  start();
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  callback_holds_ = std::move(held);
  RawClient client = connect();
  client.send(request("/callback"));
  client.receive("done");
  callback_holds_.reset();
  for (int i = 0; i < 300 && !watch.expired(); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(watch.expired());
}

TEST_P(HttpServerTest, EndsSlowRequests) {
  start({.header_timeout = 100ms, .body_timeout = 100ms, .idle_timeout = 100ms});
  RawClient headers = connect();
  headers.send("GET / HT");
  EXPECT_NE(headers.receive_all().find(" 408 "), std::string::npos);
  RawClient body = connect();
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_NE(body.receive_all().find(" 408 "), std::string::npos);
  RawClient idle = connect();
  idle.send(request("/x"));
  const auto start_time = std::chrono::steady_clock::now();
  idle.receive_all();
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, 2s);
}

TEST_P(HttpServerTest, NoticesClientsThatLeave) {
  start();
  {
    RawClient client = connect();
    client.send(request("/hold"));
    client.receive("begin");
  }
  wait_for_gone(1);
  held_.at(0)->write("into the void");
  held_.at(0)->finish();
}

TEST_P(HttpServerTest, DropsClientsThatDoNotRead) {
  start({.max_pending_bytes = 1 << 20, .write_timeout = 200ms});
  RawClient client = connect(4096);
  client.send(request("/hold"));
  client.receive("begin");
  for (int i = 0; i < 200 && num_gone_ == 0; ++i) {
    held_.at(0)->write(std::string(100'000, 'x'));
    std::this_thread::sleep_for(2ms);
  }
  wait_for_gone(1);
}

TEST_P(HttpServerTest, ServesManyConnectionsAtOnce) {
  start();
  std::atomic<int> served{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 20; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        RawClient client = connect();
        const std::string path = "/" + std::to_string(t) + "-" + std::to_string(i);
        client.send(request(path) + request(path));
        const std::string both = client.receive(path + "|");
        if (both.find(path + "|") != std::string::npos) ++served;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served, 100);
}

TEST_P(HttpServerTest, TellsConnectionsBeyondItsLimitWhenToComeAgain) {
  start({.max_connections = 3, .retry_after = [] { return 7s; }});
  std::vector<std::unique_ptr<RawClient>> open;
  const auto connect_another = [&] {
    open.push_back(std::make_unique<RawClient>(
        server_->port(), RawClient::Options{.tls = GetParam(), .receive_buffer_bytes = 0}));
  };
  for (int i = 0; i < 3; ++i) {
    connect_another();
    open.back()->send(request("/hold"));
    open.back()->receive("begin");
  }
  for (int i = 0; i < 4; ++i) {  // one after the other: refusals do not add up
    RawClient refused = connect();
    refused.send(request("/fine"));
    const std::string answer = refused.receive_all();
    EXPECT_NE(answer.find("HTTP/1.1 503 "), std::string::npos) << answer;
    EXPECT_NE(answer.find("\r\nRetry-After: 7\r\n"), std::string::npos) << answer;
  }
  open.clear();
  wait_for_gone(3);
  for (int i = 0; i < 200; ++i) {
    RawClient next = connect();
    next.send(request("/fine"));
    if (next.receive("/fine|").find(" 200 ") != std::string::npos) return;
    std::this_thread::sleep_for(10ms);
  }
  FAIL() << "refuses although connections have closed";
}

TEST_P(HttpServerTest, SaysThatThePortIsInUse) {
  start();
  auto second = HttpServer::start({.port = server_->port()}, [](auto) {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text().find("in use"), std::string::npos);
  EXPECT_NE(second.error().text().find("--port"), std::string::npos);
  EXPECT_FALSE(HttpServer::start({.host = "no.such.host"}, [](auto) {}));
}

TEST(HttpEndpoint, KeepsItsPortBeforeAServerStarts) {
  auto first = HttpEndpoint::open({});
  ASSERT_TRUE(first) << first.error().text();
  const HttpServerOptions options{.port = first->port()};
  const auto second = HttpEndpoint::open(options);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text().find("in use"), std::string::npos);
  EXPECT_FALSE(RawClient(options.port, {}).is_open());
  const auto server = HttpServer::start(*std::move(first), options, [](auto) {});
  ASSERT_TRUE(server) << server.error().text();
  EXPECT_EQ((*server)->port(), options.port);
  EXPECT_TRUE(RawClient(options.port, {}).is_open());
  EXPECT_FALSE(HttpEndpoint::open(options));
}

TEST(HttpEndpoint, TakesThePortFromConnectionsThatLinger) {
  HttpServerOptions options;
  auto server = HttpServer::start(options, [](auto exchange) { exchange->respond({200, {}, ""}); });
  ASSERT_TRUE(server) << server.error().text();
  options.port = (*server)->port();
  RawClient client(options.port, {});
  client.send(request("/"));
  EXPECT_NE(client.receive(" 200 "), "");
  server->reset();  // closes the connection first: the system keeps its port for a while
  for (int i = 0; i < 2; ++i) {
    const auto next = HttpServer::start(options, [](auto) {});
    EXPECT_TRUE(next) << next.error().text();
    client.close();
  }
}

TEST_P(HttpServerTest, StopsWhileAnswersAreOpen) {
  start();
  RawClient client = connect();
  client.send(request("/hold"));
  client.receive("begin");
  server_.reset();
  held_.at(0)->write("x");
  held_.at(0)->finish();
  EXPECT_EQ(client.receive_all(), "");
}

}  // namespace
}  // namespace fathom::net
