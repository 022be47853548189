// Repeats bench's measurement of the ceilings.
#include "diagnose/measure/load_samples.h"

#include <chrono>
#include <future>
#include <optional>

#include "bench/ceilings.h"

namespace fathom::diagnose {

using base::Result;

Result<std::vector<SampleFacts>> sample_under_load(device::Device& device,
                                                   const LoadQuestion& question) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kLeastSamples = 2;
  const auto start = Clock::now();
  const auto elapsed_s = [&] {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const bench::CeilingOptions options{.compute_dtype = device.supports(tensor::DType::kBF16)
                                                           ? tensor::DType::kBF16
                                                           : tensor::DType::kF16,
                                      .read_bytes = question.read_bytes,
                                      .max_dot_size = question.max_dot_size};
  std::vector<SampleFacts> samples;
  while (samples.size() < kLeastSamples || elapsed_s() < question.seconds) {
    SampleFacts sample{.second = elapsed_s()};
    auto round =
        std::async(std::launch::async, [&] { return bench::measure_ceilings(device, options); });
    std::optional<GpuFacts> load;
    // What was read last while the device still worked.
    do {
      if (question.read_load) load = question.read_load();
    } while (round.wait_for(std::chrono::milliseconds(200)) != std::future_status::ready);
    const bench::Ceilings reached = TRY(round.get());
    sample.read_gb_per_s = reached.read_bytes_per_s * 1e-9;
    if (load) {
      sample.sm_clock_mhz = load->health.sm_clock_mhz;
      sample.temperature_c = load->health.temperature_c;
      sample.power_w = load->health.power_w;
      sample.clock_reasons = load->health.clock_reasons;
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

}  // namespace fathom::diagnose
