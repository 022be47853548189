// The server's certificate and key, and which TLS it speaks. Internal to net.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace boost::asio::ssl {
class context;  // NOLINT(readability-identifier-naming)
}  // namespace boost::asio::ssl

namespace fathom::net {

// PEM files: the certificate with its chain, leaf first, and its key, not encrypted. TLS 1.2 and
// 1.3. kNotFound, kPermissionDenied or kInvalidArgument say which file is wrong and why. Warns of a
// key that other users can read.
base::Result<std::shared_ptr<boost::asio::ssl::context>> load_tls(
    const std::string& certificate_file, const std::string& key_file);

}  // namespace fathom::net
