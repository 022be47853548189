// The measurements on the CPU, small; what they measure is real, how fast is not judged.
#include "diagnose/measure/measure.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "device/device.h"
#include "diagnose/measure/device_rates.h"
#include "diagnose/measure/disk_rate.h"
#include "diagnose/measure/load_samples.h"

namespace fathom::diagnose {
namespace {

spec::ModelSpec tiny() {
  return {.num_layers = 3,
          .hidden_size = 64,
          .intermediate_size = 128,
          .num_heads = 4,
          .num_kv_heads = 2,
          .head_dim = 16,
          .vocab_rows = 256,
          .max_context_tokens = 256,
          .weight_dtype = "bfloat16"};
}

DeviceQuestion small_question() {
  return {.shape_name = "tiny",
          .shape = tiny(),
          .num_layers = 2,
          .copy_bytes = 1 << 20,
          .context_tokens = 64,
          .max_dot_size = 1024,
          .ceiling_read_bytes = 1 << 22};
}

std::unique_ptr<device::Device> cpu() {
  auto device = device::open_device("cpu");
  EXPECT_TRUE(device);
  return *std::move(device);
}

TEST(DeviceRates, AreMeasuredAndTheDataCompared) {
  const auto device = cpu();
  DeviceQuestion question = small_question();
  int calls = 0;
  question.while_copying = [&calls] { ++calls; };
  const DeviceRateFacts rates = measure_device(*device, question);
  EXPECT_FALSE(rates.problem) << *rates.problem;
  EXPECT_GT(*rates.host_to_device_gb_per_s, 0);
  EXPECT_GT(*rates.device_to_host_gb_per_s, 0);
  EXPECT_TRUE(*rates.copied_data_equal);
  EXPECT_GT(*rates.read_gb_per_s, 0);
  EXPECT_GT(*rates.dot_tflop_per_s, 0);
  EXPECT_GT(*rates.decode_tokens_per_s, 0);
  EXPECT_EQ(rates.decode_shape, "tiny, 2 of 3 layers, bf16, one sequence of 64 tokens");
  EXPECT_EQ(calls, 1);
}

TEST(DeviceRates, TellWhatFailedAndKeepTheRest) {
  const auto device = cpu();
  DeviceQuestion question = small_question();
  question.context_tokens = 100'000;
  const DeviceRateFacts rates = measure_device(*device, question);
  ASSERT_TRUE(rates.problem);
  EXPECT_NE(rates.problem->find("context"), std::string::npos) << *rates.problem;
  EXPECT_TRUE(*rates.copied_data_equal);
  question = small_question();
  question.copy_bytes = std::size_t{1} << 60;
  EXPECT_TRUE(measure_device(*device, question).problem);
}

TEST(PeerCopies, ArriveAsTheyWereSent) {
  const auto one = cpu();
  const auto other = cpu();
  const auto copy = measure_peer_copy(*one, *other, 1 << 20);
  ASSERT_TRUE(copy) << copy.error().text();
  EXPECT_TRUE(*copy->data_equal);
  EXPECT_GT(*copy->gb_per_s, 0);
}

TEST(LoadSamples, AreAtLeastTwo) {
  const auto device = cpu();
  const auto samples = sample_under_load(
      *device, {.seconds = 0, .read_bytes = 1 << 22, .max_dot_size = 1024, .read_load = [] {
                  GpuFacts gpu;
                  gpu.health.temperature_c = 50;
                  gpu.health.clock_reasons = {"power cap"};
                  return gpu;
                }});
  ASSERT_TRUE(samples) << samples.error().text();
  ASSERT_GE(samples->size(), 2U);
  EXPECT_GT(*samples->back().read_gb_per_s, 0);
  EXPECT_EQ(samples->back().temperature_c, 50);
  EXPECT_EQ(samples->back().clock_reasons->front(), "power cap");
  EXPECT_GT(samples->back().second, samples->front().second);
}

TEST(DiskRate, ReadsFilesAndSaysWhenItCannot) {
  const std::filesystem::path model =
      FATHOM_SOURCE_DIR "/tests/data/models/mini-llama/model-00001-of-00002.safetensors";
  const auto rate = disk_bytes_per_s({.files = {model}, .max_seconds = 5});
  if (rate) {
    EXPECT_GT(*rate, 0);
  } else {
    EXPECT_EQ(rate.error().code, base::ErrorCode::kUnimplemented) << rate.error().text();
  }
  EXPECT_FALSE(disk_bytes_per_s({.files = {"/no/such/file"}}));
  EXPECT_FALSE(disk_bytes_per_s({}));
}

TEST(Measure, OfAMachineWithoutGpusIsTheProcessor) {
  std::string phases;
  const MeasuredFacts measured =
      measure({}, {.shape_name = "tiny", .shape = tiny(), .on_phase = [&](std::string_view phase) {
                     phases += phase;
                   }});
  ASSERT_EQ(measured.devices.size(), 1U);
  EXPECT_FALSE(measured.devices[0].problem);
  EXPECT_FALSE(measured.devices[0].gpu);
  EXPECT_FALSE(measured.disk_gb_per_s);
  EXPECT_TRUE(measured.peer_copies.empty());
  EXPECT_NE(phases.find("decode step"), std::string::npos);
}

TEST(Measure, OfGpusThatDoNotOpenSaysSo) {
  Facts facts;
  facts.build.cuda_version = "13.0";
  facts.gpus.resize(1);
  const auto opened = device::open_device("cuda:0");
  if (opened) GTEST_SKIP() << "there is a GPU";
  const MeasuredFacts measured = measure(facts, {.shape_name = "tiny", .shape = tiny()});
  ASSERT_EQ(measured.devices.size(), 1U);
  EXPECT_EQ(measured.devices[0].problem, opened.error().message);
  EXPECT_EQ(measured.devices[0].gpu, 0);
}

}  // namespace
}  // namespace fathom::diagnose
