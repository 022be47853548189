// ApiKeys: who may call, kept as SHA-256 digests.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"
#include "net/http_message.h"

namespace fathom::serve {

// Who called. Neither field tells the key.
struct ApiClient {
  std::string name;    // from the file, for logs; the tenant's beginning where the file has none
  std::string tenant;  // 32 hexadecimal digits, the same for a key for ever: salts the prefix cache
};

// Immutable, so thread-safe.
class ApiKeys {
 public:
  // A line of the file is a key, or "sha256:" and the 64 hexadecimal digits of its SHA-256; then,
  // after a blank, a name if wanted. '#' at the beginning or after a blank begins a comment. A key
  // is up to 512 visible ASCII characters. kInvalidArgument names the line, never its content.
  // Warns of a file that other users can read, and of keys so short that they can be guessed.
  static base::Result<ApiKeys> load(const std::filesystem::path& file);
  static base::Result<ApiKeys> parse(std::string_view text, std::string_view where);

  // `authorization` is the header's value: "Bearer KEY", the scheme in any case. Anything else is
  // kUnauthenticated, with one message for every key that is not known. Hashes once and compares
  // with all keys, in a time that does not depend on which of them comes near.
  base::Result<ApiClient> check(std::string_view authorization) const;
  // The same for a request; two Authorization headers are as bad as none.
  base::Result<ApiClient> check(const net::HttpRequest& request) const;

  std::size_t size() const { return keys_.size(); }

 private:
  struct Key {
    base::Sha256::Digest digest;
    ApiClient client;
  };
  std::vector<Key> keys_;
};

}  // namespace fathom::serve
