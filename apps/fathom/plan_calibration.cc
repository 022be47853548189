// Runs the benchmarks of src/bench and fits src/plan's formulas to them.
#include "plan_calibration.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <ctime>
#include <filesystem>

#include "base/log.h"
#include "bench/ceilings.h"
#include "bench/machine_rates.h"
#include "bench/shape_rates.h"
#include "footprint/weights.h"
#include "plan/text_layout.h"
#include "processor_facts.h"

namespace fathom::app {
namespace json = boost::json;

namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

// Fewer bytes than this a step and caches hold them: the shares would be another model's.
constexpr double kLeastWeightBytes = 1e9;

// Of the processors' time for other programs: more falsifies what is measured.
constexpr double kMuch = 0.05;

// What is timed: on a CPU, where a prompt of a 7B model takes a second for each 20 tokens, less.
struct Workload {
  std::vector<std::int64_t> batches;
  std::int64_t context_tokens = 0;
  std::int64_t prompt_tokens = 0;
};

Workload workload_of(const spec::ModelSpec& spec, bool is_cpu) {
  Workload work = is_cpu ? Workload{{1, 2, 4}, 64, 128} : Workload{{1, 8, 32}, 600, 2048};
  work.context_tokens = std::min(work.context_tokens, spec.max_context_tokens / 2);
  work.prompt_tokens = std::min(work.prompt_tokens, spec.max_context_tokens - 1);
  return work;
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(now));
}

// "cuda:0, NVIDIA H200, sm_90": the part in the middle.
std::string title_of(const device::Device& device, const Machine& machine) {
  if (device.reads_host_memory()) return machine.catalogue.find("cpu")->title;
  std::string name = device.name();
  const std::size_t first = name.find(", ");
  if (first == std::string::npos) return name;
  return name.substr(first + 2, name.find(", ", first + 2) - first - 2);
}

Result<const plan::Accelerator*> row_of(const std::string& title, const Machine& machine) {
  for (const plan::Accelerator& each : machine.catalogue.accelerators) {
    if (each.is_called(title)) return &each;
  }
  return fail(
      ErrorCode::kNotFound, "--calibrate",
      "{} is not in the catalogue ({}); add it to a row's driver_names, and name the file with "
      "--catalogue",
      title, machine.catalogue.names());
}

// Layers whose weights take at most half of the memory that is free.
std::int64_t layers_that_fit(spec::ModelSpec spec, const device::Device& device) {
  const auto half = static_cast<std::int64_t>(device.memory().available_bytes / 2);
  while (spec.num_layers > 1 && footprint::packed_weight_bytes(spec, {}) > half) {
    --spec.num_layers;
  }
  return spec.num_layers;
}

Result<std::optional<double>> disk_gb_per_s(const std::string& folder) {
  base::log_info("disk: reading a file of 512 MiB in {}", folder);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const auto rate = bench::folder_read_bytes_per_s(folder);
  if (rate) return std::optional<double>(*rate * 1e-9);
  base::log_warning("the disk was not measured: {}", rate.error().text());
  return std::optional<double>();
}

class Calibrator {
 public:
  Calibrator(const NamedModel& model, device::Device& device, const plan::Accelerator& row,
             std::string title)
      : model_(model), spec_(model.spec), device_(device), row_(row), title_(std::move(title)) {}

  Result<CalibrationReport> run(const CalibrationFlags& flags, const std::string& disk_folder) {
    report_.model_layers = spec_.num_layers;
    spec_.num_layers = flags.num_layers > 0 ? std::min(flags.num_layers, spec_.num_layers)
                                            : layers_that_fit(spec_, device_);
    report_.num_layers = spec_.num_layers;
    report_.device_text = device_.name();
    const ProcessorUse before = processor_use();
    TRY(measure_machine(disk_folder));
    for (const plan::Weights weights : {plan::Weights::kFp16, plan::Weights::kFp8}) {
      if (plan::supports(row_, weights)) TRY(measure_model(weights));
    }
    report_.others_share = others_share(before, processor_use());
    conclude();
    return std::move(report_);
  }

 private:
  plan::MeasuredRates& rates() { return report_.calibration.rates; }

