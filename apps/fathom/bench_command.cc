// fathom bench: what this machine reaches with a model's shape, beside its limits.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "bench/shape_rates.h"
#include "bench/shape_report.h"
#include "command.h"
#include "device/device.h"
#include "device_flags.h"
#include "spec/known_models.h"

namespace fathom::app {
namespace {

namespace json = boost::json;
using base::ErrorCode;
using base::fail;
using base::Result;

struct Flags {
  DeviceFlags device;
  std::string shape;
  std::string kv_dtype;
  model::Determinism determinism = model::Determinism::kSchedule;
  std::int64_t num_layers = 0;  // 0: all
  std::vector<std::int64_t> batches;
  std::int64_t context_tokens = 600;
  std::int64_t prompt_tokens = 2048;
  bool as_json = false;
};

Result<bench::ShapeBenchOptions> bench_options(const Flags& flags, const device::Device& device) {
  bench::ShapeBenchOptions options;
  options.spec = *spec::known_shape(flags.shape);
  if (flags.num_layers > options.spec.num_layers) {
    return fail(ErrorCode::kInvalidArgument, "--layers", "{} is more than the {} that {} has",
                flags.num_layers, options.spec.num_layers, flags.shape);
  }
  if (flags.num_layers > 0) options.spec.num_layers = flags.num_layers;
  const Precision precision = TRY(precision_of(flags.device, options.spec.weight_dtype, device));
  options.compute_dtype = precision.compute;
  options.weights_in_fp8 = precision.matrices_in_fp8;
  options.kv_dtype = TRY(kv_dtype(flags.kv_dtype, precision.compute, device));
  options.determinism = flags.determinism;
  options.batches = flags.batches;
  // Filling the cache for many sequences takes a processor hours.
  if (options.batches.empty()) {
    options.batches = device.kind() == device::DeviceKind::kCpu
                          ? std::vector<std::int64_t>{1}
                          : std::vector<std::int64_t>{1, 32, 128};
  }
  options.context_tokens = flags.context_tokens;
  options.prompt_tokens = flags.prompt_tokens;
  options.on_phase = [](std::string_view phase) { base::log_info("{}", phase); };
  return options;
}

bench::ShapeTitle title_of(const Flags& flags, const bench::ShapeBenchOptions& options) {
  return {
      .model = flags.shape,
      .num_layers = options.spec.num_layers,
      .model_layers = spec::known_shape(flags.shape)->num_layers,
      .dtype = options.weights_in_fp8 ? "fp8" : std::string(tensor::name(options.compute_dtype)),
      .kv_dtype = std::string(tensor::name(options.kv_dtype)),
      .is_batch_invariant = options.determinism == model::Determinism::kBatch};
}

json::object json_of(const bench::ShapeTitle& title, const bench::ShapeReport& report) {
  json::array decode;
  for (const bench::DecodeRate& each : report.decode) {
    decode.push_back(json::object{{"batch", each.batch},
                                  {"context", each.context_tokens},
                                  {"tokens_per_s", each.tokens_per_s},
                                  {"limit_tokens_per_s", each.limit_tokens_per_s},
                                  {"percent_of_limit", each.percent_of_limit()},
                                  {"step_ms", each.step_ms}});
  }
  json::array prefill;
  for (const bench::PrefillRate& each : report.prefill) {
    prefill.push_back(json::object{{"tokens", each.num_tokens},
                                   {"tokens_per_s", each.tokens_per_s},
                                   {"limit_tokens_per_s", each.limit_tokens_per_s},
                                   {"percent_of_limit", each.percent_of_limit()}});
  }
  return {{"model", title.model},
          {"is_whole_model", title.num_layers == title.model_layers},
          {"layers", title.num_layers},
          {"dtype", title.dtype},
          {"kv_cache_dtype", title.kv_dtype},
          {"determinism", title.is_batch_invariant ? "batch" : "schedule"},
          {"device", report.device},
          {"limits",
           {{"read_gb_per_s", report.ceilings.read_bytes_per_s * 1e-9},
            {"dot_tops", report.ceilings.dot_flop_per_s * 1e-12}}},
          {"decode", std::move(decode)},
          {"prefill", std::move(prefill)},
          {"resident_bytes", report.resident_bytes}};
}

Result<void> run(const Flags& flags) {
  const auto device = TRY(open_device(flags.device));
  const bench::ShapeBenchOptions options = TRY(bench_options(flags, *device));
  const bench::ShapeReport report = TRY(bench::bench_shape(*device, options));
  const bench::ShapeTitle title = title_of(flags, options);
  if (flags.as_json) {
    fmt::print("{}\n", json::serialize(json_of(title, report)));
  } else {
    fmt::print("{}", bench::table_text(title, report));
  }
  return {};
}

void add_shape_options(CLI::App& command, Flags& flags) {
  std::vector<std::string> shapes(spec::known_shapes().begin(), spec::known_shapes().end());
  command.add_option("SHAPE", flags.shape, "deepseek-llm-7b or another of the known models")
      ->required()
      ->check(CLI::IsMember(shapes));
  add_device_flags(command, flags.device);
  add_kv_dtype_flag(command, flags.kv_dtype);
  add_determinism_flag(command, flags.determinism);
  command
      .add_option("--context", flags.context_tokens,
                  "tokens that a decoding sequence has behind it")
      ->capture_default_str()
      ->check(CLI::Range(bench::kMinContextTokens, std::int64_t{1} << 24));
  command.add_option("--prompt", flags.prompt_tokens, "tokens of the prompt; 0: no prefill")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 24));
  command
      .add_option(
          "--batch", flags.batches,
          "sequences that decode at a time, one figure each (default: 1,32,128; on a CPU 1)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 16));
  command
      .add_option("--layers", flags.num_layers,
                  "cut the model to its first N layers, for a small machine; the output says so")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 16));
  command.add_flag("--json", flags.as_json, "print JSON");
}

}  // namespace

void add_bench_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("bench", "measure speed, each figure beside its limit");
  command->require_subcommand(1);
  command->footer(
      "fathom bench shape --help tells more.\n\n"
      "Examples:\n"
      "  fathom bench shape deepseek-llm-7b");
  CLI::App* shape =
      command->add_subcommand("shape", "decode and prefill of a model's shape, random weights");
  shape->footer(
      "Examples:\n"
      "  fathom bench shape deepseek-llm-7b --device cuda\n"
      "  fathom bench shape deepseek-llm-7b --batch 1,32 --kv-cache-dtype int8 --json\n"
      "  fathom bench shape deepseek-llm-7b --device cpu --layers 2\n"
      "\n"
      "No checkpoint is needed: random weights are made in the device's memory. The\n"
      "limits follow from the read bandwidth and the dot rate of the same run:\n"
      "  decode   batch / (max(weight bytes / bandwidth, FLOP / dot rate)\n"
      "                    + KV bytes / bandwidth)\n"
      "  prefill  FLOP / dot rate");
  auto flags = std::make_shared<Flags>();
  add_shape_options(*shape, *flags);
  shape->callback([flags, &exit_code] {
    const auto done = run(*flags);
    exit_code = done ? kExitOk : report(done.error());
  });
}

}  // namespace fathom::app
