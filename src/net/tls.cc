// Asio's TLS context over OpenSSL, from PEM files.
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <cstdint>

#include "base/file.h"
#include "base/log.h"

namespace fathom::net {
namespace {

namespace ssl = boost::asio::ssl;
using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::uint64_t kMaxPemBytes = std::uint64_t{1} << 20;

void warn_if_readable_by_others(const std::string& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & S_IRWXO) != 0) {
    base::log_warning("{}: other users can open this private key; run chmod o= on it", file);
  }
}

void warn_if_expired(SSL_CTX* context, const std::string& file) {
  const X509* leaf = SSL_CTX_get0_certificate(context);
  if (leaf != nullptr && X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0) {
    base::log_warning("{}: this certificate has expired", file);
  }
}

}  // namespace

Result<std::shared_ptr<ssl::context>> load_tls(const std::string& certificate_file,
                                               const std::string& key_file) {
  const std::string certificate = TRY(base::read_file(certificate_file, kMaxPemBytes));
  const std::string key = TRY(base::read_file(key_file, kMaxPemBytes));
  warn_if_readable_by_others(key_file);
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // Idle connections are many: they give their buffers back.
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  boost::system::error_code code;
  context->use_certificate_chain(boost::asio::buffer(certificate), code);
  if (code) {
    return fail(ErrorCode::kInvalidArgument, certificate_file, "not a certificate in PEM ({})",
                code.message());
  }
  // Without this OpenSSL would ask for a passphrase at the terminal.
  context->set_password_callback([](std::size_t, ssl::context::password_purpose) { return ""; },
                                 code);
  context->use_private_key(boost::asio::buffer(key), ssl::context::pem, code);
  if (code &&
      ERR_GET_REASON(static_cast<unsigned long>(code.value())) == X509_R_KEY_VALUES_MISMATCH) {
    return fail(ErrorCode::kInvalidArgument, key_file, "this is not the key of the certificate {}",
                certificate_file);
  }
  if (code) {
    return fail(ErrorCode::kInvalidArgument, key_file,
                "not a private key in PEM, or one with a passphrase, which is not supported ({})",
                code.message());
  }
  if (SSL_CTX_check_private_key(native) != 1) {
    ERR_clear_error();
    return fail(ErrorCode::kInvalidArgument, key_file, "this is not the key of the certificate {}",
                certificate_file);
  }
  warn_if_expired(native, certificate_file);
  return context;
}

}  // namespace fathom::net
