// Checks and dispatch. On the CPU, rows in parallel: exponentials of the whole vocabulary are
// vector code; the filters then see few tokens.
#include "kernels/sample/sample.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "footprint/scratch.h"
#include "kernels/cpu_kernels.h"
#include "kernels/cuda_kernels.h"
#include "kernels/device_shape.h"
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

// Of each column: a candidate, and an adjusted logit or a weight.
constexpr std::int64_t kWorkspaceFloats = footprint::kSampleColumnFloats;

bool is_likelier(const Candidate& a, const Candidate& b) {
  return a.mass > b.mass || (a.mass == b.mass && a.token < b.token);
}

std::int32_t first_of(const float* logits, std::int64_t count, float wanted) {
  return static_cast<std::int32_t>(std::find(logits, logits + count, wanted) - logits);
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
  RowSampler(const SampleArgs& args, const CpuKernels& kernels, std::int64_t row)
      : args_(args),
        kernels_(kernels),
        row_(row),
        candidates_(reinterpret_cast<Candidate*>(args.workspace.as<float>() +
                                                 row * kWorkspaceFloats * args.logits.shape[1])),
        column_(reinterpret_cast<float*>(candidates_ + args.logits.shape[1])) {}

  std::int32_t draw(const float* logits) {
    const std::int64_t count = args_.num_valid_tokens;
    if (has_adjustments(args_.adjustments, row_)) {
      adjust_logits(args_.adjustments, row_, logits, count, column_);
      logits = column_;
    }
    const float max_logit = kernels_.max_logit(logits, count);
    if (max_logit == -std::numeric_limits<float>::infinity()) return -1;
    const float temperature = args_.temperature.as<float>()[row_];
    if (temperature <= 0.0F || !std::isfinite(max_logit)) {
      return first_of(logits, count, max_logit);
    }
    const std::int64_t top_k = args_.top_k.as<std::int32_t>()[row_];
    if (top_k > 0 && top_k < count) return draw_top_k(logits, top_k, max_logit);
    // Finite, so that 0 times it is 0. The weights may take the place of the adjusted logits.
    const float scale = std::min(1.0F / temperature, std::numeric_limits<float>::max());
    const double total = kernels_.softmax_weights({.logits = logits,
                                                   .count = count,
                                                   .max_logit = max_logit,
                                                   .scale = scale,
                                                   .weights = column_});
    return draw_from_weights(total);
  }

 private:
  std::int32_t draw_top_k(const float* logits, std::int64_t top_k, float max_logit) {
    std::int64_t count = collect_top_k(logits, top_k);
    const double total =
        soften(candidates_, count, max_logit, 1.0 / args_.temperature.as<float>()[row_]);
    const double top_p = args_.top_p.as<float>()[row_];
    if (top_p < 1.0) count = keep_top_p(candidates_, count, total * top_p);
    return pick(candidates_, keep_min_p(candidates_, count));
  }

  // No top-k. Most tokens are too unlikely for top-p or min-p to keep, and are never candidates.
  std::int32_t draw_from_weights(double total) {
    const std::int64_t num_tokens = args_.num_valid_tokens;
    const double top_p = args_.top_p.as<float>()[row_];
    const float min_p = args_.min_p.as<float>()[row_];
    if (top_p >= 1.0 && min_p <= 0.0F) return pick_from_weights(total);
    // All tokens below this together weigh less than 1 - top_p of the total, so that those above
    // reach top_p without them. The greatest weight is e^0 = 1.
    const double tail = (1.0 - std::min(top_p, 1.0)) * total / static_cast<double>(num_tokens);
    const auto least = std::max(static_cast<float>(tail * 0.999), min_p);
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < num_tokens; ++i) {
      candidates_[count] = {column_[i], static_cast<std::int32_t>(i)};
      count += column_[i] >= least && column_[i] > 0.0F ? 1 : 0;
    }
    if (top_p < 1.0) count = keep_top_p(candidates_, count, total * top_p);
    return pick(candidates_, count);
  }

  // The k likeliest tokens in any order; fewer if fewer are above -infinity. A buffer of a few
  // times k takes what is above the k-th of those before.
  std::int64_t collect_top_k(const float* logits, std::int64_t top_k) {
    const std::int64_t capacity = std::min(args_.num_valid_tokens, 4 * top_k + 64);
    float least = -std::numeric_limits<float>::infinity();
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < args_.num_valid_tokens; ++i) {
      if (!(logits[i] > least)) continue;  // true for a NaN; an equal one has a greater id
      if (count == capacity) {
        std::nth_element(candidates_, candidates_ + top_k - 1, candidates_ + count, is_likelier);
        count = top_k;
        least = candidates_[top_k - 1].mass;
        if (!(logits[i] > least)) continue;
      }
      candidates_[count++] = {logits[i], static_cast<std::int32_t>(i)};
    }
    if (count <= top_k) return count;
    std::nth_element(candidates_, candidates_ + top_k - 1, candidates_ + count, is_likelier);
    return top_k;
  }

  // Logits to e^((logit - maximum) / temperature); returns their sum.
  static double soften(Candidate* candidates, std::int64_t count, double max_logit, double scale) {
    double total = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const double shifted = (candidates[i].mass - max_logit) * scale;
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

  double uniform() const {
    return philox_uniform(args_.seeds.as<std::int64_t>()[row_],
                          args_.counters.as<std::int64_t>()[row_]);
  }

  std::int32_t pick(Candidate* candidates, std::int64_t count) const {
    std::sort(candidates, candidates + count,
              [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
    double total = 0;
    for (std::int64_t i = 0; i < count; ++i) total += candidates[i].mass;
    double left = total * uniform();
    for (std::int64_t i = 0; i < count; ++i) {
      left -= candidates[i].mass;
      if (left < 0) return candidates[i].token;
    }
    // Rounding left a crumb: the likeliest is never wrong.
    return std::min_element(candidates, candidates + count, is_likelier)->token;
  }

  // The same with every token a candidate.
  std::int32_t pick_from_weights(double total) const {
    double left = total * uniform();
    for (std::int64_t i = 0; i < args_.num_valid_tokens; ++i) {
      left -= column_[i];
      if (left < 0) return static_cast<std::int32_t>(i);
    }
    return first_of(column_, args_.num_valid_tokens, 1.0F);
  }

  const SampleArgs& args_;
  const CpuKernels& kernels_;
  std::int64_t row_;
  Candidate* candidates_;
  float* column_;  // adjusted logits, then weights
};

// What an empty view has no elements of is null.
template <typename T>
const T* pointer_to(const tensor::View& view) {
  return view.empty() ? nullptr : view.as<T>();
}

SampleTask task_of(const SampleArgs& args) {
  const LogitAdjustments& asked = args.adjustments;
  return {.logits = args.logits.as<float>(),
          .temperature = args.temperature.as<float>(),
          .top_k = args.top_k.as<std::int32_t>(),
          .top_p = args.top_p.as<float>(),
          .min_p = args.min_p.as<float>(),
          .seeds = args.seeds.as<std::int64_t>(),
          .counters = args.counters.as<std::int64_t>(),
          .penalty_slots = pointer_to<std::int32_t>(asked.slots),
          .token_counts = pointer_to<std::int32_t>(asked.token_counts),
          .repetition_penalty = pointer_to<float>(asked.repetition_penalty),
          .presence_penalty = pointer_to<float>(asked.presence_penalty),
          .frequency_penalty = pointer_to<float>(asked.frequency_penalty),
          .bias_starts = pointer_to<std::int32_t>(asked.bias_starts),
          .bias_tokens = pointer_to<std::int32_t>(asked.bias_tokens),
          .bias_values = pointer_to<float>(asked.bias_values),
          .masks = pointer_to<std::int32_t>(asked.masks),
          .mask_rows = pointer_to<std::int32_t>(asked.mask_rows),
          .workspace = args.workspace.as<float>(),
          .tokens = args.tokens.as<std::int32_t>(),
          .logprobs = args.logprobs.as<float>(),
          .num_rows = args.logits.shape[0],
          .vocab_rows = args.logits.shape[1],
          .num_valid_tokens = args.num_valid_tokens};
}

}  // namespace

std::int64_t sample_workspace_floats(std::int64_t max_rows, std::int64_t vocab_rows,
                                     const device::Device& device) {
  return footprint::sample_scratch_floats(device_shape(device), max_rows, vocab_rows);
}

void sample(const SampleArgs& args, device::Stream& stream) {
  const std::int64_t num_rows = args.logits.shape[0];
  CHECK(args.workspace.shape.num_elements() >=
            sample_workspace_floats(num_rows, args.logits.shape[1], stream.device()),
        "a workspace of {} floats for {} rows", args.workspace.shape.num_elements(), num_rows);
  check_adjustments(args.adjustments, num_rows, args.logits.shape[1]);
  if (on_cuda(stream)) return cuda_kernels().sample(task_of(args), cuda_queue(stream));
  struct Context {
    const SampleArgs& args;
    const CpuKernels& kernels;
  };
  Context context{args, cpu_kernels(stream)};
  const auto body = [](void* shared, std::int64_t row) {
    const auto& [each, kernels] = *static_cast<const Context*>(shared);
    const float* logits = each.logits.as<float>() + row * each.logits.shape[1];
    const std::int32_t token = RowSampler(each, kernels, row).draw(logits);
    each.tokens.as<std::int32_t>()[row] = token;
    each.logprobs.as<float>()[row] =
        token >= 0 ? log_softmax(softmax_sum(kernels, logits, each.num_valid_tokens), logits[token])
                   : -std::numeric_limits<float>::infinity();
  };
  const ParallelFor threads = parallel_for(stream);
  threads.run(threads.pool, num_rows, body, &context);
}

}  // namespace fathom::kernels
