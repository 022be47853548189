// fathom plan: which hardware holds a model, how fast it is there, and what it costs.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "machine_catalogue.h"
#include "named_model.h"
#include "plan/deployment.h"
#include "plan/explain.h"
#include "plan/plan_json.h"
#include "plan/planner.h"
#include "plan/tables.h"
#include "plan_calibration.h"

namespace fathom::app {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

struct Flags {
  std::string model = "deepseek-llm-7b";
  std::string gpu;  // a name, auto, or empty: all
  std::string weights;
  std::string kv;
  CatalogueFlags catalogue;
  std::optional<int> gpus;
  std::optional<std::int64_t> context_tokens;
  std::optional<std::int64_t> batch;
  std::int64_t input_tokens = plan::kDefaultInputTokens;
  std::int64_t output_tokens = plan::kDefaultOutputTokens;
  std::optional<double> requests_per_s;
  std::optional<double> ttft_ms;
  std::optional<double> tpot_ms;
  bool as_json = false;
  bool explains = false;
  std::string emits;  // a deployment's form, or empty
  std::string image = "fathom:" FATHOM_VERSION;
  bool calibrates = false;
  CalibrationFlags calibration;
};

Result<plan::Demand> demand_of(const Flags& flags, const NamedModel& model) {
  Machine machine = TRY(this_machine(flags.catalogue));
  plan::Demand demand;
  demand.model_name = model.name;
  demand.spec = model.spec;
  demand.gpu = flags.gpu;
  if (flags.gpu == "auto") {
    demand.gpu = TRY(machine.own_device());
    if (!flags.gpus && machine.num_gpus > 1) demand.gpus = machine.num_gpus;
  }
  demand.machine = machine.text();
  demand.catalogue = std::move(machine.catalogue);
  demand.disk_gb_per_s = machine.disk_gb_per_s;
  demand.disk_is_measured = machine.disk_is_measured;
  if (flags.gpus) demand.gpus = flags.gpus;
  demand.weights = plan::weights_named(flags.weights);
  demand.kv = plan::kv_type_named(flags.kv);
  demand.context_tokens = flags.context_tokens;
  demand.batch = flags.batch;
  demand.input_tokens = flags.input_tokens;
  demand.output_tokens = flags.output_tokens;
  demand.requests_per_s = flags.requests_per_s;
  demand.ttft_ms = flags.ttft_ms;
  demand.tpot_ms = flags.tpot_ms;
  return demand;
}

const std::map<std::string, plan::DeploymentForm> kForms{
    {"serve", plan::DeploymentForm::kServe},
    {"docker", plan::DeploymentForm::kDocker},
    {"compose", plan::DeploymentForm::kCompose},
    {"k8s", plan::DeploymentForm::kKubernetes}};

Result<void> emit(const Flags& flags, const NamedModel& model, const plan::Demand& demand,
                  const std::vector<plan::Configuration>& configurations) {
  if (demand.gpu.empty() && !demand.has_target()) {
    return fail(ErrorCode::kInvalidArgument, "--emit",
                "which configuration? Name a device with --gpu, or a target with --qps, --ttft-ms "
                "or --tpot-ms");
  }
  const plan::Configuration chosen = TRY(plan::deployable(demand, configurations));
  const plan::DeploymentTarget target{
      .model = model.served_as, .is_folder = model.is_folder, .image = flags.image};
  fmt::print("{}", TRY(plan::deployment_text(chosen, target, kForms.at(flags.emits))));
  return {};
}

// Of all that the table shows; with a target of the cheapest that meets it.
std::string explanations(const plan::Demand& demand,
                         const std::vector<plan::Configuration>& configurations) {
  std::string text;
  for (const plan::Configuration& each : configurations) {
    if (!text.empty()) text += "\n";
    text += plan::explain_text(demand, each);
    if (demand.has_target()) break;
  }
  return text;
}

Result<void> run_calibration(const Flags& flags) {
  const NamedModel model = TRY(find_model(flags.model));
  const Machine machine = TRY(uncalibrated_machine(flags.catalogue));
  const std::string& file = flags.catalogue.calibration_file;
  if (file.empty()) {
    return fail(ErrorCode::kInvalidArgument, "--calibration",
                "neither XDG_CONFIG_HOME nor HOME is set; name a file");
  }
  const std::string folder = std::filesystem::absolute(file).parent_path();
  const CalibrationReport report = TRY(calibrate(model, machine, flags.calibration, folder));
  TRY(save_calibration(report.calibration, file));
  if (flags.as_json) {
    fmt::print("{}\n", boost::json::serialize(calibration_json(report)));
  } else {
    fmt::print("{}\nkept in {}\n", calibration_text(report), file);
  }
  return {};
}

Result<void> run(const Flags& flags) {
  if (flags.calibrates) return run_calibration(flags);
  const NamedModel model = TRY(find_model(flags.model));
  const plan::Demand demand = TRY(demand_of(flags, model));
  const std::vector<plan::Configuration> configurations = TRY(plan::plan(demand));
  if (!flags.emits.empty()) return emit(flags, model, demand, configurations);
  if (flags.as_json) {
    fmt::print("{}\n", boost::json::serialize(plan::plan_json(demand, configurations)));
  } else if (flags.explains) {
    fmt::print("{}", explanations(demand, configurations));
  } else if (demand.has_target()) {
    fmt::print("{}", plan::target_text(demand, configurations));
  } else {
    fmt::print("{}", plan::overview_text(demand, configurations));
  }
  return {};
}

void add_demand_options(CLI::App& command, Flags& flags) {
  constexpr std::int64_t kMaxTokens = std::int64_t{1} << 24;
  command
      .add_option("MODEL", flags.model,
                  "a folder with a config.json, a pulled model, or deepseek-llm-7b, "
                  "deepseek-coder-6.7b, deepseek-r1-distill-qwen-7b")
      ->capture_default_str();
  command.add_option("--gpu", flags.gpu,
                     "a name of the catalogue (t4, rtx4090, h200, cpu, ...), or auto: this "
                     "machine's; default: all");
  command.add_option("--gpus", flags.gpus, "how many of them; as replicas and tensor-parallel")
      ->check(CLI::Range(1, 64));
  command.add_option("--weights", flags.weights, "fp16 (any two-byte type), fp8, int8 or int4")
      ->check(CLI::IsMember({"fp16", "fp8", "int8", "int4"}));
  command.add_option("--kv", flags.kv, "type of the KV cache: fp16, fp8 or int8; default: fp16")
      ->check(CLI::IsMember({"fp16", "fp8", "int8"}));
  command
      .add_option("--context", flags.context_tokens,
                  "tokens of each sequence, prompt and answer; default: 4096, with a target those "
                  "of a request")
      ->check(CLI::Range(std::int64_t{16}, kMaxTokens));
  command.add_option("--batch", flags.batch, "sequences at a time (default: 1)")
      ->check(CLI::Range(std::int64_t{1}, plan::kMaxBatch));
  command.add_option("--input", flags.input_tokens, "tokens of a prompt")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{1}, kMaxTokens));
  command.add_option("--output", flags.output_tokens, "tokens of an answer")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{1}, kMaxTokens));
}

