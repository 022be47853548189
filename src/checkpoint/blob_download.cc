// Ranges, retries, hashes, and a lock against a second process.
#include "checkpoint/blob_download.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <fstream>
#include <thread>
#include <utility>

#include "base/sha256.h"

namespace fathom::checkpoint {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::int64_t kMaxFileBytes = std::int64_t{1} << 44;
constexpr int kMaxSameHostRedirects = 10;

// Held as long as it lives; another process that wants the same file waits.
class FileLock {
 public:
  static Result<FileLock> take(const std::filesystem::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0 || ::flock(descriptor, LOCK_EX) != 0) {
      const int number = errno;
      if (descriptor >= 0) ::close(descriptor);
      return fail(base::errno_code(number), path.native(), "cannot lock: {}",
                  base::errno_text(number));
    }
    return FileLock(descriptor);
  }
  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

std::string bare_etag(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return std::string(etag);
}

bool is_etag(std::string_view etag) {
  return !etag.empty() && etag.size() <= 128 && std::ranges::all_of(etag, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  }) && etag.front() != '.';
}

std::int64_t size_of(const std::filesystem::path& path) {
  std::error_code code;
  const auto size = std::filesystem::file_size(path, code);
  return code ? 0 : static_cast<std::int64_t>(size);
}

// The file's SHA-256, or git's SHA-1 of a blob: of "blob <size>\0" and the bytes.
Result<std::string> digest(const std::filesystem::path& path, bool is_sha256,
                           std::int64_t size_bytes) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(base::errno_code(errno), path.native(), "cannot read");
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestInit_ex(context, is_sha256 ? EVP_sha256() : EVP_sha1(), nullptr);
  if (!is_sha256) {
    const std::string head = "blob " + std::to_string(size_bytes);
    EVP_DigestUpdate(context, head.c_str(), head.size() + 1);
  }
  std::vector<char> buffer(1 << 20);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) ||
         file.gcount() > 0) {
    EVP_DigestUpdate(context, buffer.data(), static_cast<std::size_t>(file.gcount()));
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  EVP_DigestFinal_ex(context, bytes.data(), &size);
  EVP_MD_CTX_free(context);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

// Where a redirect leads if it stays on the host of `url`, as of a renamed model or a mirror's own
// paths; empty for one to a storage host, before which the hub itself tells size and ETag.
std::string same_host_target(const std::string& url, std::string_view location) {
  const std::size_t host = url.find("://");
  const std::size_t path = host == std::string::npos ? host : url.find('/', host + 3);
  if (path == std::string::npos) return "";
  const std::string_view origin = std::string_view(url).substr(0, path);
  if (location.starts_with('/') && !location.starts_with("//")) {
    return std::string(origin) + std::string(location);
  }
  const bool stays = location.starts_with(origin) && location.substr(path).starts_with('/');
  return stays ? std::string(location) : "";
}

// The answer that names the file: a redirect to another host, or the file's own headers.
Result<net::HttpReply> ask_for_headers(net::HttpClient& client, net::HttpGet request,
                                       const std::function<bool()>& is_cancelled) {
  for (int hop = 0; hop < kMaxSameHostRedirects; ++hop) {
    net::HttpReply reply = TRY(client.get(request, {}, is_cancelled));
    const bool is_redirect = reply.status >= 300 && reply.status < 400;
    if (!is_redirect || !net::find_header(reply.headers, "X-Linked-Etag").empty()) return reply;
    std::string target = same_host_target(request.url, net::find_header(reply.headers, "Location"));
    if (target.empty()) return reply;
    request.url = std::move(target);
  }
  return fail(ErrorCode::kUnavailable, request.url, "more than {} redirects",
              kMaxSameHostRedirects);
}

bool is_worth_another_try(const base::Error& error) {
  return error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kDataLoss;
}

}  // namespace

Result<RemoteFile> BlobDownload::look_up(net::HttpClient& client, const std::string& url,
                                         const std::string& name) const {
  // Not following redirects to other hosts: the hub's own headers name the file behind them.
  net::HttpGet request{
      .url = url, .bearer_token = options_.token, .head_only = true, .follow_redirects = false};
  request.headers = {{"Accept-Encoding", "identity"}};
  const net::HttpReply reply = TRY(ask_for_headers(client, request, is_cancelled_));
  if (reply.status == 401 || reply.status == 403) {
    return fail(ErrorCode::kPermissionDenied, url,
                "the hub wants a login (status {}); set HF_TOKEN, and accept the model's terms "
                "on its page",
                reply.status);
  }
  if (reply.status == 404) return fail(ErrorCode::kNotFound, url, "no such file");
  if (reply.status >= 500 || reply.status == 429) {
    return fail(ErrorCode::kUnavailable, url, "the hub answers with status {}", reply.status);
  }
  if (reply.status >= 400) {
    return fail(ErrorCode::kUnknown, url, "the hub answers with status {}", reply.status);
  }
  RemoteFile file{.name = name, .url = url};
  std::string_view etag = net::find_header(reply.headers, "X-Linked-Etag");
  std::string_view size = net::find_header(reply.headers, "X-Linked-Size");
  if (reply.status < 300) {  // the file itself; a redirect's own are of no use
    if (etag.empty()) etag = net::find_header(reply.headers, "ETag");
    if (size.empty()) size = net::find_header(reply.headers, "Content-Length");
  }
  file.etag = bare_etag(etag);
  const auto parsed = std::from_chars(size.data(), size.data() + size.size(), file.size_bytes);
  if (!is_etag(file.etag) || size.empty() || parsed.ec != std::errc{} || file.size_bytes < 0 ||
      file.size_bytes > kMaxFileBytes) {
    return fail(ErrorCode::kUnknown, url, "the hub tells neither size nor ETag of the file");
  }
  return file;
}

