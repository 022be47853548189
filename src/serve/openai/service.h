// Service: OpenAI's HTTP API over one model.
//
// Threads: handle() is called on the I/O thread and returns at once; a worker parses, renders and
// tokenizes; the generator's threads bring the answer and write its JSON. A client that goes away
// cancels its request.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/generator.h"
#include "net/http_server.h"
#include "serve/openai/endpoints/backend.h"
#include "serve/openai/routes.h"
#include "serve/openai/served_model.h"
#include "serve/openai/service_options.h"
#include "serve/worker.h"

namespace fathom::serve {

// kStarting and kDraining: /readyz fails. kDraining: new work is refused with 503 too.
enum class Readiness { kStarting, kReady, kDraining };

class Service {
 public:
  // The generator must outlive the service and every generation it began. Starts as kReady.
  Service(ServedModel model, engine::Generator& generator, const ServiceOptions& options = {});

  // Thread-safe; does not block. `tenant` names who asks: cached prefixes are shared within a
  // tenant, never across.
  void handle(const std::shared_ptr<net::HttpExchange>& exchange, std::string tenant = "");

  void set_readiness(Readiness readiness) { readiness_ = readiness; }
  // Requests for work that were taken and whose answers have not ended: zero when a drain is done.
  std::int64_t num_open_requests() const { return *num_open_requests_; }
  // Until that is zero; false if it is not after `timeout`.
  bool wait_until_idle(std::chrono::milliseconds timeout) const;

 private:
  void start_task(const Route& route, const std::shared_ptr<net::HttpExchange>& exchange,
                  std::string tenant);
  void answer_get(std::string_view pattern, net::HttpExchange& exchange) const;
  void answer_livez(net::HttpExchange& exchange) const;
  void answer_readyz(net::HttpExchange& exchange) const;

  Backend backend_;
  std::atomic<Readiness> readiness_{Readiness::kReady};
  // Shared with answers that outlive the service.
  const std::shared_ptr<std::atomic<std::int64_t>> num_open_requests_ =
      std::make_shared<std::atomic<std::int64_t>>(0);
  Worker worker_;  // last: its tasks use what stands above
};

}  // namespace fathom::serve
