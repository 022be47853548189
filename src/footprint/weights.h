// Bytes of a model's weights in each format, as they are packed into a device's memory.
#pragma once

#include <cstdint>

#include "spec/model_spec.h"
#include "tensor/dtype.h"

namespace fathom::footprint {

// Where packed arrays start: kernels read 16 bytes at a time, and bulk copies want 128.
inline constexpr std::int64_t kWeightAlignmentBytes = 256;

enum class MatrixFormat {
  kF32,
  kBF16,     // and f16: two bytes
  kF8E4M3,   // with an f32 scale for each output
  kI8,       // the same
  kI4Group,  // with an f16 scale and a 4-bit zero for each group of inputs of an output
};

// Inputs that share a scale in kI4Group.
inline constexpr std::int64_t kGroupInputs = 128;

struct WeightFormat {
  MatrixFormat matrices = MatrixFormat::kBF16;
  bool has_wide_head = false;                   // the head stays at two bytes
  tensor::DType others = tensor::DType::kBF16;  // embedding, norms, biases
};

// Of values and scales, without the alignment of what follows.
std::int64_t matrix_bytes(MatrixFormat format, std::int64_t out_features, std::int64_t in_features);

// What one token's step reads of the weights, and all of them; without and with alignment.
std::int64_t read_weight_bytes(const spec::ModelSpec& spec, const WeightFormat& format);
std::int64_t packed_weight_bytes(const spec::ModelSpec& spec, const WeightFormat& format);

// Of a checkpoint that stores everything in this type; what stays mapped on the CPU.
std::int64_t stored_weight_bytes(const spec::ModelSpec& spec, tensor::DType dtype);

}  // namespace fathom::footprint
