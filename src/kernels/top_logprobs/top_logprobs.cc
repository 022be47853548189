// Checks and dispatch. On the CPU, rows in parallel; a short sorted list takes the few logits that
// enter it.
#include "kernels/top_logprobs/top_logprobs.h"

#include <array>
#include <cmath>
#include <limits>

#include "kernels/cpu_kernels.h"
#include "kernels/cuda_kernels.h"
#include "kernels/element.h"
#include "kernels/token_logprobs/log_softmax.h"

namespace fathom::kernels {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();

// The k greatest logits seen, in order.
class TopLogits {
 public:
  explicit TopLogits(std::int64_t k) : k_(k) {
    logits_.fill(kNone);
    ids_.fill(-1);
  }
  // Below or at this, a later id cannot enter.
  float least() const { return logits_[static_cast<std::size_t>(k_ - 1)]; }
  void insert(float logit, std::int32_t id) {
    auto at = static_cast<std::size_t>(k_ - 1);
    for (; at > 0 && logits_[at - 1] < logit; --at) {
      logits_[at] = logits_[at - 1];
      ids_[at] = ids_[at - 1];
    }
    logits_[at] = logit;
    ids_[at] = id;
  }
  float logit(std::int64_t i) const { return logits_[static_cast<std::size_t>(i)]; }
  std::int32_t id(std::int64_t i) const { return ids_[static_cast<std::size_t>(i)]; }

 private:
  std::int64_t k_;
  std::array<float, kMaxTopLogprobs> logits_;
  std::array<std::int32_t, kMaxTopLogprobs> ids_;
};

void write_top(const TopLogprobsArgs& args, std::int64_t row, const float* logits,
               const SoftmaxSum& sum) {
  const std::int64_t k = args.ids.shape[1];
  if (k == 0) return;
  TopLogits top(k);
  float least = kNone;
  for (std::int64_t i = 0; i < args.num_valid_tokens; ++i) {
    if (logits[i] > least) {  // false for a NaN
      top.insert(logits[i], static_cast<std::int32_t>(i));
      least = top.least();
    }
  }
  for (std::int64_t i = 0; i < k; ++i) {
    args.ids.as<std::int32_t>()[row * k + i] = top.id(i);
    args.logprobs.as<float>()[row * k + i] = log_softmax(sum, top.logit(i));
  }
}

void write_target(const TopLogprobsArgs& args, std::int64_t row, const float* logits,
                  const SoftmaxSum& sum) {
  const std::int64_t target = args.targets.as<std::int32_t>()[row];
  const bool is_valid = target >= 0 && target < args.num_valid_tokens;
  std::int32_t rank = 0;
  if (is_valid) {
    const float logit = std::isnan(logits[target]) ? kNone : logits[target];
    rank = 1;
    for (std::int64_t i = 0; i < args.num_valid_tokens; ++i) rank += logits[i] > logit ? 1 : 0;
  }
  args.target_ranks.as<std::int32_t>()[row] = rank;
  args.target_logprobs.as<float>()[row] = is_valid ? log_softmax(sum, logits[target]) : kNone;
}

}  // namespace

void top_logprobs(const TopLogprobsArgs& args, device::Stream& stream) {
  const std::int64_t num_rows = args.logits.shape[0];
  const std::int64_t k = args.ids.shape[1];
  CHECK(k <= kMaxTopLogprobs, "top_logprobs of {} tokens", k);
  check_shape(args.targets, "top_logprobs targets", {num_rows});
  check_shape(args.ids, "top_logprobs ids", {num_rows, k});
  check_shape(args.logprobs, "top_logprobs logprobs", {num_rows, k});
  check_shape(args.target_logprobs, "top_logprobs target_logprobs", {num_rows});
  check_shape(args.target_ranks, "top_logprobs target_ranks", {num_rows});
  if (on_cuda(stream)) {
    return cuda_kernels().top_logprobs({.logits = args.logits.as<float>(),
                                        .targets = args.targets.as<std::int32_t>(),
                                        .ids = args.ids.as<std::int32_t>(),
                                        .logprobs = args.logprobs.as<float>(),
                                        .target_logprobs = args.target_logprobs.as<float>(),
                                        .target_ranks = args.target_ranks.as<std::int32_t>(),
                                        .num_rows = num_rows,
                                        .vocab_rows = args.logits.shape[1],
                                        .num_valid_tokens = args.num_valid_tokens,
                                        .k = k},
                                       cuda_queue(stream));
  }
  struct Context {
    const TopLogprobsArgs& args;
    const CpuKernels& kernels;
  };
  Context context{args, cpu_kernels(stream)};
  const auto body = [](void* shared, std::int64_t row) {
    const auto& [each, kernels] = *static_cast<const Context*>(shared);
    const float* logits = each.logits.as<float>() + row * each.logits.shape[1];
    const SoftmaxSum sum = softmax_sum(kernels, logits, each.num_valid_tokens);
    write_top(each, row, logits, sum);
    write_target(each, row, logits, sum);
  };
  const ParallelFor threads = parallel_for(stream);
  threads.run(threads.pool, num_rows, body, &context);
}

}  // namespace fathom::kernels
