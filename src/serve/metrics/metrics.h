// Metrics: what Prometheus scrapes, under the names and buckets that vLLM has.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::serve {

struct MetricSeries;

enum class MetricNames {
  kFathom,  // fathom_num_requests_running, fathom_http_requests_total
  kVllm,    // vllm:num_requests_running; and http_requests_total, which has no prefix there
};

// What /metrics tells of the KV cache as labels of cache_config_info.
struct CacheConfigLabels {
  std::int64_t block_size_tokens = 0;
  std::int64_t num_blocks = 0;
  std::string cache_dtype;
  bool has_prefix_caching = false;
};

struct MetricsOptions {
  MetricNames names = MetricNames::kFathom;
  std::string model_name;
  std::int64_t max_context_tokens = 4096;  // the buckets of token counts go up to here
  std::int64_t max_draft_tokens = 0;       // guesses of one draft
  CacheConfigLabels cache;
  // The routes as patterns; every other path counts as "none", so that callers cannot add series.
  std::vector<std::string> handlers;
};

// How things stand when a scrape comes.
struct EngineSnapshot {
  std::int64_t num_running = 0;
  std::int64_t num_waiting = 0;
  double kv_cache_usage = 0;  // 0 to 1
};

enum class FinishReason { kStop, kLength, kAbort, kError };
enum class RejectReason { kQueueFull, kContextTooLong, kNoCapacity, kDraining };

// An answer that came to an end, in whatever way; a request with n = 4 has four. Times in seconds.
struct FinishedRequest {
  FinishReason reason = FinishReason::kStop;
  std::int64_t num_prompt_tokens = 0;
  std::int64_t num_cached_tokens = 0;      // of the prompt, from the prefix cache
  std::int64_t num_recomputed_tokens = 0;  // after preemptions
  std::int64_t num_generation_tokens = 0;
  bool is_corrupted = false;               // the model's numbers were not finite
  std::optional<std::int64_t> max_tokens;  // as asked
  double e2e_seconds = 0;                  // from arrival to the last token
  double queue_seconds = 0;                // from arrival to the first step
  double prefill_seconds = 0;              // from the first step to the first token
  double decode_seconds = 0;               // from the first token to the last
};

// The guesses that one step checked.
struct Speculation {
  std::int64_t num_drafts = 0;
  std::int64_t num_draft_tokens = 0;
  std::span<const std::int64_t> accepted_at;  // how many were right, by position in their draft
};

// Thread-safe. A record costs an atomic addition or a short lock; times that are negative or not
// numbers count as 0.
class Metrics {
 public:
  explicit Metrics(const MetricsOptions& options);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // A step of the engine over so many tokens, prompts' and generated.
  void record_step(std::int64_t num_tokens);
  // `count` tokens came, each `seconds` after the one before it.
  void record_token_interval(double seconds, std::int64_t count);
  void record_first_token(double seconds_since_arrival);
  // Counts tokens and outcome too: once for each answer that was admitted.
  void record_finished(const FinishedRequest& request);
  // All answers of a request have ended.
  void record_choices(std::int64_t n, std::int64_t longest_tokens);
  void record_rejected(RejectReason reason);
  // Tokens asked of the prefix cache, and found.
  void record_prefix_cache(std::int64_t queries, std::int64_t hits);
  void record_preemption();
  void record_speculation(const Speculation& speculation);
  // A block of the prefix cache was shared again; or was given to somebody else.
  void record_block_reuse(double seconds_since_use);
  void record_block_eviction(double seconds_since_taken, double seconds_since_use);
  // An answered HTTP request; `handler` is a route of the options or anything else, `status` is
  // counted by its class ("2xx").
  void record_http(std::string_view method, std::string_view handler, int status, double seconds);

  // The text of /metrics, of the type kContentType.
  std::string expose(const EngineSnapshot& snapshot);
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  std::unique_ptr<MetricSeries> series_;
};

}  // namespace fathom::serve
