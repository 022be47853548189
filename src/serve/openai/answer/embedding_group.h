// Runs the embeddings of one request, a few at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/generator.h"
#include "net/http_server.h"

namespace fathom::serve {

struct EmbeddingGroupArgs {
  std::vector<engine::EmbeddingRequest> requests;  // at least one
  engine::Generator& generator;                    // must outlive every request
  std::shared_ptr<net::HttpExchange> exchange;
  // The answer's JSON, of the values of all requests in their order, normalized.
  std::function<std::string(const std::vector<std::vector<float>>&)> to_json;
  std::shared_ptr<void> ticket = {};  // kept until the end
};

// The first error answers the exchange and cancels the rest; a client that leaves does too.
void run_embeddings(EmbeddingGroupArgs args);

}  // namespace fathom::serve
