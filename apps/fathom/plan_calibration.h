// fathom plan --calibrate: measures this machine and a model's speed, and keeps what follows.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "device_flags.h"
#include "machine_catalogue.h"
#include "named_model.h"
#include "plan/calibration.h"

namespace fathom::app {

struct CalibrationFlags {
  DeviceFlags device;
  std::int64_t num_layers = 0;  // 0: all, or as many as memory holds
};

// One measured step beside what was predicted for it.
struct CheckedSample {
  plan::Sample sample;
  plan::Range before;  // without calibration
  plan::Range after;
};

struct CalibrationReport {
  plan::Calibration calibration;
  std::string device_text;
  std::int64_t num_layers = 0;  // that were measured
  std::int64_t model_layers = 0;
  std::vector<CheckedSample> samples;
  double others_share = 0;  // of the processors' time, taken by other programs meanwhile
};

// Takes a minute or two; logs its phases. `machine` is without calibrations.
base::Result<CalibrationReport> calibrate(const NamedModel& model, const Machine& machine,
                                          const CalibrationFlags& flags,
                                          const std::string& disk_folder);

// The same for machines.
boost::json::object calibration_json(const CalibrationReport& report);

// Lines of at most 80 characters.
std::string calibration_text(const CalibrationReport& report);

}  // namespace fathom::app
