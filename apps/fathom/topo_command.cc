// fathom topo: how GPUs, processors and memory of a machine hang together.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>
#include <string>

#include "command.h"
#include "diagnose/topology/topology.h"
#include "machine_facts.h"

namespace fathom::app {
namespace {

struct Flags {
  std::string facts_file;
  bool as_json = false;
};

base::Result<void> run(const Flags& flags) {
  const diagnose::Facts facts =
      flags.facts_file.empty() ? machine_facts(std::nullopt) : TRY(read_facts(flags.facts_file));
  if (flags.as_json) {
    fmt::print("{}\n", boost::json::serialize(diagnose::topology_json(facts)));
  } else {
    fmt::print("{}", diagnose::topology_text(facts));
  }
  return {};
}

}  // namespace

void add_topo_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("topo", "draw how GPUs, processors and memory hang together");
  command->footer(
      "Examples:\n"
      "  fathom topo\n"
      "  fathom topo --facts facts.json --json");
  auto flags = std::make_shared<Flags>();
  command->add_option("--facts", flags->facts_file,
                      "draw the machine of this file, as fathom doctor --record wrote it");
  command->add_flag("--json", flags->as_json, "print JSON");
  command->callback([flags, &exit_code] {
    const auto done = run(*flags);
    exit_code = done ? kExitOk : report(done.error());
  });
}

}  // namespace fathom::app
