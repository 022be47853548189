// The command line of fathom: one subcommand a file, exit codes 0 ok, 1 failed, 2 usage.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "help_formatter.h"

namespace fathom::app {

int report(const base::Error& error) {
  std::fprintf(stderr, "fathom: %s\n", error.text().c_str());
  return kExitFailed;
}

namespace {

constexpr const char* kDescription =
    "fathom serves DeepSeek 7B language models on the machine you have.";

constexpr const char* kExamples =
    "Examples:\n"
    "  fathom plan                                     which hardware, how fast, how much\n"
    "  fathom pull deepseek-ai/deepseek-llm-7b-chat    download a model\n"
    "  fathom serve deepseek-ai/deepseek-llm-7b-chat   serve it at 127.0.0.1:8000\n"
    "  fathom run ./my-model \"What is GPTQ?\"           one answer, in the terminal\n"
    "\n"
    "fathom COMMAND --help tells more about a command.";

// One line: what is wrong, and where to read what is right. CLI11 asks for a command before it
// looks at flags that belong to none, so those come first.
std::string usage_message(const CLI::App* app, const CLI::Error& error) {
  const std::vector<std::string> unknown = app->remaining();
  const auto parsed = app->get_subcommands();
  std::string program = "fathom";
  if (!parsed.empty()) program += " " + parsed.front()->get_name();
  const std::string problem = parsed.empty() && !unknown.empty()
                                  ? "no such command or flag: " + unknown.front()
                                  : error.what();
  return "fathom: " + problem + "; see " + program + " --help\n";
}

// What was printed may still wait in a buffer, and its disk be full.
int end_output(int exit_code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
  return report(base::fail(base::ErrorCode::kResourceExhausted, "standard output",
                           "cannot write all of the result"));
}

int run(int argc, char** argv) {
  int exit_code = kExitOk;
  CLI::App app(kDescription, "fathom");
  app.footer(kExamples);
  // Commands take it over from here.
  app.formatter(make_help_formatter());
  app.require_subcommand(1);
  app.failure_message(usage_message);
  app.set_version_flag("--version", std::string("fathom ") + FATHOM_VERSION);
  add_serve_command(app, exit_code);
  add_run_command(app, exit_code);
  add_pull_command(app, exit_code);
  add_tokenize_command(app, exit_code);
  add_eval_command(app, exit_code);
  add_plan_command(app, exit_code);
  add_bench_command(app, exit_code);
  add_doctor_command(app, exit_code);
  add_topo_command(app, exit_code);
  add_version_command(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version end here too, with code 0.
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return exit_code;
}

}  // namespace
}  // namespace fathom::app

int main(int argc, char** argv) {
  // A reader that goes away (a closed pipe or socket) is an error to handle, not a signal.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return fathom::app::end_output(fathom::app::run(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fathom: %s\n", error.what());
    return fathom::app::kExitFailed;
  }
}
