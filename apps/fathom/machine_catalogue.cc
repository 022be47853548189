// Reads the files, and asks the machine.
#include "machine_catalogue.h"

#include <CLI/CLI.hpp>

#include "base/file.h"
#include "machine_facts.h"
#include "plan/embedded_data.h"

namespace fathom::app {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::uint64_t kMaxFileBytes = 4 << 20;
// Where nobody measured: an NVMe disk of the slower kind.
constexpr double kAssumedDiskGbPerS = 2.0;

// "NVIDIA H200" in the catalogue is any card whose name begins so.
std::string row_of(const plan::Catalogue& catalogue, const std::string& title) {
  std::string found;
  std::size_t length = 0;
  for (const plan::Accelerator& each : catalogue.accelerators) {
    if (!each.is_cpu && title.starts_with(each.title) && each.title.size() > length) {
      found = each.name;
      length = each.title.size();
    }
  }
  return found;
}

}  // namespace

void add_catalogue_flags(CLI::App& command, CatalogueFlags& flags) {
  command
      .add_option("--catalogue", flags.catalogue_file,
                  "accelerators from this JSON file instead of those built in")
      ->envname("FATHOM_CATALOGUE");
  command
      .add_option("--prices", flags.prices_file, "prices from this JSON file over those built in")
      ->envname("FATHOM_PRICES");
}

Result<std::string> Machine::own_device() const {
  if (gpu_title.empty()) return std::string("cpu");
  if (!gpu.empty()) return gpu;
  return fail(ErrorCode::kNotFound, "--gpu",
              "this machine's {} is not in the catalogue ({}); add it with --catalogue", gpu_title,
              catalogue.names());
}

Result<Machine> this_machine(const CatalogueFlags& flags) {
  Machine machine;
  std::string own;
  if (flags.catalogue_file.empty()) {
    machine.catalogue =
        TRY(plan::parse_catalogue(plan::embedded_catalogue(), "the built-in catalogue"));
    TRY(plan::apply_prices(machine.catalogue, plan::embedded_prices(), "the built-in prices"));
  } else {
    own = TRY(base::read_file(flags.catalogue_file, kMaxFileBytes));
    machine.catalogue = TRY(plan::parse_catalogue(own, flags.catalogue_file));
  }
  machine.catalogue.accelerators.push_back(plan::cpu_row(this_cpu()));
  if (!flags.prices_file.empty()) {
    own = TRY(base::read_file(flags.prices_file, kMaxFileBytes));
    TRY(plan::apply_prices(machine.catalogue, own, flags.prices_file));
  }
  const std::vector<std::string> titles = nvidia_gpu_titles();
  machine.num_gpus = static_cast<int>(titles.size());
  if (!titles.empty()) {
    machine.gpu_title = titles.front();
    machine.gpu = row_of(machine.catalogue, titles.front());
  }
  machine.disk_gb_per_s = kAssumedDiskGbPerS;
  return machine;
}

}  // namespace fathom::app
