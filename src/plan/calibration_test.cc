// Shares found again from steps that were made with them, and the file they are kept in.
#include "plan/calibration.h"

#include <gmock/gmock.h>

#include "plan/plan_test_data.h"

namespace fathom::plan {
namespace {

using ::testing::HasSubstr;

Range exactly(double value) { return {value, value, value}; }

// Steps as a device with these shares would take them.
std::vector<Sample> made_samples(const spec::ModelSpec& spec, Accelerator device, double memory,
                                 double compute, double launch_us) {
  device.efficiency = default_efficiency(device.is_cpu);
  device.efficiency->memory_wide = exactly(memory);
  device.efficiency->compute_wide = exactly(compute);
  device.efficiency->launch_us = exactly(launch_us);
  std::vector<Sample> samples = {
      {.batch = 1, .tokens = 600}, {.batch = 8, .tokens = 600}, {.batch = 0, .tokens = 1024}};
  for (Sample& each : samples) each.seconds = predict(spec, device, each).likely;
  return samples;
}

TEST(Calibration, FindsTheSharesAgain) {
  const Demand demand = demand_for();
  for (const char* const name : {"t4", "a100-80", "cpu"}) {
    const Accelerator& device = *demand.catalogue.find(name);
    const auto samples = made_samples(demand.spec, device, 0.71, 0.44, 2);
    const Efficiency found = fit(demand.spec, device, samples, 2);
    EXPECT_NEAR(found.memory_wide.likely, 0.71, 0.01) << name;
    EXPECT_NEAR(found.compute_wide.likely, 0.44, 0.01) << name;
    EXPECT_TRUE(found.is_measured);
    // 8-bit shares move along.
    const Efficiency assumed = default_efficiency(device.is_cpu);
    EXPECT_NEAR(found.memory_narrow.likely / assumed.memory_narrow.likely,
                found.memory_wide.likely / assumed.memory_wide.likely, 0.001);
  }
}

TEST(Calibration, EverySampleIsInsideTheRangeThatFollows) {
  const Demand demand = demand_for();
  Accelerator device = *demand.catalogue.find("rtx4090");
  auto samples = made_samples(demand.spec, device, 0.8, 0.5, 1.5);
  samples[1].seconds *= 1.4;  // a batch that no formula foresaw
  samples.push_back({.batch = 32, .tokens = 600, .seconds = 0.02});
  device.efficiency = fit(demand.spec, device, samples, 1.5);
  for (const Sample& each : samples) {
    EXPECT_TRUE(predict(demand.spec, device, each).contains(each.seconds)) << each.batch;
  }
}

TEST(Calibration, NonsenseEndsAtABound) {
  const Demand demand = demand_for();
  const Accelerator& device = *demand.catalogue.find("h100");
  const Efficiency found = fit(
      demand.spec, device,
      {{.batch = 1, .tokens = 600, .seconds = 1e-9}, {.batch = 0, .tokens = 1000, .seconds = 1e6}},
      1);
  EXPECT_LE(found.memory_wide.likely, 1.5);
  EXPECT_GE(found.compute_wide.likely, 0.02);
}

Calibration any_calibration(const std::string& device) {
  Calibration made;
  made.device = device;
  made.model = "deepseek-llm-7b";
  made.date = "2026-11-28";
  made.rates = {.read_gb_per_s = 900,
                .fp16_tflops = 150,
                .launch_us = 1.25,
                .host_link_gb_per_s = 22,
                .disk_gb_per_s = 3.5};
  made.efficiency = default_efficiency(false);
  made.efficiency.memory_wide = {0.7, 0.8, 0.9};
  return made;
}

TEST(Calibration, SurvivesItsFile) {
  const Calibration made = any_calibration("NVIDIA GeForce RTX 4090");
  const auto read = parse_calibrations(calibrations_json({made}), "file");
  ASSERT_TRUE(read) << read.error().text();
  ASSERT_EQ(read->size(), 1U);
  EXPECT_EQ(read->front().device, made.device);
  EXPECT_DOUBLE_EQ(read->front().rates.read_gb_per_s, 900);
  EXPECT_DOUBLE_EQ(*read->front().rates.disk_gb_per_s, 3.5);
  EXPECT_FALSE(read->front().rates.fp8_tflops);
  EXPECT_DOUBLE_EQ(read->front().efficiency.memory_wide.high, 0.9);
  EXPECT_TRUE(read->front().efficiency.is_measured);
}

TEST(Calibration, ChangesItsOwnDeviceAlone) {
  Catalogue catalogue = whole_catalogue();
  const double before = catalogue.find("l4")->bandwidth_gb_per_s.value;
  apply_calibrations(catalogue, {any_calibration("NVIDIA GeForce RTX 4090")});
  const Accelerator& changed = *catalogue.find("rtx4090");
  EXPECT_DOUBLE_EQ(changed.bandwidth_gb_per_s.value, 900);
  EXPECT_TRUE(changed.bandwidth_gb_per_s.is_verified);
  EXPECT_DOUBLE_EQ(changed.host_link_gb_per_s.value, 22);
  // Not measured: keeps its ratio to what was.
  EXPECT_NEAR(changed.int8_tops->value, 661.0 * 150 / 165, 0.1);
  EXPECT_DOUBLE_EQ(efficiency_of(changed).memory_wide.likely, 0.8);
  EXPECT_DOUBLE_EQ(catalogue.find("l4")->bandwidth_gb_per_s.value, before);
}

TEST(Calibration, AFileWithAHoleIsRefusedByTheField) {
  const auto refusal = [](std::string_view text) {
    const auto read = parse_calibrations(text, "mine.json");
    return read ? "no error" : read.error().text();
  };
  EXPECT_THAT(refusal(R"({"version": 1})"), HasSubstr("'devices' is missing"));
  EXPECT_THAT(refusal(R"({"version": 2, "devices": []})"), HasSubstr("another version"));
  EXPECT_THAT(refusal(R"({"version": 1, "devices": [{"device": "x", "model": "y", "date": "z",
                          "rates": {"read_gb_per_s": -1}}]})"),
              HasSubstr("devices[0].rates: field 'read_gb_per_s' is not a number above 0"));
}

}  // namespace
}  // namespace fathom::plan
