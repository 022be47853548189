// fathom pull: download a model from the hub.
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include "checkpoint/hub.h"
#include "command.h"

namespace fathom::app {
namespace {

struct Flags {
  std::string name;
  std::string revision = "main";
  std::string endpoint;
  bool as_json = false;
};

std::atomic<bool> interrupted{false};

// One line that is drawn again: bytes, percent, speed, time left.
class ProgressLine {
 public:
  ~ProgressLine() {
    if (drawn_) std::fputc('\n', stderr);
  }

  void show(const checkpoint::PullProgress& progress) {
    if (!progress.note.empty()) {
      std::fprintf(stderr, "%s%s\n", drawn_ ? "\n" : "", progress.note.c_str());
    }
    const auto now = Clock::now();
    const bool is_done = progress.done_files == progress.total_files;
    if (!is_terminal_ || progress.total_bytes == 0 ||
        (now - last_drawn_ < std::chrono::milliseconds(100) && !is_done)) {
      return;
    }
    if (first_bytes_ < 0) {
      first_bytes_ = progress.done_bytes;
      started_ = now;
    }
    last_drawn_ = now;
    drawn_ = true;
    const double seconds = std::chrono::duration<double>(now - started_).count();
    const double speed =
        seconds > 0.2 ? static_cast<double>(progress.done_bytes - first_bytes_) / seconds : 0;
    const double left =
        speed > 0 ? static_cast<double>(progress.total_bytes - progress.done_bytes) / speed : 0;
    std::fprintf(stderr, "\r%3d%%  %.2f of %.2f GB  %lld of %lld files  %.1f MB/s  %d s left   ",
                 static_cast<int>(100 * progress.done_bytes / progress.total_bytes),
                 static_cast<double>(progress.done_bytes) / 1e9,
                 static_cast<double>(progress.total_bytes) / 1e9,
                 static_cast<long long>(progress.done_files),
                 static_cast<long long>(progress.total_files), speed / 1e6, static_cast<int>(left));
    std::fflush(stderr);
  }

 private:
  using Clock = std::chrono::steady_clock;
  bool is_terminal_ = ::isatty(STDERR_FILENO) != 0;
  bool drawn_ = false;
  std::int64_t first_bytes_ = -1;
  Clock::time_point started_;
  Clock::time_point last_drawn_;
};

int run(const Flags& flags) {
  std::signal(SIGINT, [](int) { interrupted = true; });
  std::signal(SIGTERM, [](int) { interrupted = true; });
  auto line = std::make_unique<ProgressLine>();
  const auto result = checkpoint::pull(
      {.name = flags.name,
       .revision = flags.revision,
       .on_progress = [&](const checkpoint::PullProgress& progress) { line->show(progress); },
       .is_cancelled = [] { return interrupted.load(); }},
      {.endpoint = flags.endpoint});
  line.reset();
  if (!result) {
    if (interrupted) {
      std::fprintf(stderr, "fathom: interrupted; the same command goes on where it stopped\n");
      return kExitFailed;
    }
    return report(result.error());
  }
  if (flags.as_json) {
    fmt::print("{}\n", boost::json::serialize(
                           boost::json::object{{"folder", result->folder.string()},
                                               {"commit", result->commit},
                                               {"files", result->num_files},
                                               {"bytes", result->total_bytes},
                                               {"downloaded_bytes", result->downloaded_bytes}}));
  } else {
    const std::string folder = result->folder.string();
    fmt::print("{} files, {:.2f} GB ({:.2f} GB fetched), in {}\nServe it with: fathom serve {}\n",
               result->num_files, static_cast<double>(result->total_bytes) / 1e9,
               static_cast<double>(result->downloaded_bytes) / 1e9, folder,
               // A name alone stands for its main branch.
               flags.revision == "main" ? flags.name : folder);
  }
  return kExitOk;
}

}  // namespace

void add_pull_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("pull", "download a model");
  command->footer(
      "Examples:\n"
      "  fathom pull deepseek-ai/deepseek-llm-7b-chat\n"
      "  HF_TOKEN=... fathom pull my-org/my-model --revision v1\n"
      "\n"
      "Files go to $HF_HOME (default ~/.cache/huggingface) and are shared with other\n"
      "tools. A download that broke off goes on where it stopped.");
  auto flags = std::make_shared<Flags>();
  command->add_option("NAME", flags->name, "the model's name on the hub: org/name")->required();
  command->add_option("--revision", flags->revision, "branch, tag or commit")
      ->capture_default_str();
  command->add_option("--endpoint", flags->endpoint,
                      "another hub with the same API; default: $HF_ENDPOINT");
  command->add_flag("--json", flags->as_json, "print JSON");
  command->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace fathom::app
