// HelpFormatter: --help in 80 columns, with defaults and without the library's type checks.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace fathom::app {

class HelpFormatter final : public CLI::Formatter {
 public:
  // One option: its name and value in the left column, its description wrapped in the right.
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  // One command of the overview.
  std::string make_subcommand(const CLI::App* command) const override;
};

}  // namespace fathom::app
