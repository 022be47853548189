// Runs the generations of one request: all of them, or none.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "engine/generator.h"
#include "net/http_server.h"
#include "serve/openai/answer/answer.h"

namespace fathom::serve {

struct GroupArgs {
  std::vector<engine::GenerationRequest> requests;
  std::unique_ptr<Answer> answer;
  std::shared_ptr<net::HttpExchange> exchange;
  engine::Generator& generator;       // must outlive every generation
  std::shared_ptr<void> ticket = {};  // kept until the last generation ended
};

// Submits all requests; when one is refused, those before it are cancelled and its error returned,
// and the answer was not touched. Otherwise the answer gets the deltas, one at a time, on the
// generator's threads or this one. A client that leaves, and an error in one generation, cancel
// them all.
base::Result<void> run_generations(GroupArgs args);

}  // namespace fathom::serve
