// A full sort of the vocabulary for each row, in double.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/sample/philox.h"
#include "kernels/sample/sample.h"
#include "kernels/token_logprobs/log_softmax.h"

namespace fathom::kernels {
namespace {

struct Entry {
  double mass;
  std::int32_t token;
};

// The tokens that the filters leave, in order of id, with unnormalised probabilities.
std::vector<Entry> survivors(const SampleArgs& args, std::int64_t row, const float* logits) {
  std::vector<Entry> entries;
  for (std::int64_t i = 0; i < args.num_valid_tokens; ++i) {
    if (std::isfinite(logits[i])) entries.push_back({logits[i], static_cast<std::int32_t>(i)});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.mass > b.mass || (a.mass == b.mass && a.token < b.token);
  });
  if (entries.empty()) return entries;
  const float temperature = args.temperature.as<float>()[row];
  if (temperature <= 0.0F) return {entries.front()};
  const auto top_k = static_cast<std::size_t>(args.top_k.as<std::int32_t>()[row]);
  if (top_k > 0 && top_k < entries.size()) entries.resize(top_k);
  const double max_logit = entries.front().mass;
  double total = 0;
  for (Entry& entry : entries) {
    entry.mass = static_cast<float>(std::exp((entry.mass - max_logit) * (1.0 / temperature)));
    total += entry.mass;
  }
  const double limit = total * args.top_p.as<float>()[row];
  double mass = 0;
  std::size_t kept = 0;
  while (kept < entries.size() && (kept == 0 || mass < limit)) mass += entries[kept++].mass;
  entries.resize(kept);
  std::erase_if(entries, [&](const Entry& entry) {
    return entry.mass < entries.front().mass * args.min_p.as<float>()[row];
  });
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.token < b.token; });
  return entries;
}

}  // namespace

void sample_reference(const SampleArgs& args) {
  for (std::int64_t row = 0; row < args.logits.shape[0]; ++row) {
    const float* logits = args.logits.as<float>() + row * args.logits.shape[1];
    const std::vector<Entry> entries = survivors(args, row, logits);
    double total = 0;
    for (const Entry& entry : entries) total += entry.mass;
    double left = total * philox_uniform(args.seeds.as<std::int64_t>()[row],
                                         args.counters.as<std::int64_t>()[row]);
    std::int32_t token = entries.empty() ? -1 : entries.front().token;
    for (const Entry& entry : entries) {
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