  Result<void> measure_machine(const std::string& disk_folder) {
    base::log_info("an operation's own cost, copies to the device");
    rates().launch_us = TRY(bench::launch_seconds(device_))
    *1e6;
    if (!device_.reads_host_memory()) {
      rates().host_link_gb_per_s = TRY(bench::host_to_device_bytes_per_s(device_))
      *1e-9;
    }
    rates().disk_gb_per_s = TRY(disk_gb_per_s(disk_folder));
    return {};
  }

  Result<void> measure_model(plan::Weights weights) {
    const Workload work = workload_of(spec_, row_.is_cpu);
    bench::ShapeBenchOptions options;
    options.spec = spec_;
    options.compute_dtype = plan::compute_dtype(row_);
    options.kv_dtype = options.compute_dtype;
    options.weights_in_fp8 = weights == plan::Weights::kFp8;
    options.batches = work.batches;
    options.context_tokens = work.context_tokens;
    options.prompt_tokens = work.prompt_tokens;
    options.on_phase = [weights](std::string_view phase) {
      base::log_info("{} weights: {}", plan::name(weights), phase);
    };
    const bench::ShapeReport measured = TRY(bench::bench_shape(device_, options));
    if (weights == plan::Weights::kFp16) {
      rates().read_gb_per_s = measured.ceilings.read_bytes_per_s * 1e-9;
      rates().fp16_tflops = measured.ceilings.dot_flop_per_s * 1e-12;
    } else {
      rates().fp8_tflops = measured.ceilings.dot_flop_per_s * 1e-12;
    }
    for (const bench::DecodeRate& each : measured.decode) {
      samples_.push_back({.weights = weights,
                          .batch = each.batch,
                          .tokens = each.context_tokens,
                          .seconds = each.step_ms * 1e-3});
    }
    for (const bench::PrefillRate& each : measured.prefill) {
      samples_.push_back({.weights = weights, .tokens = each.num_tokens, .seconds = each.seconds});
    }
    return {};
  }

  void conclude() {
    plan::Calibration& calibration = report_.calibration;
    calibration.device = title_;
    calibration.model = model_.name;
    calibration.date = today();
    plan::Accelerator after = plan::with_rates(row_, rates(), calibration.date);
    calibration.efficiency = plan::fit(spec_, after, samples_, rates().launch_us);
    after.efficiency = calibration.efficiency;
    for (const plan::Sample& sample : samples_) {
      report_.samples.push_back({.sample = sample,
                                 .before = plan::predict(spec_, row_, sample),
                                 .after = plan::predict(spec_, after, sample)});
    }
  }

  const NamedModel& model_;
  spec::ModelSpec spec_;
  device::Device& device_;
  const plan::Accelerator& row_;
  std::string title_;  // as the driver calls it
  CalibrationReport report_;
  std::vector<plan::Sample> samples_;
};

std::string sample_text(const CheckedSample& checked) {
  const plan::Sample& sample = checked.sample;
  const double ms = sample.seconds * 1e3;
  const auto error = [ms](const plan::Range& range) {
    return fmt::format("{:+.0f}%", (range.likely * 1e3 / ms - 1) * 100);
  };
  const bool is_inside = checked.before.contains(sample.seconds);
  return fmt::format("{:<5} {:<7} {:>3} x {:<4} {:>8} {:>17} {:>5} {:<3} {:>16} {:>5}\n",
                     plan::name(sample.weights), sample.is_prompt() ? "prompt" : "step",
                     sample.is_prompt() ? 1 : sample.batch, sample.tokens, plan::number_text(ms),
                     plan::range_text(checked.before * 1e3), error(checked.before),
                     is_inside ? "yes" : "no", plan::range_text(checked.after * 1e3),
                     error(checked.after));
}

std::string rates_text(const plan::MeasuredRates& rates) {
  std::string text =
      fmt::format("read {} GB/s, products {} TFLOP/s", plan::number_text(rates.read_gb_per_s),
                  plan::number_text(rates.fp16_tflops));
  if (rates.fp8_tflops) text += fmt::format(" (fp8 {})", plan::number_text(*rates.fp8_tflops));
  text += fmt::format(", an operation's own cost {} us", plan::number_text(rates.launch_us));
  if (rates.host_link_gb_per_s) {
    text +=
        fmt::format(", copies from the host {} GB/s", plan::number_text(*rates.host_link_gb_per_s));
  }
  text += rates.disk_gb_per_s
              ? fmt::format(", disk {} GB/s", plan::number_text(*rates.disk_gb_per_s))
              : ", disk not measured";
  return text;
}

