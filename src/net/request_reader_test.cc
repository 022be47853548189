// Requests cut anywhere, and those that two readers might read differently.
#include "net/request_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace fathom::net {
namespace {

const HttpServerOptions kDefault{};

struct Outcome {
  RequestReader::State state;
  int status = 0;  // of the refusal
  std::string rest;
  HttpRequest request;
};

// As a connection does it, with `step` bytes arriving at a time.
Outcome read(std::string_view text, std::size_t step = 1 << 20,
             const HttpServerOptions& options = kDefault) {
  RequestReader reader(options);
  std::string received;
  while (reader.state() == RequestReader::State::kHeaders ||
         reader.state() == RequestReader::State::kBody) {
    const auto before = reader.state();
    const std::size_t taken = reader.consume(received);
    received.erase(0, taken);
    if (taken > 0 || reader.state() != before) continue;
    if (text.empty()) break;
    received += text.substr(0, step);
    text.remove_prefix(std::min(step, text.size()));
  }
  Outcome outcome{reader.state(), reader.refusal().status, received + std::string(text), {}};
  if (outcome.state == RequestReader::State::kDone) outcome.request = reader.take();
  return outcome;
}

std::string post(const std::string& headers, const std::string& body) {
  return "POST /p?q=1 HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" + body;
}

TEST(RequestReaderTest, ReadsTheSameHoweverItIsCut) {
  const std::string text = post("Transfer-Encoding: chunked\r\nTrailer: T\r\n",
                                "3\r\nabc\r\n0a;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n") +
                           "GET /next";
  for (std::size_t step = 1; step < text.size(); ++step) {
    const Outcome outcome = read(text, step);
    ASSERT_EQ(outcome.state, RequestReader::State::kDone) << step;
    EXPECT_EQ(outcome.request.body, "abc0123456789");
    EXPECT_EQ(outcome.request.path, "/p");
    EXPECT_EQ(outcome.request.query, "q=1");
    EXPECT_EQ(outcome.rest, "GET /next") << step;
  }
}

TEST(RequestReaderTest, LeavesTrailersOut) {
  const Outcome outcome =
      read(post("Transfer-Encoding: chunked\r\n", "0\r\nAuthorization: Bearer stolen\r\n\r\n"));
  ASSERT_EQ(outcome.state, RequestReader::State::kDone);
  EXPECT_EQ(find_header(outcome.request.headers, "authorization"), "");
}

TEST(RequestReaderTest, RefusesWhatProxiesMayReadDifferently) {
  const std::pair<std::string, int> cases[] = {
      {post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501},
      {post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), 501},
      {post("Transfer-Encoding: identity\r\n", ""), 501},
      {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
      {post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400},
      {post("Content-Length: 1\r\nContent-Length: 2\r\n", "ab"), 400},
      {post("Content-Length: +1\r\n", "a"), 400},
      {post("Content-Length: 0x1\r\n", "a"), 400},
      {post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {post("Transfer-Encoding: chunked\r\n", "-1\r\nabc"), 400},
      {post("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\nabc"), 400},
      {post("Transfer-Encoding: chunked\r\n", "7fffffffffffffff\r\nabc"), 413},
      {post("Transfer-Encoding: chunked\r\n", "1\r\nabc\r\n"), 400},
      {post("X: a\rb\r\n", ""), 400},
      {post(std::string("X: a\0b\r\n", 8), ""), 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a/health\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a?x\r\n\r\n", 400},
      {"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /  HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
      {std::string("\x16\x03\x01\x02\x00\x01\x00", 7), 400},
  };
  for (const auto& [text, status] : cases) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20}) {
      const Outcome outcome = read(text, step);
      EXPECT_EQ(outcome.state, RequestReader::State::kRefused) << text;
      EXPECT_EQ(outcome.status, status) << text;
    }
  }
}

TEST(RequestReaderTest, TakesEveryKindOfHost) {
  for (const char* const host : {"", "x", "a-b.example.org:8000", "127.0.0.1:1", "[::1]:8000"}) {
    const auto outcome = read("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
    EXPECT_EQ(outcome.state, RequestReader::State::kDone) << host;
  }
}

TEST(RequestReaderTest, KeepsLimitsExactly) {
  const HttpServerOptions options{.max_body_bytes = 100, .max_header_bytes = 200, .max_headers = 3};
  const auto status = [&](const std::string& text, std::size_t step) {
    return read(text, step, options).status;
  };
  for (const std::size_t step : {std::size_t{1}, std::size_t{1} << 20}) {
    EXPECT_EQ(status(post("Content-Length: 100\r\n", std::string(100, 'x')), step), 0);
    EXPECT_EQ(status(post("Content-Length: 101\r\n", ""), step), 413);
    EXPECT_EQ(status(post("Transfer-Encoding: chunked\r\n",
                          "60\r\n" + std::string(96, 'x') + "\r\n5\r\n"),
                     step),
              413);
    EXPECT_EQ(status(post("A: 1\r\nB: 2\r\n", ""), step), 0);
    EXPECT_EQ(status(post("A: 1\r\nB: 2\r\nC: 3\r\n", ""), step), 431);
    const std::size_t used = post("A: \r\n", "").size();
    EXPECT_EQ(status(post("A: " + std::string(200 - used, 'a') + "\r\n", ""), step), 0);
    EXPECT_EQ(status(post("A: " + std::string(201 - used, 'a') + "\r\n", ""), step), 431);
    EXPECT_EQ(status("GET /" + std::string(300, 'a'), step), 431);
    EXPECT_EQ(status(post("Transfer-Encoding: chunked\r\n", "1;" + std::string(500, 'e')), step),
              400);
    EXPECT_EQ(
        status(post("Transfer-Encoding: chunked\r\n", "0\r\nT: " + std::string(500, 't')), step),
        400);
  }
}

}  // namespace
}  // namespace fathom::net
