// The weights and caches that can be planned, and which device computes in which.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "footprint/weights.h"
#include "plan/catalogue.h"
#include "tensor/dtype.h"

namespace fathom::plan {

enum class Weights { kFp16, kFp8, kInt8, kInt4 };  // kFp16: any two-byte type
enum class KvType { kFp16, kFp8, kInt8 };

inline constexpr Weights kAllWeights[] = {Weights::kFp16, Weights::kFp8, Weights::kInt8,
                                          Weights::kInt4};
inline constexpr KvType kAllKvTypes[] = {KvType::kFp16, KvType::kFp8, KvType::kInt8};

// "fp16", "fp8", "int8", "int4".
std::string_view name(Weights weights);
std::string_view name(KvType type);
std::optional<Weights> weights_named(std::string_view name);
std::optional<KvType> kv_type_named(std::string_view name);

// Whether the device computes in it.
bool supports(const Accelerator& device, Weights weights);
bool supports(const Accelerator& device, KvType type);
// Whether `fathom serve` of this build loads such weights.
bool is_served(Weights weights);

// Two-byte activations: bf16 where there is it.
tensor::DType compute_dtype(const Accelerator& device);
tensor::DType dtype_of(KvType type, const Accelerator& device);
footprint::WeightFormat weight_format(Weights weights, const Accelerator& device);

// Peak rate of products of many tokens, in FLOP/s: fp8 and int8 multiply in 8 bits, int4 weights
// become two-byte numbers first.
double peak_flop_per_s(const Accelerator& device, Weights weights);

}  // namespace fathom::plan
