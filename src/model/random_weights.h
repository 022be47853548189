// Random tensors of a model's shapes, made in device memory: for benchmarks of shapes, which need
// no checkpoint. What they hold is as hard to multiply as trained weights, and stays finite through
// any number of layers.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "base/result.h"
#include "device/device.h"
#include "model/weights.h"
#include "spec/model_spec.h"

namespace fathom::model {

// Makes tensors one after another. Values are drawn once, into a block of host memory, and copied
// from random places of it: making 7 billion of them costs little more than copying them.
// The tensors' memory is in take_buffers(). Not thread-safe.
class RandomTensors {
 public:
  // `dtype` is that of all but fp8 matrices: kF32, kBF16 or kF16.
  static base::Result<RandomTensors> create(device::Device& device, tensor::DType dtype,
                                            std::uint64_t seed);

  // Normal numbers of mean 0 and standard deviation 0.02, as models are initialized with.
  base::Result<tensor::View> array(const tensor::Shape& shape);
  // A norm's weight.
  base::Result<tensor::View> ones(std::int64_t size);
  struct LinearOptions {
    bool in_fp8 = false;  // with a scale for each output
    bool has_bias = false;
  };
  base::Result<kernels::LinearWeight> linear(std::int64_t out_features, std::int64_t in_features,
                                             const LinearOptions& options);
  // Waits until everything stands in device memory, and hands over the memory that it stands in.
  base::Result<std::vector<device::Buffer>> take_buffers();

 private:
  RandomTensors() = default;
  base::Result<tensor::MutableView> place(tensor::DType dtype, const tensor::Shape& shape);
  void fill(const tensor::MutableView& view);
  base::Result<void> quantized(std::int64_t rows, std::int64_t columns,
                               kernels::LinearBlock& block);

  device::Device* device_ = nullptr;
  tensor::DType dtype_ = tensor::DType::kBF16;
  std::unique_ptr<device::Stream> stream_;
  device::Buffer pattern_;  // in host memory: values of dtype_
  device::Buffer ones_;     // the same
  device::Buffer wide_;     // what is about to be quantized
  std::mt19937_64 random_;
  std::vector<device::Buffer> buffers_;
};

// Weights as a checkpoint of this shape would give on the device: random, and norms of ones.
base::Result<Weights> random_weights(const spec::ModelSpec& spec, device::Device& device,
                                     const WeightOptions& options, std::uint64_t seed);

}  // namespace fathom::model
