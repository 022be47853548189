// libcurl's easy interface behind Result.
#include "net/http_client.h"

#include <curl/curl.h>

#include <mutex>
#include <optional>
#include <utility>

namespace fathom::net {
namespace {

using base::Error;
using base::ErrorCode;
using base::fail;
using base::Result;

constexpr long kConnectTimeoutSeconds = 20;
constexpr long kStallSeconds = 30;
constexpr long kMaxRedirects = 10;
constexpr std::size_t kMaxHeaderBytes = 256 << 10;

// What one request's callbacks share.
struct Transfer {
  CURL* curl;
  const HttpSink& sink;
  const std::function<bool()>& is_cancelled;
  HttpReply reply;
  std::size_t header_bytes = 0;
  bool reply_is_told = false;
  std::optional<Error> error;

  // False: stop.
  bool tell_reply() {
    if (reply_is_told) return !error;
    reply_is_told = true;
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    reply.status = static_cast<int>(status);
    char* url = nullptr;
    curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &url);
    if (url != nullptr) reply.url = url;
    if (!sink.on_reply) return true;
    if (auto accepted = sink.on_reply(reply); !accepted) error = accepted.error();
    return !error;
  }

  void tell_times() {
    curl_off_t connected = 0;
    curl_off_t ready = 0;
    curl_off_t answered = 0;
    curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connected);
    curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &ready);
    curl_easy_getinfo(curl, CURLINFO_STARTTRANSFER_TIME_T, &answered);
    reply.connect_time = std::chrono::microseconds(connected);
    reply.answer_time = std::chrono::microseconds(answered > ready ? answered - ready : 0);
  }
};

std::size_t on_header(char* data, std::size_t, std::size_t size, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  std::string_view line(data, size);
  transfer.header_bytes += size;
  if (transfer.header_bytes > kMaxHeaderBytes) return 0;
  if (line.starts_with("HTTP/")) {  // a new answer, after a redirect
    transfer.reply.headers.clear();
    return size;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == '\r' || value.back() == '\n' || value.back() == ' ')) {
    value.remove_suffix(1);
  }
  transfer.reply.headers.emplace_back(line.substr(0, colon), value);
  return size;
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (!transfer.tell_reply()) return 0;
  if (!transfer.sink.on_bytes) return size;
  if (auto taken = transfer.sink.on_bytes({data, size}); !taken) {
    transfer.error = taken.error();
    return 0;
  }
  return size;
}

int on_progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (!transfer.is_cancelled || !transfer.is_cancelled()) return 0;
  transfer.error = fail(ErrorCode::kCancelled, "", "cancelled");
  return 1;
}

}  // namespace

std::string url_segment(std::string_view text) {
  const std::unique_ptr<char, void (*)(void*)> escaped(
      curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size())), curl_free);
  CHECK(escaped != nullptr, "libcurl has no memory");
  return escaped.get();
}

struct HttpClient::Handle {
  CURL* curl;

  Handle() {
    static std::once_flag initialised;
    std::call_once(initialised, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    curl = curl_easy_init();
    CHECK(curl != nullptr, "libcurl cannot start");
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { curl_easy_cleanup(curl); }
};

HttpClient::HttpClient() : handle_(std::make_unique<Handle>()) {}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;

Result<HttpReply> HttpClient::get(const HttpGet& request, const HttpSink& sink,
                                  const std::function<bool()>& is_cancelled) {
  CURL* const curl = handle_->curl;
  curl_easy_reset(curl);
  Transfer transfer{.curl = curl, .sink = sink, .is_cancelled = is_cancelled};
  curl_slist* headers = nullptr;
  for (const auto& [name, value] : request.headers) {
    headers = curl_slist_append(headers, (name + ": " + value).c_str());
  }
  const std::string range = std::to_string(request.first_byte) + "-";
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "fathom/" FATHOM_VERSION);
  curl_easy_setopt(curl, CURLOPT_NOBODY, request.head_only ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, request.follow_redirects ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectTimeoutSeconds);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  if (!request.bearer_token.empty()) {  // libcurl keeps it from other hosts
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, request.bearer_token.c_str());
  }
  if (request.first_byte > 0) curl_easy_setopt(curl, CURLOPT_RANGE, range.c_str());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(headers);
  if (code == CURLE_OK) transfer.tell_reply();
  transfer.tell_times();
  if (transfer.error) return *transfer.error;
  if (code != CURLE_OK) {
    return fail(ErrorCode::kUnavailable, request.url, "{}", curl_easy_strerror(code));
  }
  return std::move(transfer.reply);
}

Result<std::pair<HttpReply, std::string>> HttpClient::get_text(const HttpGet& request,
                                                               std::size_t max_bytes) {
  std::string body;
  const HttpSink sink{.on_reply = {}, .on_bytes = [&](std::string_view bytes) -> Result<void> {
                        if (body.size() + bytes.size() > max_bytes) {
                          return fail(ErrorCode::kInvalidArgument, request.url,
                                      "the answer is over {} bytes", max_bytes);
                        }
                        body += bytes;
                        return {};
                      }};
  HttpReply reply = TRY(get(request, sink));
  return std::pair(std::move(reply), std::move(body));
}

}  // namespace fathom::net
