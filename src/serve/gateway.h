// Gateway: what stands before the service. Cross-origin questions, API keys, /metrics, and the
// count and duration of every HTTP request.
//
// Denies by default: where keys are asked for, only /health, /livez and /readyz go without, unknown
// paths included.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "engine/generator.h"
#include "net/http_server.h"
#include "serve/access/api_keys.h"
#include "serve/access/cors_policy.h"
#include "serve/metrics/metrics.h"
#include "serve/openai/service.h"

namespace fathom::serve {

struct GatewayOptions {
  std::optional<ApiKeys> keys;  // absent: everybody may call, as one tenant
  CorsPolicy cors;              // off unless set
};

class Gateway {
 public:
  // All must outlive the gateway; the metrics also every exchange that went through it.
  Gateway(Service& service, Metrics& metrics, const engine::Generator& generator,
          GatewayOptions options)
      : service_(service),
        metrics_(metrics),
        generator_(generator),
        keys_(std::move(options.keys)),
        cors_(std::make_shared<const CorsPolicy>(std::move(options.cors))) {}

  // Thread-safe; does not block.
  void handle(const std::shared_ptr<net::HttpExchange>& exchange);

 private:
  net::HttpResponse metrics_response() const;

  Service& service_;
  Metrics& metrics_;
  const engine::Generator& generator_;
  std::optional<ApiKeys> keys_;
  std::shared_ptr<const CorsPolicy> cors_;  // shared with answers that outlive the gateway
};

}  // namespace fathom::serve
