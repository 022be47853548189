// Fuzz target: the bytes of a connection, cut into two arrivals at a place that the first two bytes
// name; the cut may not change what is read.
#include <cstdint>
#include <cstdlib>
#include <optional>
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

struct Outcome {
  std::vector<HttpRequest> requests;
  bool is_refused = false;
};

void check(const HttpRequest& request) {
  if (request.body.size() > kOptions.max_body_bytes) std::abort();
  if (request.headers.size() > kOptions.max_headers) std::abort();
  if (request.method.empty()) std::abort();
  for (const auto& [name, value] : request.headers) {
    if (name.find_first_of("\r\n") != std::string::npos) std::abort();
    if (value.find_first_of("\r\n") != std::string::npos) std::abort();
  }
}

Outcome read(const std::vector<std::string_view>& arrivals) {
  Outcome outcome;
  std::string received;
  std::size_t next = 0;
  while (outcome.requests.size() < kMaxRequests) {
    RequestReader reader(kOptions);
    while (reader.state() < RequestReader::State::kDone) {
      const auto before = reader.state();
      const std::size_t taken = reader.consume(received);
      if (taken > received.size()) std::abort();
      received.erase(0, taken);
      if (taken > 0 || reader.state() != before) continue;
      if (next == arrivals.size()) return outcome;
      received += arrivals[next++];
    }
    if (reader.state() == RequestReader::State::kRefused) {
      if (reader.refusal().status < 400 || reader.refusal().reason.empty()) std::abort();
      outcome.is_refused = true;
      return outcome;
    }
    outcome.requests.push_back(reader.take());
    check(outcome.requests.back());
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::size_t cut = (data[0] * 256U + data[1]) % (text.size() + 1);
  const Outcome whole = read({text});
  const Outcome halves = read({text.substr(0, cut), text.substr(cut)});
  if (whole.is_refused != halves.is_refused) std::abort();
  if (whole.requests.size() != halves.requests.size()) std::abort();
  for (std::size_t i = 0; i < whole.requests.size(); ++i) {
    if (whole.requests[i].path != halves.requests[i].path) std::abort();
    if (whole.requests[i].headers != halves.requests[i].headers) std::abort();
    if (whole.requests[i].body != halves.requests[i].body) std::abort();
  }
  return 0;
}
