// Fits shares to measured steps.
#include "plan/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fathom::plan {
namespace {

constexpr double kLeastMargin = 0.10;
// Beyond what the samples themselves show: the next run differs, too.
constexpr double kExtraMargin = 0.05;

Figure measured(double value, std::string_view date) {
  return {.value = value,
          .source = "measured by fathom plan --calibrate",
          .date = std::string(date),
          .is_verified = true};
}

Range around(double value, double margin) {
  return {value / (1 + margin), value, value * (1 + margin)};
}

// The share at which a prediction that is about inverse to it meets the measured time. One that
// does not depend on it, because launches or products take longer, ends at a bound.
template <typename Predict>
double solve(double share, double seconds, Predict&& predict) {
  constexpr double kLeast = 0.02;
  constexpr double kMost = 1.5;
  constexpr int kRounds = 12;
  for (int i = 0; i < kRounds; ++i) {
    share = std::clamp(share * predict(share) / seconds, kLeast, kMost);
  }
  return share;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

bool is_narrow(const Sample& sample) { return sample.weights != Weights::kFp16; }

// Shares of one width of weights, without margins.
struct Shares {
  std::optional<double> memory;
  std::optional<double> compute;
};

Range& memory_of(Efficiency& shares, bool narrow) {
  return narrow ? shares.memory_narrow : shares.memory_wide;
}

Range& compute_of(Efficiency& shares, bool narrow) {
  return narrow ? shares.compute_narrow : shares.compute_wide;
}

Range exactly(double value) { return {value, value, value}; }

Shares solve_shares(const spec::ModelSpec& spec, Accelerator device,
                    const std::vector<Sample>& samples, bool narrow) {
  Efficiency& shares = *device.efficiency;
  std::vector<double> memory;
  std::vector<double> compute;
  for (const Sample& sample : samples) {
    if (is_narrow(sample) != narrow || (!sample.is_prompt() && sample.batch > 1)) continue;
    Range& range = sample.is_prompt() ? compute_of(shares, narrow) : memory_of(shares, narrow);
    const Range before = range;
    const double share = solve(range.likely, sample.seconds, [&](double guess) {
      range = exactly(guess);
      return predict(spec, device, sample).likely;
    });
    range = before;
    (sample.is_prompt() ? compute : memory).push_back(share);
  }
  Shares found;
  if (!memory.empty()) found.memory = median(memory);
  if (!compute.empty()) found.compute = median(compute);
  return found;
}

// What was assumed for narrow weights, moved as the wide ones were.
Range scaled(const Range& assumed, const Range& assumed_wide, double found_wide) {
  return assumed * (found_wide / assumed_wide.likely);
}

void adopt(Efficiency& shares, const Shares& found, bool narrow) {
  if (found.memory) memory_of(shares, narrow) = exactly(*found.memory);
  if (found.compute) compute_of(shares, narrow) = exactly(*found.compute);
}

// The largest relative error over the samples of this width.
double worst_error(const spec::ModelSpec& spec, const Accelerator& device,
                   const std::vector<Sample>& samples, bool narrow) {
  double worst = 0;
  for (const Sample& sample : samples) {
    if (is_narrow(sample) != narrow) continue;
    const double ratio = predict(spec, device, sample).likely / sample.seconds;
    worst = std::max(worst, std::max(ratio, 1 / ratio) - 1);
  }
  return worst;
}

}  // namespace

Accelerator with_rates(const Accelerator& row, const MeasuredRates& rates, std::string_view date) {
  Accelerator made = row;
  made.bandwidth_gb_per_s = measured(rates.read_gb_per_s, date);
  // The 8-bit rate of a device that was not measured in 8 bits keeps its ratio.
  if (made.int8_tops) {
    made.int8_tops->value *= rates.fp16_tflops / made.fp16_tflops.value;
  }
  made.fp16_tflops = measured(rates.fp16_tflops, date);
  if (rates.fp8_tflops) made.fp8_tflops = measured(*rates.fp8_tflops, date);
  if (rates.host_link_gb_per_s) {
    made.host_link_gb_per_s = measured(*rates.host_link_gb_per_s, date);
  }
  if (row.is_cpu) made.host_link_gb_per_s = made.bandwidth_gb_per_s;
  return made;
}

Range predict(const spec::ModelSpec& spec, const Accelerator& device, const Sample& sample) {
  const Placement placement{
      .spec = spec, .device = device, .weights = sample.weights, .kv = sample.kv};
  return sample.is_prompt() ? prefill_time(placement, sample.tokens).total_seconds
                            : decode_time(placement, sample.batch, sample.tokens).total_seconds;
}

Efficiency fit(const spec::ModelSpec& spec, const Accelerator& row,
               const std::vector<Sample>& samples, double launch_us) {
  const Efficiency assumed = default_efficiency(row.is_cpu);
  Accelerator device = row;
  device.efficiency = assumed;
  Efficiency& shares = *device.efficiency;
  shares.launch_us = exactly(launch_us);
  // Wide ones first: a cache's share is theirs. Twice, because a step of a CPU rests on both
  // shares.
  for (const bool narrow : {false, false, true, true}) {
    adopt(shares, solve_shares(spec, device, samples, narrow), narrow);
  }
  const double wide_margin =
      std::max(kLeastMargin, worst_error(spec, device, samples, false) + kExtraMargin);
  const double narrow_margin =
      std::max(kLeastMargin, worst_error(spec, device, samples, true) + kExtraMargin);
  Efficiency made = shares;
  made.memory_wide = around(shares.memory_wide.likely, wide_margin);
  made.compute_wide = around(shares.compute_wide.likely, wide_margin);
  const bool has_narrow = std::ranges::any_of(samples, is_narrow);
  if (has_narrow) {
    made.memory_narrow = around(shares.memory_narrow.likely, narrow_margin);
    made.compute_narrow = around(shares.compute_narrow.likely, narrow_margin);
  } else {
    made.memory_narrow =
        scaled(assumed.memory_narrow, assumed.memory_wide, shares.memory_wide.likely);
    made.compute_narrow =
        scaled(assumed.compute_narrow, assumed.compute_wide, shares.compute_wide.likely);
  }
  made.launch_us = {launch_us / 2, launch_us, launch_us * 2};
  made.is_measured = true;
  made.source = "measured by fathom plan --calibrate";
  return made;
}

void apply_calibrations(Catalogue& catalogue, const std::vector<Calibration>& calibrations) {
  for (Accelerator& each : catalogue.accelerators) {
    for (const Calibration& calibration : calibrations) {
      if (!each.is_called(calibration.device)) continue;
      each = with_rates(each, calibration.rates, calibration.date);
      each.efficiency = calibration.efficiency;
    }
  }
}

}  // namespace fathom::plan
