// Reading the file of keys, and comparing digests in constant time.
#include "serve/access/api_keys.h"

#include <openssl/crypto.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "base/file.h"
#include "base/log.h"

namespace fathom::serve {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using Digest = base::Sha256::Digest;

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 20;
constexpr std::size_t kMaxKeys = 10'000;
constexpr std::size_t kMaxKeyBytes = 512;
constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kGuessableKeyBytes = 16;
constexpr std::size_t kTenantDigits = 32;
constexpr std::size_t kShortNameDigits = 8;
constexpr std::string_view kDigestPrefix = "sha256:";
constexpr std::string_view kScheme = "bearer";

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_visible_ascii(char c) { return c > ' ' && c < '\x7f'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && (is_blank(text.back()) || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

std::string_view without_comment(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '#' && (i == 0 || is_blank(line[i - 1]))) return line.substr(0, i);
  }
  return line;
}

Digest digest_of(std::string_view key) {
  return base::Sha256::of(std::as_bytes(std::span(key.data(), key.size())));
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (lower(c) >= 'a' && lower(c) <= 'f') return static_cast<unsigned>(lower(c) - 'a' + 10);
  return std::nullopt;
}

std::optional<Digest> parse_digest(std::string_view digits) {
  Digest digest{};
  if (digits.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const auto high = hex_digit(digits[2 * i]);
    const auto low = hex_digit(digits[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    digest[i] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  return digest;
}

Result<Digest> read_key(std::string_view key, const std::string& where) {
  if (key.starts_with(kDigestPrefix)) {
    const auto digest = parse_digest(key.substr(kDigestPrefix.size()));
    if (digest) return *digest;
    return fail(ErrorCode::kInvalidArgument, where,
                "'sha256:' wants 64 hexadecimal digits after it");
  }
  if (key.size() > kMaxKeyBytes || !std::ranges::all_of(key, is_visible_ascii)) {
    return fail(ErrorCode::kInvalidArgument, where, "a key is up to {} visible ASCII characters",
                kMaxKeyBytes);
  }
  if (key.size() < kGuessableKeyBytes) {
    base::log_warning("{}: this key has fewer than {} characters; it can be guessed", where,
                      kGuessableKeyBytes);
  }
  return digest_of(key);
}

void warn_if_readable_by_others(const std::filesystem::path& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0) {
    base::log_warning("{}: other users can read these keys; run chmod o= on it", file.string());
  }
}

}  // namespace

Result<ApiKeys> ApiKeys::load(const std::filesystem::path& file) {
  std::string text = TRY(base::read_file(file, kMaxFileBytes));
  warn_if_readable_by_others(file);
  auto keys = parse(text, file.string());
  OPENSSL_cleanse(text.data(), text.size());
  return keys;
}

Result<ApiKeys> ApiKeys::parse(std::string_view text, std::string_view where) {
  ApiKeys keys;
  for (std::size_t line_number = 1; !text.empty(); ++line_number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(without_comment(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const std::string place = std::string(where) + ":" + std::to_string(line_number);
    const std::size_t blank = std::min(line.find_first_of(" \t"), line.size());
    const Digest digest = TRY(read_key(line.substr(0, blank), place));
    std::string name(trimmed(line.substr(blank)));
    const auto is_printable = [](char c) { return c == ' ' || is_visible_ascii(c); };
    if (name.size() > kMaxNameBytes || !std::ranges::all_of(name, is_printable)) {
      return fail(ErrorCode::kInvalidArgument, place,
                  "a key's name is up to {} printable ASCII characters", kMaxNameBytes);
    }
    if (std::ranges::find(keys.keys_, digest, &Key::digest) != keys.keys_.end()) {
      return fail(ErrorCode::kInvalidArgument, place, "this key is in the file already");
    }
    if (keys.keys_.size() == kMaxKeys) {
      return fail(ErrorCode::kInvalidArgument, place, "there are more than {} keys", kMaxKeys);
    }
    std::string tenant = base::Sha256::hex(digest).substr(0, kTenantDigits);
    if (name.empty()) name = tenant.substr(0, kShortNameDigits);
    keys.keys_.push_back({digest, {std::move(name), std::move(tenant)}});
  }
  if (keys.keys_.empty()) {
    return fail(ErrorCode::kInvalidArgument, where, "holds no key: no one could call");
  }
  return keys;
}

Result<ApiClient> ApiKeys::check(std::string_view authorization) const {
  authorization = trimmed(authorization);
  if (authorization.empty()) {
    return fail(ErrorCode::kUnauthenticated, "Authorization",
                "an API key is needed: send 'Authorization: Bearer KEY'");
  }
  const std::size_t blank = std::min(authorization.find_first_of(" \t"), authorization.size());
  const std::string_view key = trimmed(authorization.substr(blank));
  if (!std::ranges::equal(authorization.substr(0, blank), kScheme, {}, lower) || key.empty() ||
      key.size() > kMaxKeyBytes || !std::ranges::all_of(key, is_visible_ascii)) {
    return fail(ErrorCode::kUnauthenticated, "Authorization",
                "must be 'Bearer', a blank, and an API key");
  }
  const Digest digest = digest_of(key);
  // Every key is compared, and the one found is kept without a branch.
  std::size_t found = 0;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const int difference = CRYPTO_memcmp(digest.data(), keys_[i].digest.data(), digest.size());
    found |= (i + 1) * static_cast<std::size_t>(difference == 0);
  }
  if (found == 0) {
    return fail(ErrorCode::kUnauthenticated, "Authorization", "this API key is not known");
  }
  return keys_[found - 1].client;
}

Result<ApiClient> ApiKeys::check(const net::HttpRequest& request) const {
  const std::string* authorization = nullptr;
  for (const auto& [name, value] : request.headers) {
    if (!std::ranges::equal(name, std::string_view("authorization"), {}, lower)) continue;
    if (authorization != nullptr) {
      return fail(ErrorCode::kUnauthenticated, "Authorization", "this header came twice");
    }
    authorization = &value;
  }
  return check(authorization == nullptr ? std::string_view() : std::string_view(*authorization));
}

}  // namespace fathom::serve
