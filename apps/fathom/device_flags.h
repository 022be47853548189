// Where a command computes, and in what precision: the flags of all commands that compute.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"
#include "device/device.h"
#include "model/decoder.h"
#include "tensor/dtype.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name
class App;
}

namespace fathom::app {

struct DeviceFlags {
  std::string device = "auto";             // auto | cpu | cuda | cuda:N
  std::string dtype = "auto";              // auto | fp32 | bf16 | fp16 | fp8
  int threads = 0;                         // 0: one for each core
  std::size_t gpu_memory_limit_bytes = 0;  // 0: none
};

void add_device_flags(CLI::App& command, DeviceFlags& flags);
base::Result<std::unique_ptr<device::Device>> open_device(const DeviceFlags& flags);

// How a model is computed, and what its matrices are stored as.
struct Precision {
  tensor::DType compute = tensor::DType::kBF16;
  bool matrices_in_fp8 = false;

  // "fp8 with bf16 activations".
  std::string text() const;
};

// What --dtype names, for weights that are stored as a config.json says ("bfloat16"); an error if
// the device does not compute in it.
base::Result<Precision> precision_of(const DeviceFlags& flags, const std::string& stored,
                                     const device::Device& device);

// Adds --kv-dtype, one of names that kv_dtype() knows.
void add_kv_dtype_flag(CLI::App& command, std::string& name);
void add_determinism_flag(CLI::App& command, model::Determinism& determinism);
// The type that --kv-dtype names; without a name, that of the activations. An error if the device
// has no such cache.
base::Result<tensor::DType> kv_dtype(const std::string& name, tensor::DType of_activations,
                                     const device::Device& device);

}  // namespace fathom::app
