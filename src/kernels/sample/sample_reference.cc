// A full sort of the vocabulary for each row, in double.
#include "kernels/sample/sample_reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/sample/philox.h"
#include "kernels/token_logprobs/log_softmax.h"

namespace fathom::kernels {
namespace {

// The row's logits after its adjustments.
std::vector<float> adjusted(const SampleArgs& args, std::int64_t row) {
  const LogitAdjustments& asked = args.adjustments;
  const float* raw = args.logits.as<float>() + row * args.logits.shape[1];
  std::vector<float> logits(raw, raw + args.num_valid_tokens);
  const std::int32_t mask = asked.mask_rows.empty() ? -1 : asked.mask_rows.as<std::int32_t>()[row];
  const std::int32_t slot = asked.slots.empty() ? -1 : asked.slots.as<std::int32_t>()[row];
  for (std::int64_t token = 0; token < args.num_valid_tokens; ++token) {
    float& logit = logits[static_cast<std::size_t>(token)];
    if (mask >= 0) {
      const std::int64_t word = mask * asked.masks.shape[1] + token / 32;
      if ((asked.masks.as<std::int32_t>()[word] & (std::int32_t{1} << (token % 32))) == 0) {
        logit = -std::numeric_limits<float>::infinity();
      }
    }
    if (slot >= 0) {
      const std::int32_t seen =
          asked.token_counts.as<std::int32_t>()[slot * asked.token_counts.shape[1] + token];
      const std::int32_t count = seen & INT32_MAX;
      const float repetition = asked.repetition_penalty.as<float>()[row];
      if (seen != 0) logit = logit > 0 ? logit / repetition : logit * repetition;
      logit -= asked.frequency_penalty.as<float>()[row] * static_cast<float>(count);
      logit -= count > 0 ? asked.presence_penalty.as<float>()[row] : 0.0F;
    }
    if (asked.bias_starts.empty()) continue;
    const auto* starts = asked.bias_starts.as<std::int32_t>();
    for (std::int64_t i = starts[row]; i < starts[row + 1]; ++i) {
      if (asked.bias_tokens.as<std::int32_t>()[i] == token) {
        logit += asked.bias_values.as<float>()[i];
      }
    }
  }
  return logits;
}

}  // namespace

std::vector<SampleEntry> sample_survivors(const SampleArgs& args, std::int64_t row,
                                          const FilterFactors& factors) {
  const std::vector<float> logits = adjusted(args, row);
  std::vector<SampleEntry> entries;
  for (std::int64_t i = 0; i < args.num_valid_tokens; ++i) {
    const float logit = logits[static_cast<std::size_t>(i)];
    if (std::isfinite(logit)) entries.push_back({logit, static_cast<std::int32_t>(i)});
  }
  std::sort(entries.begin(), entries.end(), [](const SampleEntry& a, const SampleEntry& b) {
    return a.mass > b.mass || (a.mass == b.mass && a.token < b.token);
  });
  if (entries.empty()) return entries;
  const float temperature = args.temperature.as<float>()[row];
  if (temperature <= 0.0F) return {entries.front()};
  const auto top_k = static_cast<std::size_t>(args.top_k.as<std::int32_t>()[row]);
  if (top_k > 0 && top_k < entries.size()) entries.resize(top_k);
  const double max_logit = entries.front().mass;
  double total = 0;
  for (SampleEntry& entry : entries) {
    entry.mass = static_cast<float>(std::exp((entry.mass - max_logit) * (1.0 / temperature)));
    total += entry.mass;
  }
  const double limit = total * args.top_p.as<float>()[row] * factors.top_p;
  double mass = 0;
  std::size_t kept = 0;
  while (kept < entries.size() && (kept == 0 || mass < limit)) mass += entries[kept++].mass;
  entries.resize(kept);
  std::erase_if(entries, [&](const SampleEntry& entry) {
    return entry.mass < entries.front().mass * args.min_p.as<float>()[row] * factors.min_p;
  });
  std::sort(entries.begin(), entries.end(),
            [](const SampleEntry& a, const SampleEntry& b) { return a.token < b.token; });
  return entries;
}

void sample_reference(const SampleArgs& args) {
  for (std::int64_t row = 0; row < args.logits.shape[0]; ++row) {
    const float* logits = args.logits.as<float>() + row * args.logits.shape[1];
    const std::vector<SampleEntry> entries = sample_survivors(args, row);
    double total = 0;
    for (const SampleEntry& entry : entries) total += entry.mass;
    double left = total * philox_uniform(args.seeds.as<std::int64_t>()[row],
                                         args.counters.as<std::int64_t>()[row]);
    std::int32_t token = entries.empty() ? -1 : entries.front().token;
    for (const SampleEntry& entry : entries) {
      left -= entry.mass;
      if (left < 0) {
        token = entry.token;
        break;
      }
    }
    args.tokens.as<std::int32_t>()[row] = token;
    args.logprobs.as<float>()[row] = log_softmax_at(logits, args.num_valid_tokens, token);
  }
}

}  // namespace fathom::kernels
