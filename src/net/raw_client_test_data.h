// For tests of net: a blocking client of raw bytes, plain or TLS, and a certificate of its own.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace fathom::net {

// A key and a certificate that it signs itself, as files that live as long as the object.
class TestCertificate {
 public:
  explicit TestCertificate(bool is_wanted = true) {
    if (!is_wanted) return;
    static std::atomic<int> count{0};
    folder_ = std::filesystem::temp_directory_path() /
              ("fathom_net_test_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
    std::filesystem::create_directories(folder_);
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_sign(certificate, key, EVP_sha256());
    write(certificate_file(), [&](FILE* file) { PEM_write_X509(file, certificate); });
    write(key_file(), [&](FILE* file) {
      PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
    unsigned char passphrase[] = "secret";
    write(encrypted_key_file(), [&](FILE* file) {
      PEM_write_PrivateKey(file, key, EVP_aes_256_cbc(), passphrase, 6, nullptr, nullptr);
    });
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  TestCertificate(const TestCertificate&) = delete;
  TestCertificate& operator=(const TestCertificate&) = delete;
  ~TestCertificate() {
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }
  std::string certificate_file() const { return folder_ / "certificate.pem"; }
  std::string key_file() const { return folder_ / "key.pem"; }
  std::string encrypted_key_file() const { return folder_ / "encrypted_key.pem"; }

 private:
  template <typename Writer>
  static void write(const std::string& path, Writer writer) {
    FILE* file = std::fopen(path.c_str(), "w");
    if (file == nullptr) return;
    writer(file);
    std::fclose(file);
    std::filesystem::permissions(path, std::filesystem::perms::owner_read);
  }
  std::filesystem::path folder_;
};

// A connection to a local port.
class RawClient {
 public:
  struct Options {
    bool tls = false;
    int receive_buffer_bytes = 0;  // 0: the system's
    int max_tls_version = 0;       // 0: the newest
  };

  RawClient(std::uint16_t port, const Options& options)
      : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (options.receive_buffer_bytes > 0) {
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &options.receive_buffer_bytes, sizeof(int));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_open_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    if (is_open_ && options.tls) is_open_ = begin_tls(options.max_tls_version);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() { close(); }

  bool is_open() const { return is_open_; }
  int socket() const { return socket_; }

  // Says goodbye, as browsers do, and closes.
  void close() {
    if (tls_ && is_open_) SSL_shutdown(tls_.get());
    drop();
  }
  // Closes without a word of TLS.
  void drop() {
    is_open_ = false;
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  void end_sending() { ::shutdown(socket_, SHUT_WR); }

  void send(std::string_view text) {
    while (!text.empty()) {
      const auto sent = tls_ ? SSL_write(tls_.get(), text.data(), static_cast<int>(text.size()))
                             : ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  // What comes until `end` appears, the connection closes, or nothing comes for a while.
  std::string receive(std::string_view end,
                      std::chrono::milliseconds patience = std::chrono::seconds(3)) {
    std::string text;
    while (end.empty() || text.find(end) == std::string::npos) {
      pollfd poll{socket_, POLLIN, 0};
      const bool has_more = tls_ && SSL_pending(tls_.get()) > 0;
      if (!has_more && ::poll(&poll, 1, static_cast<int>(patience.count())) <= 0) {
        is_silent_ = true;
        break;
      }
      char bytes[4096];
      const auto got = tls_ ? SSL_read(tls_.get(), bytes, sizeof(bytes))
                            : ::recv(socket_, bytes, sizeof(bytes), 0);
      if (got <= 0) break;
      text.append(bytes, static_cast<std::size_t>(got));
    }
    return text;
  }
  std::string receive_all() { return receive(""); }
  // Whether the last receive() ran out of patience: the connection was still open.
  bool was_silent() const { return is_silent_; }
  // How the server ended TLS: with a close_notify, rather than just gone.
  bool was_told_goodbye() const {
    return (SSL_get_shutdown(tls_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }

 private:
  bool begin_tls(int max_version) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (max_version != 0) {
      SSL_CTX_set_security_level(context_.get(), 0);
      SSL_CTX_set_max_proto_version(context_.get(), max_version);
    }
    tls_.reset(SSL_new(context_.get()));
    SSL_set_fd(tls_.get(), socket_);
    return SSL_connect(tls_.get()) == 1;
  }

  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* tls) const { SSL_free(tls); }
  };
  int socket_;
  bool is_open_ = false;
  bool is_silent_ = false;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> tls_;
};

}  // namespace fathom::net
