// MeasuredFacts: rates that levels 2 and 3 measured, beside what the hardware should give.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diagnose/facts/field_visitor.h"

namespace fathom::diagnose {

// A copy between two GPUs.
struct PeerCopyFacts {
  std::int64_t gpu_a = 0;
  std::int64_t gpu_b = 0;
  std::optional<double> gb_per_s;
  std::optional<bool> data_equal;  // what arrived is what was sent
};

template <SameFacts<PeerCopyFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("gpu_a", facts.gpu_a);
  visit("gpu_b", facts.gpu_b);
  visit("gb_per_s", facts.gb_per_s);
  visit("data_equal", facts.data_equal);
}

// One moment of level 3.
struct SampleFacts {
  double second = 0;
  std::optional<double> read_gb_per_s;
  std::optional<std::int64_t> sm_clock_mhz;
  std::optional<double> temperature_c;
  std::optional<double> power_w;
  std::optional<std::vector<std::string>> clock_reasons;
};

template <SameFacts<SampleFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("second", facts.second);
  visit("read_gb_per_s", facts.read_gb_per_s);
  visit("sm_clock_mhz", facts.sm_clock_mhz);
  visit("temperature_c", facts.temperature_c);
  visit("power_w", facts.power_w);
  visit("clock_reasons", facts.clock_reasons);
}

// Of one device.
struct DeviceRateFacts {
  std::string device;                  // "cpu, avx512, 2 threads"
  std::optional<std::int64_t> gpu;     // NVML's index, where it is known
  std::optional<std::string> problem;  // what failed; the rest may have values all the same
  std::optional<double> host_to_device_gb_per_s;
  std::optional<double> device_to_host_gb_per_s;
  std::optional<bool> copied_data_equal;  // what came back is what was sent
  std::optional<double> read_gb_per_s;    // of the device's memory
  std::optional<double> dot_tflop_per_s;
  std::optional<double> decode_tokens_per_s;  // one sequence
  std::optional<double> decode_limit_tokens_per_s;
  std::optional<std::string> decode_shape;  // "deepseek-llm-7b, 2 of 30 layers, bf16"
  // Read from NVML while data was copied: an idle link may sleep.
  std::optional<std::int64_t> busy_pcie_generation;
  std::optional<std::int64_t> busy_pcie_width;
  std::optional<std::vector<SampleFacts>> samples;  // level 3
};

template <SameFacts<DeviceRateFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("device", facts.device);
  visit("gpu", facts.gpu);
  visit("problem", facts.problem);
  visit("host_to_device_gb_per_s", facts.host_to_device_gb_per_s);
  visit("device_to_host_gb_per_s", facts.device_to_host_gb_per_s);
  visit("copied_data_equal", facts.copied_data_equal);
  visit("read_gb_per_s", facts.read_gb_per_s);
  visit("dot_tflop_per_s", facts.dot_tflop_per_s);
  visit("decode_tokens_per_s", facts.decode_tokens_per_s);
  visit("decode_limit_tokens_per_s", facts.decode_limit_tokens_per_s);
  visit("decode_shape", facts.decode_shape);
  visit("busy_pcie_generation", facts.busy_pcie_generation);
  visit("busy_pcie_width", facts.busy_pcie_width);
  visit("samples", facts.samples);
}

struct MeasuredFacts {
  std::optional<double> disk_gb_per_s;  // reading the model's files past the page cache
  std::vector<DeviceRateFacts> devices;
  std::vector<PeerCopyFacts> peer_copies;
};

template <SameFacts<MeasuredFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("disk_gb_per_s", facts.disk_gb_per_s);
  visit("devices", facts.devices);
  visit("peer_copies", facts.peer_copies);
}

}  // namespace fathom::diagnose