std::string shares_text(const plan::Efficiency& shares) {
  const auto percent = [](const plan::Range& range) {
    return fmt::format("{:.0f} % ({:.0f}-{:.0f})", range.likely * 100, range.low * 100,
                       range.high * 100);
  };
  return fmt::format("of the read rate {}, of products {}; 8-bit weights {} and {}",
                     percent(shares.memory_wide), percent(shares.compute_wide),
                     percent(shares.memory_narrow), percent(shares.compute_narrow));
}

}  // namespace

Result<CalibrationReport> calibrate(const NamedModel& model, const Machine& machine,
                                    const CalibrationFlags& flags, const std::string& disk_folder) {
  const auto weight_bytes =
      static_cast<double>(footprint::read_weight_bytes(model.spec, footprint::WeightFormat{}));
  if (weight_bytes < kLeastWeightBytes) {
    return fail(ErrorCode::kInvalidArgument, model.name,
                "a step reads {:.0f} MB of weights, which caches hold: its shares would be no "
                "guide; calibrate with deepseek-llm-7b",
                weight_bytes * 1e-6);
  }
  const auto device = TRY(open_device(flags.device));
  const std::string title = title_of(*device, machine);
  const plan::Accelerator* const row = TRY(row_of(title, machine));
  return Calibrator(model, *device, *row, title).run(flags, disk_folder);
}

json::object calibration_json(const CalibrationReport& report) {
  const plan::MeasuredRates& rates = report.calibration.rates;
  const auto optional = [](const std::optional<double>& value) {
    return value ? json::value(*value) : json::value(nullptr);
  };
  const auto range_ms = [](const plan::Range& range) {
    return json::object{
        {"low", range.low * 1e3}, {"likely", range.likely * 1e3}, {"high", range.high * 1e3}};
  };
  json::array samples;
  for (const CheckedSample& each : report.samples) {
    const double seconds = each.sample.seconds;
    samples.push_back(json::object{{"phase", each.sample.is_prompt() ? "prompt" : "step"},
                                   {"weights", plan::name(each.sample.weights)},
                                   {"batch", std::max<std::int64_t>(each.sample.batch, 1)},
                                   {"tokens", each.sample.tokens},
                                   {"measured_ms", seconds * 1e3},
                                   {"predicted_ms", range_ms(each.before)},
                                   {"calibrated_ms", range_ms(each.after)},
                                   {"error", each.before.likely / seconds - 1},
                                   {"calibrated_error", each.after.likely / seconds - 1},
                                   {"within_range", each.before.contains(seconds)}});
  }
  return {{"device", report.calibration.device},
          {"model", report.calibration.model},
          {"layers", report.num_layers},
          {"model_layers", report.model_layers},
          {"rates",
           {{"read_gb_per_s", rates.read_gb_per_s},
            {"fp16_tflops", rates.fp16_tflops},
            {"fp8_tflops", optional(rates.fp8_tflops)},
            {"launch_us", rates.launch_us},
            {"host_link_gb_per_s", optional(rates.host_link_gb_per_s)},
            {"disk_gb_per_s", optional(rates.disk_gb_per_s)}}},
          {"others_share", report.others_share},
          {"samples", std::move(samples)}};
}

std::string calibration_text(const CalibrationReport& report) {
  const plan::Calibration& calibration = report.calibration;
  std::string text = fmt::format("{}; {}, random weights\n", report.device_text, calibration.model);
  if (report.num_layers < report.model_layers) {
    text += fmt::format("measured on {} of its {} layers, and predicted for these\n",
                        report.num_layers, report.model_layers);
  }
  text += plan::paragraph("measured: ", rates_text(calibration.rates));
  text += plan::paragraph("reached:  ", shares_text(calibration.efficiency));
  text +=
      fmt::format("\n{:<5} {:<7} {:>10} {:>8} {:>17} {:>5} {:<3} {:>16} {:>5}\n", "W", "",
                  "seq x tok", "ms", "predicted before", "error", "in", "predicted now", "error");
  for (const CheckedSample& each : report.samples) text += sample_text(each);
  if (report.others_share > kMuch) {
    text += "\n" + plan::paragraph(
                       "", fmt::format("Other programs took {:.0f} % of the processors meanwhile: "
                                       "calibrate again when the machine is quiet.",
                                       report.others_share * 100));
  }
  return text;
}

}  // namespace fathom::app
