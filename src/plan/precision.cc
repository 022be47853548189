// What follows from a device's architecture.
#include "plan/precision.h"

namespace fathom::plan {

using footprint::MatrixFormat;
using tensor::DType;

std::string_view name(Weights weights) {
  switch (weights) {
    case Weights::kFp16:
      return "fp16";
    case Weights::kFp8:
      return "fp8";
    case Weights::kInt8:
      return "int8";
    case Weights::kInt4:
      return "int4";
  }
  return "unknown";
}

std::string_view name(KvType type) {
  switch (type) {
    case KvType::kFp16:
      return "fp16";
    case KvType::kFp8:
      return "fp8";
    case KvType::kInt8:
      return "int8";
  }
  return "unknown";
}

std::optional<Weights> weights_named(std::string_view text) {
  for (const Weights each : kAllWeights) {
    if (name(each) == text) return each;
  }
  return std::nullopt;
}

std::optional<KvType> kv_type_named(std::string_view text) {
  for (const KvType each : kAllKvTypes) {
    if (name(each) == text) return each;
  }
  return std::nullopt;
}

namespace {

constexpr int kFirstWithFp8 = 89;
constexpr int kFirstWithBf16 = 80;

bool has_fp8(const Accelerator& device) {
  return !device.is_cpu && device.architecture >= kFirstWithFp8;
}

}  // namespace

bool supports(const Accelerator& device, Weights weights) {
  return weights != Weights::kFp8 || has_fp8(device);
}

bool supports(const Accelerator& device, KvType type) {
  return type != KvType::kFp8 || has_fp8(device);
}

bool is_served(Weights weights) { return weights == Weights::kFp16 || weights == Weights::kFp8; }

DType compute_dtype(const Accelerator& device) {
  return device.is_cpu || device.architecture >= kFirstWithBf16 ? DType::kBF16 : DType::kF16;
}

DType dtype_of(KvType type, const Accelerator& device) {
  switch (type) {
    case KvType::kFp16:
      return compute_dtype(device);
    case KvType::kFp8:
      return DType::kF8E4M3;
    case KvType::kInt8:
      return DType::kI8;
  }
  return DType::kBF16;
}

footprint::WeightFormat weight_format(Weights weights, const Accelerator& device) {
  const DType others = compute_dtype(device);
  switch (weights) {
    case Weights::kFp16:
      return {.matrices = MatrixFormat::kBF16, .others = others};
    case Weights::kFp8:
      return {.matrices = MatrixFormat::kF8E4M3, .others = others};
    case Weights::kInt8:
      return {.matrices = MatrixFormat::kI8, .has_wide_head = true, .others = others};
    case Weights::kInt4:
      return {.matrices = MatrixFormat::kI4Group, .has_wide_head = true, .others = others};
  }
  return {};
}

double peak_flop_per_s(const Accelerator& device, Weights weights) {
  const double wide = device.fp16_tflops.value * 1e12;
  if (weights == Weights::kFp8 && device.fp8_tflops) return device.fp8_tflops->value * 1e12;
  if (weights == Weights::kInt8 && device.int8_tops) return device.int8_tops->value * 1e12;
  return wide;
}

}  // namespace fathom::plan
