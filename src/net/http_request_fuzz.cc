// Fuzz target: the bytes of a connection, cut into two arrivals at a place that the first two bytes
// name. The cut may not change which requests are read; a refusal may come earlier or later.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/request_reader.h"

namespace {

using fathom::net::HttpRequest;
using fathom::net::HttpServerOptions;
using fathom::net::RequestReader;

const HttpServerOptions kOptions{
    .max_body_bytes = 512, .max_header_bytes = 1024, .max_headers = 10};
constexpr std::size_t kMaxRequests = 16;

void check(const HttpRequest& request) {
  if (request.body.size() > kOptions.max_body_bytes) std::abort();
  if (request.headers.size() > kOptions.max_headers) std::abort();
  if (request.method.empty()) std::abort();
  for (const auto& [name, value] : request.headers) {
    if (name.find_first_of("\r\n") != std::string::npos) std::abort();
    if (value.find_first_of("\r\n") != std::string::npos) std::abort();
  }
}

std::vector<HttpRequest> read(const std::vector<std::string_view>& arrivals) {
  std::vector<HttpRequest> requests;
  std::string received;
  std::size_t next = 0;
  while (requests.size() < kMaxRequests) {
    RequestReader reader(kOptions);
    while (reader.state() < RequestReader::State::kDone) {
      const auto before = reader.state();
      const std::size_t taken = reader.consume(received);
      if (taken > received.size()) std::abort();
      received.erase(0, taken);
      if (taken > 0 || reader.state() != before) continue;
      if (next == arrivals.size()) return requests;
      received += arrivals[next++];
    }
    if (reader.state() == RequestReader::State::kRefused) {
      if (reader.refusal().status < 400 || reader.refusal().reason.empty()) std::abort();
      return requests;
    }
    requests.push_back(reader.take());
    check(requests.back());
  }
  return requests;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::size_t cut = (data[0] * 256U + data[1]) % (text.size() + 1);
  const auto whole = read({text});
  const auto halves = read({text.substr(0, cut), text.substr(cut)});
  if (whole.size() != halves.size()) std::abort();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (whole[i].path != halves[i].path) std::abort();
    if (whole[i].headers != halves[i].headers) std::abort();
    if (whole[i].body != halves[i].body) std::abort();
  }
  return 0;
}
