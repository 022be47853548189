// ServiceOptions: what an operator decides about the API.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

namespace fathom::serve {

struct ServiceOptions {
  std::size_t num_workers = 2;          // threads that parse, render and tokenize
  std::size_t max_waiting_tasks = 256;  // for a worker; beyond: 503
  // Without progress for longer, while there is work, /livez fails. Longer than any step takes: one
  // of a 7B model's prompts can take half a minute on a few cores.
  std::chrono::milliseconds max_stall{60'000};
  // The longest that a request may wait for the engine; then: 503.
  std::optional<std::chrono::milliseconds> queue_deadline;
  // Whether requests may bring a chat_template of their own. It runs in the sandbox, but costs
  // what its author wants, up to the template limits.
  bool allows_request_templates = false;
};

}  // namespace fathom::serve
