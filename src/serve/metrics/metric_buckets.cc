// Numbers, and nothing else.
#include "serve/metrics/metric_buckets.h"

namespace fathom::serve {

Buckets first_token_buckets() {
  return {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
          1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
}

Buckets token_interval_buckets() {
  return {.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80};
}

Buckets request_seconds_buckets() {
  return {.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
          30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
}

Buckets step_tokens_buckets() {
  return {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
}

Buckets block_seconds_buckets() {
  return {.001, .002, .005, .01, .02, .05, .1,  .2,  .5,   1,   2,
          5,    10,   20,   30,  60,  120, 300, 600, 1200, 1800};
}

Buckets num_choices_buckets() { return {1, 2, 5, 10, 20}; }

Buckets http_seconds_buckets() { return {.1, .5, 1}; }

Buckets token_count_buckets(std::int64_t max_tokens) {
  constexpr std::int64_t kLargestDecade = 1'000'000'000;
  Buckets buckets;
  for (std::int64_t decade = 1; decade <= kLargestDecade; decade *= 10) {
    for (const std::int64_t mantissa : {1, 2, 5}) {
      if (mantissa * decade > max_tokens) return buckets;
      buckets.push_back(static_cast<double>(mantissa * decade));
    }
  }
  return buckets;
}

}  // namespace fathom::serve
