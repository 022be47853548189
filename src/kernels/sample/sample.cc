// Rows in parallel; one portable variant, because the head's product before it costs far more.
#include "kernels/sample/sample.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu_kernels.h"
#include "kernels/element.h"
#include "kernels/sample/adjust_logits.h"
#include "kernels/sample/philox.h"
#include "kernels/token_logprobs/log_softmax.h"

namespace fathom::kernels {
namespace {

// A token that may still be drawn. `mass` is its logit, then its probability's numerator.
struct Candidate {
  float mass;
  std::int32_t token;
};
static_assert(sizeof(Candidate) == 2 * sizeof(float));

// Of each column: a candidate and an adjusted logit.
constexpr std::int64_t kWorkspaceFloats = 3;

bool is_likelier(const Candidate& a, const Candidate& b) {
  return a.mass > b.mass || (a.mass == b.mass && a.token < b.token);
}

std::int32_t greedy(const float* logits, std::int64_t count) {
  std::int32_t best = -1;
  float best_logit = -std::numeric_limits<float>::infinity();
  for (std::int64_t i = 0; i < count; ++i) {
    if (logits[i] > best_logit) {
      best_logit = logits[i];
      best = static_cast<std::int32_t>(i);
    }
  }
  return best;
}

// Puts candidates in order of likelihood as far as `enough` wants: most top-p sets are small, and
// sorting a whole vocabulary is not. Returns how many, from the first, are sorted and kept.
std::int64_t keep_top_p(Candidate* candidates, std::int64_t count, double limit) {
  double mass = 0;
  std::int64_t sorted = 0;
  for (std::int64_t step = 64; sorted < count; step *= 4) {
    const std::int64_t end = std::min(count, sorted + step);
    if (end < count) {
      std::nth_element(candidates + sorted, candidates + end - 1, candidates + count, is_likelier);
    }
    std::sort(candidates + sorted, candidates + end, is_likelier);
    for (; sorted < end; ++sorted) {
      mass += candidates[sorted].mass;
      if (mass >= limit) return sorted + 1;
    }
  }
  return count;
}

class RowSampler {
 public:
  RowSampler(const SampleArgs& args, std::int64_t row) : args_(args), row_(row) {}

  std::int32_t draw(const float* logits) {
    const std::int64_t vocab_rows = args_.logits.shape[1];
    float* workspace = args_.workspace.as<float>() + row_ * kWorkspaceFloats * vocab_rows;
    if (has_adjustments(args_.adjustments, row_)) {
      float* adjusted = workspace + 2 * vocab_rows;
      adjust_logits(args_.adjustments, row_, logits, args_.num_valid_tokens, adjusted);
      logits = adjusted;
    }
    const float temperature = args_.temperature.as<float>()[row_];
    if (temperature <= 0.0F) return greedy(logits, args_.num_valid_tokens);
    auto* candidates = reinterpret_cast<Candidate*>(workspace);
    std::int64_t count = collect(logits, candidates);
    if (count == 0) return -1;
    count = keep_top_k(candidates, count);
    const double total = soften(candidates, count, 1.0 / temperature);
    const double top_p = args_.top_p.as<float>()[row_];
    if (top_p < 1.0) count = keep_top_p(candidates, count, total * top_p);
    count = keep_min_p(candidates, count);
    std::sort(candidates, candidates + count,
              [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
    return pick(candidates, count);
  }

 private:
  std::int64_t collect(const float* logits, Candidate* candidates) const {
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < args_.num_valid_tokens; ++i) {
      // False for a NaN, too.
      if (logits[i] > -std::numeric_limits<float>::infinity()) {
        candidates[count++] = {logits[i], static_cast<std::int32_t>(i)};
      }
    }
    return count;
  }

  std::int64_t keep_top_k(Candidate* candidates, std::int64_t count) const {
    const std::int64_t k = args_.top_k.as<std::int32_t>()[row_];
    if (k <= 0 || k >= count) return count;
    std::nth_element(candidates, candidates + k - 1, candidates + count, is_likelier);
    return k;
  }

  // Logits to e^((logit - maximum) / temperature); returns their sum.
  static double soften(Candidate* candidates, std::int64_t count, double scale) {
    float max_logit = candidates[0].mass;
    for (std::int64_t i = 1; i < count; ++i) max_logit = std::max(max_logit, candidates[i].mass);
    double total = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const double shifted = max_logit == std::numeric_limits<float>::infinity()
                                 ? (candidates[i].mass == max_logit ? 0.0 : -1e30)
                                 : (static_cast<double>(candidates[i].mass) - max_logit) * scale;
      candidates[i].mass = static_cast<float>(std::exp(shifted));
      total += candidates[i].mass;
    }
    return total;
  }

  std::int64_t keep_min_p(Candidate* candidates, std::int64_t count) const {
    const float min_p = args_.min_p.as<float>()[row_];
    if (min_p <= 0.0F) return count;
    float best = 0;
    for (std::int64_t i = 0; i < count; ++i) best = std::max(best, candidates[i].mass);
    const auto is_unlikely = [&](const Candidate& each) { return each.mass < best * min_p; };
    return std::remove_if(candidates, candidates + count, is_unlikely) - candidates;
  }

  std::int32_t pick(const Candidate* candidates, std::int64_t count) const {
    double total = 0;
    for (std::int64_t i = 0; i < count; ++i) total += candidates[i].mass;
    double left = total * philox_uniform(args_.seeds.as<std::int64_t>()[row_],
                                         args_.counters.as<std::int64_t>()[row_]);
    for (std::int64_t i = 0; i < count; ++i) {
      left -= candidates[i].mass;
      if (left < 0) return candidates[i].token;
    }
    // Rounding left a crumb: the likeliest is never wrong.
    return std::min_element(candidates, candidates + count, is_likelier)->token;
  }

  const SampleArgs& args_;
  std::int64_t row_;
};

}  // namespace

std::int64_t sample_workspace_floats(std::int64_t max_rows, std::int64_t vocab_rows,
                                     const device::Device&) {
  return max_rows * vocab_rows * kWorkspaceFloats;
}

void sample(const SampleArgs& args, device::Stream& stream) {
  const std::int64_t num_rows = args.logits.shape[0];
  CHECK(args.workspace.shape.num_elements() >=
            sample_workspace_floats(num_rows, args.logits.shape[1], stream.device()),
        "a workspace of {} floats for {} rows", args.workspace.shape.num_elements(), num_rows);
  check_adjustments(args.adjustments, num_rows, args.logits.shape[1]);
  const ParallelFor threads = parallel_for(stream);
  const auto body = [](void* context, std::int64_t row) {
    const auto& each = *static_cast<const SampleArgs*>(context);
    const float* logits = each.logits.as<float>() + row * each.logits.shape[1];
    const std::int32_t token = RowSampler(each, row).draw(logits);
    each.tokens.as<std::int32_t>()[row] = token;
    each.logprobs.as<float>()[row] = log_softmax_at(logits, each.num_valid_tokens, token);
  };
  threads.run(threads.pool, num_rows, body, const_cast<SampleArgs*>(&args));
}

}  // namespace fathom::kernels
