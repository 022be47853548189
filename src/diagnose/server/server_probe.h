// Reads ServerFacts from running servers.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "diagnose/facts/server_facts.h"

namespace fathom::diagnose {

struct ServerQuestion {
  std::vector<std::string> urls;              // "http://127.0.0.1:8000"
  std::string api_key;                        // sent as a bearer token; may be empty
  std::chrono::milliseconds interval{5'000};  // between the two readings of /metrics
  std::chrono::milliseconds timeout{5'000};   // of each request
};

// Asks every server for /health, /version and /metrics, waits, and asks for /metrics again. A
// server that is silent or sends garbage costs its timeouts and becomes facts that say so; answers
// beyond 8 MiB are cut off with an error.
std::vector<ServerFacts> probe_servers(const ServerQuestion& question);

}  // namespace fathom::diagnose
