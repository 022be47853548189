// The catalogue as this machine sees it: data files, prices, its own devices, what was measured.
#pragma once

#include <string>

#include "base/result.h"
#include "plan/calibration.h"
#include "plan/catalogue.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name
class App;
}

namespace fathom::app {

struct CatalogueFlags {
  std::string catalogue_file;  // empty: what is built in
  std::string prices_file;     // the same
  std::string calibration_file = default_calibration_file();

  // In $XDG_CONFIG_HOME, or ~/.config: fathom/calibration.json.
  static std::string default_calibration_file();
};

void add_catalogue_flags(CLI::App& command, CatalogueFlags& flags);

struct Machine {
  plan::Catalogue catalogue;  // with a row "cpu"
  std::string gpu;            // its GPU's name in the catalogue; empty: none, or not there
  std::string gpu_title;      // as the driver says; empty: none
  int num_gpus = 0;
  double disk_gb_per_s = 0;
  bool disk_is_measured = false;

  // Its GPU, else its CPU; an error if it has a GPU that the catalogue lacks.
  base::Result<std::string> own_device() const;
  // Its devices and their rows, for people.
  std::string text() const;
};

// With what was measured, or as if nothing had been.
base::Result<Machine> this_machine(const CatalogueFlags& flags);
base::Result<Machine> uncalibrated_machine(const CatalogueFlags& flags);

// Keeps it in the file, in the place of an earlier one of the same device.
base::Result<void> save_calibration(const plan::Calibration& calibration, const std::string& file);

}  // namespace fathom::app
