// fathom version: what this build is.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>

#include "command.h"

namespace fathom::app {

void add_version_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("version", "print the version of this build");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "print JSON");
  command->callback([json, &exit_code] {
    if (*json) {
      fmt::print("{}\n", boost::json::serialize(boost::json::object{{"version", FATHOM_VERSION},
                                                                    {"compiler", __VERSION__}}));
    } else {
      fmt::print("fathom {}\n", FATHOM_VERSION);
    }
    exit_code = kExitOk;
  });
}

}  // namespace fathom::app
