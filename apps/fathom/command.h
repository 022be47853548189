// The shape of every command: it adds itself to the command line and leaves an exit code.
#pragma once

#include <string>

#include "base/error.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name
class App;
}

namespace fathom::app {

// As people and scripts expect.
enum ExitCode { kExitOk = 0, kExitFailed = 1, kExitUsage = 2 };

// Prints "fathom: where: message" on standard error; returns kExitFailed.
int report(const base::Error& error);

// Starts this program again in this process, with the same command line: after a loss that only a
// new process recovers from. Returns an error if it cannot, or if it has done so several times in
// a row without success in between.
base::Error restart_process();

// Each adds one subcommand. When the command line names it, its callback sets exit_code.
void add_serve_command(CLI::App& app, int& exit_code);
void add_run_command(CLI::App& app, int& exit_code);
void add_pull_command(CLI::App& app, int& exit_code);
void add_tokenize_command(CLI::App& app, int& exit_code);
void add_eval_command(CLI::App& app, int& exit_code);
void add_bench_command(CLI::App& app, int& exit_code);
void add_plan_command(CLI::App& app, int& exit_code);
void add_doctor_command(CLI::App& app, int& exit_code);
void add_topo_command(CLI::App& app, int& exit_code);
void add_version_command(CLI::App& app, int& exit_code);

}  // namespace fathom::app
