// Random arrays of a model's shapes, made in device memory: for benchmarks of shapes, which need no
// checkpoint. Normal numbers of mean 0 and standard deviation 0.02, as models are initialized with,
// and ones for norms: as hard to multiply as trained weights, and finite through any depth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "base/result.h"
#include "device/device.h"
#include "kernels/linear/linear.h"
#include "model/weights.h"
#include "tensor/tensor.h"

namespace fathom::model {

// Hands out consecutive arrays of one allocation. Values are drawn once, into a block of host
// memory, and copied from random places of it: 7 billion of them cost little more than the copies.
class RandomArrays {
 public:
  // Takes the arrays that it wants; called twice, first to measure, when they have no address.
  using Build = std::function<void(RandomArrays&)>;
  // Returns the arrays' memory, filled.
  static base::Result<device::Buffer> make(device::Device& device, const WeightOptions& options,
                                           std::uint64_t seed, const Build& build);
  static std::size_t measure_bytes(const WeightOptions& options, const Build& build);

  // In the types that Weights::load() gives to a bf16 checkpoint: f32 compute widens bf16.
  tensor::View table(std::int64_t rows, std::int64_t columns);
  tensor::View vector(std::int64_t size);
  tensor::View ones(std::int64_t size);  // a norm's weight
  kernels::LinearWeight matrix(std::int64_t out_features, std::int64_t in_features, bool has_bias);
  // [rows, columns] in the compute type, as products give it.
  tensor::MutableView activations(std::int64_t rows, std::int64_t columns);
  // The same as products with such matrices take it fastest: with fp8 matrices in fp8, and scales.
  struct Inputs {
    tensor::View values;
    tensor::View scales;  // f32 [rows], or empty
  };
  Inputs inputs(std::int64_t rows, std::int64_t columns);

 private:
  // A block of host memory that arrays are copied from.
  struct Pattern {
    tensor::DType dtype{};
    float constant = 0;  // 0: random numbers
    device::Buffer values;
  };

  explicit RandomArrays(const WeightOptions& options)
      : compute_dtype_(options.compute_dtype), matrices_in_fp8_(options.matrices_in_fp8) {}
  tensor::MutableView place(tensor::DType dtype, const tensor::Shape& shape, float constant = 0);
  void copy(const Pattern& pattern, const tensor::MutableView& target);
  base::Result<void> draw(Pattern& pattern, device::Device& device);
  tensor::DType stored_dtype() const;

  tensor::DType compute_dtype_;
  bool matrices_in_fp8_;
  std::vector<Pattern> patterns_;  // those in use: found while measuring, then drawn
  std::byte* memory_ = nullptr;    // null: only measures
  std::size_t used_bytes_ = 0;
  std::mt19937_64 random_;
  std::unique_ptr<device::Stream> stream_;
};

// Weights of the shape. kResourceExhausted says how much memory there is.
base::Result<Weights> random_weights(const spec::ModelSpec& spec, device::Device& device,
                                     const WeightOptions& options, std::uint64_t seed);
// The memory that they take.
std::size_t random_weights_bytes(const spec::ModelSpec& spec, const WeightOptions& options);

}  // namespace fathom::model
