// A full sort of each row, in double.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/top_logprobs/top_logprobs.h"

namespace fathom::kernels {

void top_logprobs_reference(const TopLogprobsArgs& args) {
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  const std::int64_t k = args.ids.shape[1];
  for (std::int64_t row = 0; row < args.logits.shape[0]; ++row) {
    const float* logits = args.logits.as<float>() + row * args.logits.shape[1];
    std::vector<std::pair<double, std::int32_t>> entries;  // logit negated, so that sort() orders
    double sum = 0;
    for (std::int64_t i = 0; i < args.num_valid_tokens; ++i) {
      if (std::isnan(logits[i])) continue;
      entries.emplace_back(-static_cast<double>(logits[i]), static_cast<std::int32_t>(i));
      sum += std::exp(static_cast<double>(logits[i]));
    }
    std::erase_if(entries, [&](const auto& entry) { return -entry.first == kNone; });
    std::ranges::sort(entries);
    for (std::int64_t i = 0; i < k; ++i) {
      const bool is_there = i < std::ssize(entries);
      const auto& entry = is_there ? entries[static_cast<std::size_t>(i)] : std::pair{-kNone, -1};
      args.ids.as<std::int32_t>()[row * k + i] = entry.second;
      args.logprobs.as<float>()[row * k + i] =
          static_cast<float>(is_there ? -entry.first - std::log(sum) : kNone);
    }
    const std::int64_t target = args.targets.as<std::int32_t>()[row];
    const bool is_valid = target >= 0 && target < args.num_valid_tokens;
    const double logit = is_valid && !std::isnan(logits[target]) ? logits[target] : kNone;
    const auto greater =
        std::ranges::count_if(entries, [&](const auto& entry) { return -entry.first > logit; });
    args.target_ranks.as<std::int32_t>()[row] =
        is_valid ? static_cast<std::int32_t>(greater) + 1 : 0;
    args.target_logprobs.as<float>()[row] =
        static_cast<float>(logit == kNone ? kNone : logit - std::log(sum));
  }
}

}  // namespace fathom::kernels
