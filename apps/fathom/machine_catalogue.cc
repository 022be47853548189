// Reads the files, and asks the machine.
#include "machine_catalogue.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "plan/embedded_data.h"
#include "processor_facts.h"

namespace fathom::app {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::uint64_t kMaxFileBytes = 4 << 20;
// Where nobody measured: an NVMe disk of the slower kind.
constexpr double kAssumedDiskGbPerS = 2.0;

// The row that a driver means; empty if there is none.
std::string row_of(const plan::Catalogue& catalogue, const std::string& driver_name) {
  for (const plan::Accelerator& each : catalogue.accelerators) {
    if (each.is_called(driver_name)) return each.name;
  }
  return "";
}

// None if there is no file.
Result<std::vector<plan::Calibration>> read_calibrations(const std::string& file) {
  std::error_code error;
  if (file.empty() || !std::filesystem::exists(file, error)) {
    return std::vector<plan::Calibration>();
  }
  const std::string text = TRY(base::read_file(file, kMaxFileBytes));
  return plan::parse_calibrations(text, file);
}

}  // namespace

std::string CatalogueFlags::default_calibration_file() {
  const char* const config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && *config != '\0') {
    return std::string(config) + "/fathom/calibration.json";
  }
  const char* const home = std::getenv("HOME");
  return home == nullptr ? "" : std::string(home) + "/.config/fathom/calibration.json";
}

void add_catalogue_flags(CLI::App& command, CatalogueFlags& flags) {
  command
      .add_option("--catalogue", flags.catalogue_file,
                  "accelerators from this JSON file instead of those built in")
      ->envname("FATHOM_CATALOGUE");
  command
      .add_option("--prices", flags.prices_file, "prices from this JSON file over those built in")
      ->envname("FATHOM_PRICES");
  command
      .add_option("--calibration", flags.calibration_file,
                  "where --calibrate keeps what it measured, and plans find it")
      ->envname("FATHOM_CALIBRATION")
      ->capture_default_str();
}

Result<std::string> Machine::own_device() const {
  if (gpu_title.empty()) return std::string("cpu");
  if (!gpu.empty()) return gpu;
  return fail(ErrorCode::kNotFound, "--gpu",
              "this machine's {} is not in the catalogue ({}); add it with --catalogue", gpu_title,
              catalogue.names());
}

std::string Machine::text() const {
  const std::string cpu = catalogue.find("cpu")->title + " (row cpu)";
  if (gpu_title.empty()) return cpu + ", no GPU that a driver lists.";
  const std::string row = gpu.empty() ? "not in the catalogue" : "row " + gpu;
  return fmt::format("{} x {} ({}); {}.", num_gpus, gpu_title, row, cpu);
}

Result<Machine> uncalibrated_machine(const CatalogueFlags& flags) {
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

Result<Machine> this_machine(const CatalogueFlags& flags) {
  Machine machine = TRY(uncalibrated_machine(flags));
  const std::vector<plan::Calibration> known = TRY(read_calibrations(flags.calibration_file));
  plan::apply_calibrations(machine.catalogue, known);
  const std::string cpu_title = machine.catalogue.find("cpu")->title;
  for (const plan::Calibration& each : known) {
    // A disk belongs to the machine, which its processor and its GPU tell.
    const bool is_here = each.device == cpu_title || each.device == machine.gpu_title;
    if (!is_here || !each.rates.disk_gb_per_s) continue;
    machine.disk_gb_per_s = *each.rates.disk_gb_per_s;
    machine.disk_is_measured = true;
  }
  return machine;
}

Result<void> save_calibration(const plan::Calibration& calibration, const std::string& file) {
  std::vector<plan::Calibration> known = TRY(read_calibrations(file));
  std::erase_if(known, [&](const auto& each) { return each.device == calibration.device; });
  known.push_back(calibration);
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), error);
  return base::write_file_atomically(file, plan::calibrations_json(known));
}

}  // namespace fathom::app
