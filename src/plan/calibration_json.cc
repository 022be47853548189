// The file of measured rates and shares.
#include <algorithm>
#include <boost/json.hpp>

#include "base/json.h"
#include "plan/calibration.h"
#include "plan/json_fields.h"

namespace fathom::plan {
namespace {

namespace json = boost::json;
using base::ErrorCode;
using base::fail;
using base::Result;

constexpr double kVersion = 1;

json::array range_json(const Range& range) { return {range.low, range.likely, range.high}; }

json::object calibration_json(const Calibration& calibration) {
  const MeasuredRates& rates = calibration.rates;
  const Efficiency& shares = calibration.efficiency;
  json::object measured{{"read_gb_per_s", rates.read_gb_per_s},
                        {"fp16_tflops", rates.fp16_tflops},
                        {"launch_us", rates.launch_us}};
  if (rates.fp8_tflops) measured["fp8_tflops"] = *rates.fp8_tflops;
  if (rates.host_link_gb_per_s) measured["host_link_gb_per_s"] = *rates.host_link_gb_per_s;
  if (rates.disk_gb_per_s) measured["disk_gb_per_s"] = *rates.disk_gb_per_s;
  return {{"device", calibration.device},
          {"model", calibration.model},
          {"date", calibration.date},
          {"rates", std::move(measured)},
          {"shares",
           {{"memory_wide", range_json(shares.memory_wide)},
            {"memory_narrow", range_json(shares.memory_narrow)},
            {"compute_wide", range_json(shares.compute_wide)},
            {"compute_narrow", range_json(shares.compute_narrow)},
            {"launch_us", range_json(shares.launch_us)}}}};
}

Result<Range> read_range(const JsonFields& fields, std::string_view key) {
  const std::vector<double> values = TRY(fields.numbers(key));
  if (values.size() != 3 || !std::ranges::is_sorted(values)) {
    return fail(ErrorCode::kInvalidArgument, fields.path(), "field '{}' is not [low, likely, high]",
                key);
  }
  return Range{values[0], values[1], values[2]};
}

Result<std::optional<double>> read_optional(const JsonFields& fields, std::string_view key) {
  if (!fields.has(key)) return std::optional<double>();
  return std::optional<double>(TRY(fields.positive(key)));
}

Result<MeasuredRates> read_rates(const JsonFields& fields) {
  MeasuredRates rates;
  rates.read_gb_per_s = TRY(fields.positive("read_gb_per_s"));
  rates.fp16_tflops = TRY(fields.positive("fp16_tflops"));
  rates.launch_us = TRY(fields.positive("launch_us"));
  rates.fp8_tflops = TRY(read_optional(fields, "fp8_tflops"));
  rates.host_link_gb_per_s = TRY(read_optional(fields, "host_link_gb_per_s"));
  rates.disk_gb_per_s = TRY(read_optional(fields, "disk_gb_per_s"));
  return rates;
}

Result<Efficiency> read_shares(const JsonFields& fields) {
  Efficiency shares;
  shares.memory_wide = TRY(read_range(fields, "memory_wide"));
  shares.memory_narrow = TRY(read_range(fields, "memory_narrow"));
  shares.compute_wide = TRY(read_range(fields, "compute_wide"));
  shares.compute_narrow = TRY(read_range(fields, "compute_narrow"));
  shares.launch_us = TRY(read_range(fields, "launch_us"));
  shares.source = "measured by fathom plan --calibrate";
  shares.is_measured = true;
  return shares;
}

}  // namespace

Result<std::vector<Calibration>> parse_calibrations(std::string_view text, std::string_view where) {
  const json::value root = TRY(base::parse_json(text, where));
  if (!root.is_object()) return fail(ErrorCode::kInvalidArgument, where, "not an object");
  const JsonFields fields(root.get_object(), std::string(where));
  if (TRY(fields.positive("version")) != kVersion) {
    return fail(ErrorCode::kInvalidArgument, where,
                "written by another version; delete it and calibrate again");
  }
  std::vector<Calibration> calibrations;
  for (const JsonFields& each : TRY(fields.objects("devices"))) {
    Calibration& made = calibrations.emplace_back();
    made.device = TRY(each.text("device"));
    made.model = TRY(each.text("model"));
    made.date = TRY(each.text("date"));
    const JsonFields rates = TRY(each.object("rates"));
    made.rates = TRY(read_rates(rates));
    const JsonFields shares = TRY(each.object("shares"));
    made.efficiency = TRY(read_shares(shares));
  }
  return calibrations;
}

std::string calibrations_json(const std::vector<Calibration>& calibrations) {
  json::array devices;
  for (const Calibration& each : calibrations) devices.push_back(calibration_json(each));
  return json::serialize(json::object{{"version", kVersion}, {"devices", std::move(devices)}}) +
         "\n";
}

}  // namespace fathom::plan
