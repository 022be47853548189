// fathom doctor: what is wrong with this machine or a server, with the evidence and the fix.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "command.h"
#include "diagnose/checks/checks.h"
#include "diagnose/facts/fact_json.h"
#include "diagnose/measure/measure.h"
#include "diagnose/model_bytes.h"
#include "diagnose/report.h"
#include "diagnose/server/server_probe.h"
#include "machine_facts.h"
#include "named_model.h"
#include "spec/known_models.h"

namespace fathom::app {
namespace {

namespace json = boost::json;
using base::Result;

struct Flags {
  std::string model;
  int level = 1;
  std::string facts_file;
  std::string record_file;
  double load_seconds = 120;
  std::vector<std::string> urls;
  double interval_s = 5;
  std::string api_key_file;
  bool lists_facts = false;
  bool as_json = false;
};

// The first key of a file as serve reads them: a key a line, then perhaps a name; digests of keys
// are of no use here.
Result<std::string> first_key(const std::string& file) {
  constexpr std::uint64_t kMaxBytes = 1 << 20;
  std::istringstream lines(TRY(base::read_file(file, kMaxBytes)));
  for (std::string line; std::getline(lines, line);) {
    std::string key;
    std::istringstream(line) >> key;
    if (!key.empty() && !key.starts_with('#') && !key.starts_with("sha256:")) return key;
  }
  return base::fail(base::ErrorCode::kInvalidArgument, file, "there is no key in it");
}

// Levels 2 and 3. Errors that only load brings out are read again behind it.
void measure(const Flags& flags, const std::optional<NamedModel>& model, diagnose::Facts& facts) {
  constexpr std::string_view kShape = "deepseek-llm-7b";
  diagnose::MeasureQuestion question{
      .shape_name = model ? model->name : std::string(kShape),
      .shape = model ? model->spec : *spec::known_shape(kShape),
      .load_seconds = flags.level == 3 ? flags.load_seconds : 0,
      .on_phase = [](std::string_view phase) { base::log_info("{}", phase); }};
  if (model) question.model_files = model->weight_files;
  facts.measured = diagnose::measure(facts, question);
  if (!facts.gpus.empty()) read_gpu_errors_again(facts);
}

Result<diagnose::Facts> facts_for(const Flags& flags, const std::optional<NamedModel>& model) {
  if (!flags.facts_file.empty()) return read_facts(flags.facts_file);
  std::vector<diagnose::ServerFacts> servers;
  if (!flags.urls.empty()) {
    diagnose::ServerQuestion question{
        .urls = flags.urls,
        .interval = std::chrono::milliseconds(std::llround(flags.interval_s * 1000))};
    for (std::string& url : question.urls) {
      while (url.ends_with('/')) url.pop_back();
    }
    if (!flags.api_key_file.empty()) question.api_key = TRY(first_key(flags.api_key_file));
    servers = diagnose::probe_servers(question);
  }
  // After the servers: the GPUs' utilization is that of the last second.
  diagnose::Facts facts = machine_facts(model);
  facts.servers = std::move(servers);
  if (flags.level > 1) measure(flags, model, facts);
  return facts;
}

// Whether an error was found.
Result<bool> run(const Flags& flags) {
  std::optional<NamedModel> model;
  if (!flags.model.empty()) model = TRY(find_model(flags.model));
  const diagnose::Facts facts = TRY(facts_for(flags, model));
  if (!flags.record_file.empty()) {
    TRY(base::write_file_atomically(flags.record_file,
                                    json::serialize(diagnose::json_of(facts)) + "\n"));
  }
  const std::optional<diagnose::ModelBytes> bytes =
      model ? std::optional(diagnose::model_bytes(model->spec, model->name)) : std::nullopt;
  const diagnose::Findings findings =
      diagnose::check({.facts = facts, .model = bytes ? &*bytes : nullptr});
  if (flags.as_json) {
    fmt::print("{}\n", json::serialize(diagnose::report_json(facts, findings, flags.level)));
  } else {
    if (flags.lists_facts) fmt::print("{}\n", diagnose::facts_text(facts));
    fmt::print("{}", diagnose::report_text(facts, findings, flags.level));
  }
  return std::ranges::any_of(findings, [](const diagnose::Finding& finding) {
    return finding.severity == diagnose::Severity::kError;
  });
}

void add_flags(CLI::App& command, Flags& flags) {
  command.add_option("--model", flags.model,
                     "say what findings mean for this model: a folder, the name of a pulled model, "
                     "or a known shape such as deepseek-llm-7b");
  CLI::Option* const level =
      command
          .add_option(
              "--level", flags.level,
              "1: look, in seconds; 2: also measure, a minute or two; 3: the same under load, "
              "for minutes")
          ->capture_default_str()
          ->check(CLI::Range(1, 3));
  command.add_option("--seconds", flags.load_seconds, "how long the load of level 3 lasts")
      ->capture_default_str()
      ->check(CLI::Range(1.0, 86'400.0));
  CLI::Option* const urls =
      command
          .add_option(
              "--url", flags.urls,
              "also ask this server which limit it is at; given several times, replicas are "
              "compared")
          ->allow_extra_args(false)
          ->check(CLI::Validator(
              [](const std::string& url) {
                return url.starts_with("http://") || url.starts_with("https://")
                           ? std::string()
                           : "a URL begins with http:// or https://, not '" + url + "'";
              },
              "URL"));
  command.add_option("--interval", flags.interval_s, "seconds between two looks at its metrics")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3600.0));
  command.add_option("--api-key-file", flags.api_key_file,
                     "file with a key that is sent to the servers: its first is taken");
  command
      .add_option("--facts", flags.facts_file,
                  "judge the facts of this file, as --record wrote it, instead of this machine")
      ->excludes(urls)
      ->excludes(level);
  command.add_option("--record", flags.record_file,
                     "write the facts to this file, so that others can look at them");
  command.add_flag("--list-facts", flags.lists_facts,
                   "print every fact, also those that are fine or not supported");
  command.add_flag("--json", flags.as_json, "print JSON");
}

}  // namespace

void add_doctor_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("doctor", "find what is wrong with this machine or a server, and why");
  command->footer(
      "Examples:\n"
      "  fathom doctor\n"
      "  fathom doctor --model deepseek-llm-7b\n"
      "  fathom doctor --level 2 --model ./my-model\n"
      "  fathom doctor --url http://127.0.0.1:8000\n"
      "  fathom doctor --record facts.json\n"
      "  fathom doctor --facts facts.json --json\n"
      "\n"
      "Exit code 1 if there is a finding of severity error. What cannot be read is\n"
      "\"not supported\", and raises nothing.");
  auto flags = std::make_shared<Flags>();
  add_flags(*command, *flags);
  command->callback([flags, &exit_code] {
    const auto has_error = run(*flags);
    if (!has_error) {
      exit_code = report(has_error.error());
    } else {
      exit_code = *has_error ? kExitFailed : kExitOk;
    }
  });
}

}  // namespace fathom::app
