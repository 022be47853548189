// Replaces this process by a new one of the same program and command line.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "base/log.h"
#include "command.h"

namespace fathom::app {
namespace {

using base::ErrorCode;
using base::fail;

// Restarts that followed each other quickly, handed on to the next process.
constexpr const char* kCountVariable = "FATHOM_RESTARTS";
constexpr int kMaxQuickRestarts = 3;
constexpr std::chrono::minutes kQuick{5};

const auto kProcessStart = std::chrono::steady_clock::now();

}  // namespace

base::Error restart_process() {
  const char* const counted = std::getenv(kCountVariable);
  const bool was_quick = std::chrono::steady_clock::now() - kProcessStart < kQuick;
  const int count = was_quick && counted != nullptr ? std::atoi(counted) : 0;
  if (count >= kMaxQuickRestarts) {
    return fail(ErrorCode::kInternal, "restart",
                "the device failed again after {} restarts: it needs attention (see its driver's "
                "log, dmesg for NVRM: Xid)",
                count);
  }
  std::ifstream command_line("/proc/self/cmdline");
  std::vector<std::string> arguments;
  for (std::string each; std::getline(command_line, each, '\0');) arguments.push_back(each);
  if (arguments.empty()) {
    return fail(ErrorCode::kInternal, "/proc/self/cmdline", "it cannot be read");
  }
  std::vector<char*> pointers;
  for (std::string& each : arguments) pointers.push_back(each.data());
  pointers.push_back(nullptr);
  ::setenv(kCountVariable, std::to_string(count + 1).c_str(), 1);
  base::log_warning("starting again, for the {}. time", count + 1);
  // Whatever is still open must not live on in the new process.
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execv("/proc/self/exe", pointers.data());
  return fail(ErrorCode::kInternal, "restart", "cannot start again: {}", base::errno_text(errno));
}

}  // namespace fathom::app