void add_target_options(CLI::App& command, Flags& flags) {
  command.add_option("--qps", flags.requests_per_s, "target: requests a second")
      ->check(CLI::Range(1e-3, 1e9));
  command.add_option("--ttft-ms", flags.ttft_ms, "target: the first token after so long at most")
      ->check(CLI::Range(1e-3, 1e9));
  command.add_option("--tpot-ms", flags.tpot_ms, "target: so long for each further token at most")
      ->check(CLI::Range(1e-3, 1e9));
}

void add_emit_options(CLI::App& command, Flags& flags) {
  std::vector<std::string> forms;
  for (const auto& [name, form] : kForms) forms.push_back(name);
  CLI::Option* const emits =
      command
          .add_option("--emit", flags.emits,
                      "print how the first configuration that this build serves is started: serve "
                      "(a command line), docker, compose or k8s")
          ->check(CLI::IsMember(forms));
  command.add_option("--image", flags.image, "the container image that --emit names")
      ->capture_default_str()
      ->needs(emits);
}

void add_calibration_options(CLI::App& command, Flags& flags) {
  CLI::Option* const calibrate =
      command.add_flag("--calibrate", flags.calibrates,
                       "measure this machine and the model's shape on it, and keep what follows "
                       "for later plans; takes a minute or two");
  command
      .add_option("--device", flags.calibration.device.device,
                  "what to calibrate: cpu, cuda, cuda:N, or auto: the first GPU if there is one")
      ->capture_default_str()
      ->needs(calibrate);
  command
      .add_option("--layers", flags.calibration.num_layers,
                  "calibrate with the first N layers, for a small machine")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 16))
      ->needs(calibrate);
}

}  // namespace

void add_plan_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("plan", "which hardware holds a model, how fast, at what cost");
  command->footer(
      "Examples:\n"
      "  fathom plan\n"
      "  fathom plan deepseek-llm-7b --gpu rtx4090 --batch 8\n"
      "  fathom plan --qps 5 --input 512 --output 256 --ttft-ms 500 --tpot-ms 50\n"
      "  fathom plan ./my-model --gpu auto --json\n"
      "  fathom plan --gpu h200 --weights fp8 --kv fp8 --emit k8s\n"
      "  fathom plan --calibrate\n"
      "\n"
      "No GPU and no weights are needed. Speeds are predictions, likely low-high.");
  auto flags = std::make_shared<Flags>();
  add_demand_options(*command, *flags);
  add_target_options(*command, *flags);
  add_catalogue_flags(*command, flags->catalogue);
  add_emit_options(*command, *flags);
  add_calibration_options(*command, *flags);
  command->add_flag("--json", flags->as_json, "print JSON");
  command->add_flag("--explain", flags->explains, "print each number with its formula and inputs");
  command->callback([flags, &exit_code] {
    const auto done = run(*flags);
    exit_code = done ? kExitOk : report(done.error());
  });
}

}  // namespace fathom::app
