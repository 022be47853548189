// Calibration: what was measured on a machine, and the shares of its peaks that follow.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/catalogue.h"
#include "plan/precision.h"
#include "plan/roofline.h"

namespace fathom::plan {

// A measured step.
struct Sample {
  Weights weights = Weights::kFp16;
  KvType kv = KvType::kFp16;
  std::int64_t batch = 0;   // 0: a prompt
  std::int64_t tokens = 0;  // of the context, or of the prompt
  double seconds = 0;

  bool is_prompt() const { return batch == 0; }
};

// Rates of a device, measured without a model.
struct MeasuredRates {
  double read_gb_per_s = 0;
  double fp16_tflops = 0;
  std::optional<double> fp8_tflops;
  double launch_us = 0;
  std::optional<double> host_link_gb_per_s;  // not of a CPU
  std::optional<double> disk_gb_per_s;
};

struct Calibration {
  std::string device;  // as the driver or the kernel calls it
  std::string model;
  std::string date;
  MeasuredRates rates;
  Efficiency efficiency;
};

// The row with measured peaks in the place of the catalogue's; its shares stay.
Accelerator with_rates(const Accelerator& row, const MeasuredRates& rates, std::string_view date);

// The seconds that are predicted for a sample.
Range predict(const spec::ModelSpec& spec, const Accelerator& device, const Sample& sample);

// Shares with which the formulas meet the samples: those of memory from steps of one sequence,
// those of products from prompts. The ranges are as wide as the worst sample needs, and 10 % at
// least. `device` has the measured peaks. What no sample tells of is scaled from what was assumed.
Efficiency fit(const spec::ModelSpec& spec, const Accelerator& device,
               const std::vector<Sample>& samples, double launch_us);

// Files: one object a device.
base::Result<std::vector<Calibration>> parse_calibrations(std::string_view json,
                                                          std::string_view where);
std::string calibrations_json(const std::vector<Calibration>& calibrations);

// Puts what was measured into the rows of these devices.
void apply_calibrations(Catalogue& catalogue, const std::vector<Calibration>& calibrations);

}  // namespace fathom::plan
