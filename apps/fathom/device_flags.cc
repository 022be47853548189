// The flags, and what follows from them.
#include "device_flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>

#include "base/log.h"

namespace fathom::app {

using base::ErrorCode;
using base::fail;
using base::Result;
using tensor::DType;

void add_device_flags(CLI::App& command, DeviceFlags& flags) {
  command
      .add_option("--device", flags.device,
                  "where to run: cpu, cuda, cuda:N, or auto: the first GPU if there is one")
      ->capture_default_str();
  command
      .add_option("--dtype", flags.dtype,
                  "precision: auto (the checkpoint's), bf16 or fp32; on a GPU also fp16 and fp8 "
                  "(weights quantized while they are loaded)")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "fp16", "fp8"}));
  command
      .add_option("--gpu-memory-limit", flags.gpu_memory_limit_bytes,
                  "take at most so much of the GPU's memory, such as 22GiB; default: all that is "
                  "free")
      ->transform(CLI::AsSizeValue(false));
  command.add_option("--threads", flags.threads, "threads; 0: one for each core")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
}

Result<std::unique_ptr<device::Device>> open_device(const DeviceFlags& flags) {
  return device::open_device(flags.device, {.num_threads = flags.threads,
                                            .memory_limit_bytes = flags.gpu_memory_limit_bytes});
}

std::string Precision::text() const {
  return matrices_in_fp8 ? fmt::format("fp8 with {} activations", tensor::name(compute))
                         : std::string(tensor::name(compute));
}

namespace {

// The checkpoint's own precision, or what comes next on a device that does not compute in it.
Precision automatic_precision(const std::string& stored, const device::Device& device) {
  if (device.reads_host_memory()) {
    // bf16 weights are multiplied as they are; others would lose bits.
    return {.compute = stored == "bfloat16" ? DType::kBF16 : DType::kF32};
  }
  if (stored == "float16") return {.compute = DType::kF16};
  if (device.supports(DType::kBF16)) {
    if (stored != "bfloat16") {
      base::log_info("{} weights are computed in bf16; --dtype fp32 is exact, and slow", stored);
    }
    return {.compute = DType::kBF16};
  }
  base::log_info("{} has no bf16: fp16 is computed instead, with sums and residuals in fp32",
                 device.name());
  return {.compute = DType::kF16};
}

}  // namespace

Result<Precision> precision_of(const DeviceFlags& flags, const std::string& stored,
                               const device::Device& device) {
  Precision asked;
  if (flags.dtype == "fp32") {
    asked.compute = DType::kF32;
  } else if (flags.dtype == "fp16") {
    asked.compute = DType::kF16;
  } else if (flags.dtype == "fp8") {
    if (!device.supports(DType::kF8E4M3)) {
      return fail(ErrorCode::kInvalidArgument, "--dtype",
                  "{} does not compute in fp8: that takes a GPU of sm_89 (RTX 4090, L4) or later",
                  device.name());
    }
    asked = automatic_precision(stored, device);
    asked.matrices_in_fp8 = true;
  } else if (flags.dtype == "auto") {
    asked = automatic_precision(stored, device);
  }
  if (!device.supports(asked.compute)) {
    return fail(ErrorCode::kInvalidArgument, "--dtype", "{} does not compute in {}", device.name(),
                tensor::name(asked.compute));
  }
  return asked;
}

void add_kv_dtype_flag(CLI::App& command, std::string& name) {
  command
      .add_option("--kv-dtype,--kv-cache-dtype", name,
                  "type of the KV cache: fp32, bf16 or int8, on a GPU also fp16 and fp8; default: "
                  "the precision of the activations")
      ->check(CLI::IsMember({"fp32", "bf16", "fp16", "fp8", "int8"}));
}

void add_determinism_flag(CLI::App& command, model::Determinism& determinism) {
  static const std::map<std::string, model::Determinism> names{
      {"schedule", model::Determinism::kSchedule}, {"batch", model::Determinism::kBatch}};
  command
      .add_option("--determinism", determinism,
                  "batch: a request with a seed gives the same bits whatever else runs, at some "
                  "cost; schedule: if the same steps come again. A CPU always does the former")
      ->transform(CLI::CheckedTransformer(names))
      ->default_str("schedule");
}

Result<DType> kv_dtype(const std::string& name, DType of_activations,
                       const device::Device& device) {
  DType dtype = of_activations;
  if (name == "fp32") dtype = DType::kF32;
  if (name == "bf16") dtype = DType::kBF16;
  if (name == "fp16") dtype = DType::kF16;
  if (name == "fp8") dtype = DType::kF8E4M3;
  if (name == "int8") dtype = DType::kI8;
  if (device.supports(dtype)) return dtype;
  return fail(ErrorCode::kInvalidArgument, "--kv-dtype", "{} has no KV cache of {}", device.name(),
              name);
}

}  // namespace fathom::app