Result<std::int64_t> BlobDownload::fetch(net::HttpClient& client, const RemoteFile& file,
                                         const std::function<void(std::string)>& on_note) const {
  const std::filesystem::path blob = cache_.blob(file.etag);
  const std::filesystem::path partial = blob.native() + ".incomplete";
  const auto lock = TRY(FileLock::take(blob.native() + ".lock"));
  if (std::filesystem::exists(blob) && size_of(blob) == file.size_bytes) {
    on_bytes_(file.size_bytes);
    return std::int64_t{0};
  }
  std::int64_t on_disk = size_of(partial);
  on_bytes_(on_disk);
  std::int64_t fetched = 0;
  for (int number = 1;; ++number) {
    Result<std::int64_t> got = attempt(client, file, partial);
    Result<void> done = got ? verify(file, partial) : Result<void>(got.error());
    if (got) fetched += *got;
    if (done) break;
    if (done.error().code == ErrorCode::kDataLoss) {  // what is there is of no use
      on_bytes_(-size_of(partial));
      std::filesystem::remove(partial);
    }
    if (number >= options_.max_attempts || !is_worth_another_try(done.error())) {
      return std::move(done).error();
    }
    on_note(fmt::format("{}: {}; trying again", file.name, done.error().message));
    std::this_thread::sleep_for(std::chrono::milliseconds(200) * (1 << std::min(number, 6)));
    if (is_cancelled_ && is_cancelled_()) return fail(ErrorCode::kCancelled, "", "cancelled");
  }
  std::error_code code;
  std::filesystem::rename(partial, blob, code);
  if (code) return fail(ErrorCode::kUnknown, blob.native(), "cannot rename: {}", code.message());
  std::filesystem::remove(blob.native() + ".lock", code);
  return fetched;
}

Result<std::int64_t> BlobDownload::attempt(net::HttpClient& client, const RemoteFile& file,
                                           const std::filesystem::path& partial) const {
  std::int64_t have = size_of(partial);
  if (have > file.size_bytes) {
    on_bytes_(-have);
    std::filesystem::remove(partial);
    have = 0;
  }
  if (have == file.size_bytes && have > 0) return std::int64_t{0};
  std::ofstream out;
  std::int64_t fetched = 0;
  const net::HttpSink sink{
      .on_reply = [&](const net::HttpReply& reply) -> Result<void> {
        if (reply.status != 200 && reply.status != 206) {
          const bool is_passing = reply.status >= 500 || reply.status == 429;
          return fail(is_passing ? ErrorCode::kUnavailable : ErrorCode::kUnknown, file.url,
                      "the hub answers with status {}", reply.status);
        }
        if (reply.status == 200 && have > 0) {  // ranges are not served: from the start
          on_bytes_(-have);
          have = 0;
        }
        out.open(partial, std::ios::binary | (have > 0 ? std::ios::app : std::ios::trunc));
        if (!out) return fail(base::errno_code(errno), partial.native(), "cannot write");
        return {};
      },
      .on_bytes = [&](std::string_view bytes) -> Result<void> {
        const auto count = std::ssize(bytes);
        if (have + fetched + count > file.size_bytes) {
          return fail(ErrorCode::kDataLoss, file.url, "more bytes came than the file has");
        }
        // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): the size is given
        if (!out.write(bytes.data(), count)) {
          return fail(ErrorCode::kResourceExhausted, partial.native(),
                      "cannot write: is the disk full?");
        }
        fetched += count;
        on_bytes_(count);
        return {};
      }};
  net::HttpGet request{.url = file.url, .bearer_token = options_.token, .first_byte = have};
  request.headers = {{"Accept-Encoding", "identity"}};
  TRY(client.get(request, sink, is_cancelled_));
  if (!out.is_open()) out.open(partial, std::ios::binary | std::ios::trunc);  // an empty file
  out.close();
  if (!out) return fail(ErrorCode::kResourceExhausted, partial.native(), "cannot write");
  if (have + fetched < file.size_bytes) {
    return fail(ErrorCode::kUnavailable, file.url, "the connection ended early");
  }
  return fetched;
}

Result<void> BlobDownload::verify(const RemoteFile& file,
                                  const std::filesystem::path& partial) const {
  const bool is_sha256 = file.etag.size() == 64;
  if (!is_sha256 && file.etag.size() != 40) return {};  // a mirror's own tag: the size must do
  const std::string found = TRY(digest(partial, is_sha256, file.size_bytes));
  if (found == file.etag) return {};
  return fail(ErrorCode::kDataLoss, file.url, "its checksum is {}, not {}", found, file.etag);
}

}  // namespace fathom::checkpoint
