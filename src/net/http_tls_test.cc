// TLS: versions, files that do not fit, clients that do not speak it, clients that leave.
#include <curl/curl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/ssl/context.hpp>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/http_server.h"
#include "net/raw_client_test_data.h"
#include "net/tls.h"

namespace fathom::net {
namespace {

using namespace std::chrono_literals;

class HttpTlsTest : public ::testing::Test {
 protected:
  void start(HttpServerOptions options = {}) {
    options.tls_certificate_file = certificate_.certificate_file();
    options.tls_key_file = certificate_.key_file();
    auto server = HttpServer::start(options, [this](std::shared_ptr<HttpExchange> exchange) {
      if (exchange->request().path != "/hold") {
        return exchange->respond({200, {}, "body:" + exchange->request().body});
      }
      exchange->start(200, {});
      exchange->write("begin");
      exchange->on_client_gone([this] { ++num_gone_; });
      const std::lock_guard lock(mutex_);
      held_.push_back(std::move(exchange));
    });
    ASSERT_TRUE(server) << server.error().text();
    server_ = *std::move(server);
  }

  base::Error start_error(const std::string& certificate, const std::string& key) {
    auto server =
        HttpServer::start({.tls_certificate_file = certificate, .tls_key_file = key}, [](auto) {});
    EXPECT_FALSE(server);
    return server ? base::Error{} : server.error();
  }

  void wait_for_gone(int count) {
    for (int i = 0; i < 300 && num_gone_ < count; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(num_gone_, count);
  }

  void expect_alive() {
    RawClient client(server_->port(), {.tls = true});
    client.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(client.receive("body:").find(" 200 "), std::string::npos);
  }

  TestCertificate certificate_;
  std::atomic<int> num_gone_{0};
  std::mutex mutex_;
  std::vector<std::shared_ptr<HttpExchange>> held_;
  std::unique_ptr<HttpServer> server_;
};

std::size_t append(char* data, std::size_t, std::size_t size, void* text) {
  static_cast<std::string*>(text)->append(data, size);
  return size;
}

TEST_F(HttpTlsTest, ServesAnotherPartysClientThatChecksTheCertificate) {
  start();
  CURL* curl = curl_easy_init();
  const std::string url = "https://localhost:" + std::to_string(server_->port()) + "/";
  const std::string body(300'000, 'b');
  std::string answer;
  const std::string certificate = certificate_.certificate_file();
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_CAINFO, certificate.c_str());
  curl_easy_setopt(curl, CURLOPT_IPRESOLVE, CURL_IPRESOLVE_V4);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.c_str());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
  const CURLcode code = curl_easy_perform(curl);
  EXPECT_EQ(code, CURLE_OK) << curl_easy_strerror(code);
  EXPECT_EQ(answer, "body:" + body);
  curl_easy_cleanup(curl);
}

TEST_F(HttpTlsTest, SpeaksNothingOlderThan12) {
  start();
  // OpenSSL may refuse old versions for reasons of its own, so the bound itself is looked at too.
  const auto context = load_tls(certificate_.certificate_file(), certificate_.key_file());
  ASSERT_TRUE(context);
  EXPECT_EQ(SSL_CTX_get_min_proto_version((*context)->native_handle()), TLS1_2_VERSION);
  EXPECT_FALSE(
      RawClient(server_->port(), {.tls = true, .max_tls_version = TLS1_1_VERSION}).is_open());
  EXPECT_TRUE(
      RawClient(server_->port(), {.tls = true, .max_tls_version = TLS1_2_VERSION}).is_open());
  expect_alive();
}

TEST_F(HttpTlsTest, RefusesPlainHttpWithoutHarm) {
  start();
  RawClient plain(server_->port(), {});
  plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string answer = plain.receive_all();
  EXPECT_EQ(answer.find("HTTP/1.1"), std::string::npos) << answer;
  EXPECT_FALSE(plain.was_silent());
  RawClient noise(server_->port(), {});
  noise.send(std::string(100'000, '\x16'));
  noise.receive_all();
  EXPECT_FALSE(noise.was_silent());
  expect_alive();
}

TEST_F(HttpTlsTest, GivesUpOnAHandshakeThatNeverComes) {
  start({.header_timeout = 150ms});
  RawClient silent(server_->port(), {});
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(silent.receive_all(), "");
  EXPECT_FALSE(silent.was_silent());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  // The beginning of a ClientHello, and no more.
  RawClient partial(server_->port(), {});
  partial.send(std::string("\x16\x03\x01\x02\x00\x01", 6));
  EXPECT_EQ(partial.receive_all(), "");
  EXPECT_FALSE(partial.was_silent());
}

TEST_F(HttpTlsTest, NoticesClientsThatLeavePolitelyOrNot) {
  start();
  const auto open = [&](RawClient& client) {
    client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    client.receive("begin");
  };
  RawClient polite(server_->port(), {.tls = true});
  open(polite);
  polite.close();
  wait_for_gone(1);
  RawClient rude(server_->port(), {.tls = true});
  open(rude);
  rude.drop();
  wait_for_gone(2);
  // One that already sent its next request, too.
  RawClient early(server_->port(), {.tls = true});
  early.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  early.receive("begin");
  early.close();
  wait_for_gone(3);
  expect_alive();
}

TEST_F(HttpTlsTest, EndsWithAGoodbyeSoThatNothingLooksCut) {
  start();
  RawClient client(server_->port(), {.tls = true});
  client.send("GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(client.receive_all().find("body:"), std::string::npos);
  EXPECT_TRUE(client.was_told_goodbye());
  RawClient cut(server_->port(), {.tls = true});
  cut.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  cut.receive("begin");
  held_.at(0)->abort();
  EXPECT_EQ(cut.receive_all(), "");
  EXPECT_FALSE(cut.was_told_goodbye());
}

TEST_F(HttpTlsTest, SaysWhichFileIsWrong) {
  const TestCertificate other;
  const std::string good = certificate_.certificate_file();
  const std::string key = certificate_.key_file();
  EXPECT_NE(start_error(good, "").text().find("--tls-key"), std::string::npos);
  EXPECT_NE(start_error("", key).text().find("--tls-cert"), std::string::npos);
  const base::Error missing = start_error(good + ".missing", key);
  EXPECT_EQ(missing.code, base::ErrorCode::kNotFound) << missing.text();
  EXPECT_NE(missing.text().find(".missing"), std::string::npos) << missing.text();
  const base::Error mismatch = start_error(good, other.key_file());
  EXPECT_EQ(mismatch.code, base::ErrorCode::kInvalidArgument);
  EXPECT_NE(mismatch.text().find("not the key of"), std::string::npos) << mismatch.text();
  const base::Error swapped = start_error(key, good);
  EXPECT_NE(swapped.text().find("not a certificate"), std::string::npos) << swapped.text();
  const base::Error no_key = start_error(good, good);
  EXPECT_NE(no_key.text().find("not a private key"), std::string::npos) << no_key.text();
  const base::Error encrypted = start_error(good, certificate_.encrypted_key_file());
  EXPECT_NE(encrypted.text().find("passphrase"), std::string::npos) << encrypted.text();
  EXPECT_FALSE(HttpServer::start({.tls_certificate_file = "/", .tls_key_file = key}, [](auto) {}));
}

}  // namespace
}  // namespace fathom::net
