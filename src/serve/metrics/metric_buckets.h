// The histograms' upper bounds: vLLM's, so that dashboards made for it fit.
#pragma once

#include <cstdint>
#include <vector>

namespace fathom::serve {

using Buckets = std::vector<double>;

// To the first token, seconds.
Buckets first_token_buckets();
// Between tokens, seconds.
Buckets token_interval_buckets();
// A request's phases and its whole, seconds.
Buckets request_seconds_buckets();
// Tokens in one step of the engine.
Buckets step_tokens_buckets();
// What becomes of KV blocks, seconds.
Buckets block_seconds_buckets();
// Choices asked for.
Buckets num_choices_buckets();
// An HTTP answer, seconds.
Buckets http_seconds_buckets();
// 1, 2, 5, 10, 20, 50 and so on, up to max_tokens.
Buckets token_count_buckets(std::int64_t max_tokens);

}  // namespace fathom::serve
