// Weights: a checkpoint's tensors, in the places where the decoder's kernels read them.
//
// On the CPU they stay in the checkpoint's memory map whenever the kernels can read their type;
// a tensor is copied only to convert it (bf16 compute from an f16 or f32 checkpoint) or to align
// it to its element size. Every value is checked to be finite.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "checkpoint/model_folder.h"
#include "device/device.h"
#include "kernels/linear/linear.h"
#include "spec/model_spec.h"
#include "tensor/tensor.h"

namespace fathom::model {

struct LayerWeights {
  tensor::View attention_norm;             // [hidden]
  kernels::LinearWeight qkv;               // [q_size + 2 * kv_size, hidden]
  kernels::LinearWeight attention_output;  // [hidden, q_size]
  tensor::View mlp_norm;                   // [hidden]
  kernels::LinearWeight gate_up;           // [2 * intermediate, hidden]
  kernels::LinearWeight down;              // [hidden, intermediate]
};

struct WeightOptions {
  tensor::DType compute_dtype = tensor::DType::kBF16;  // kF32 | kBF16
  bool check_finite = true;
};

class Weights {
 public:
  // Errors name the file and the tensor: missing, of another shape or type, not finite.
  static base::Result<Weights> load(std::shared_ptr<const checkpoint::ModelFolder> folder,
                                    device::Device& device, const WeightOptions& options);
  // Random weights of a shape (random_weights.h), in device memory only.
  static base::Result<Weights> random(const spec::ModelSpec& spec, device::Device& device,
                                      const WeightOptions& options, std::uint64_t seed);

  const spec::ModelSpec& spec() const { return spec_; }
  tensor::DType compute_dtype() const { return compute_dtype_; }
  const tensor::View& embedding() const { return embedding_; }  // [vocab_rows, hidden]
  const std::vector<LayerWeights>& layers() const { return layers_; }
  const tensor::View& final_norm() const { return final_norm_; }  // [hidden]
  const kernels::LinearWeight& head() const { return head_; }     // [vocab_rows, hidden]
  // Bytes of all weights, and of those that are copies in device memory.
  std::size_t total_bytes() const { return total_bytes_; }
  std::size_t copied_bytes() const { return copied_bytes_; }

 private:
  friend class WeightLoader;
  Weights() = default;

  spec::ModelSpec spec_;
  std::shared_ptr<const checkpoint::ModelFolder> folder_;  // whose map is read; or null
  std::vector<device::Buffer> copies_;
  tensor::DType compute_dtype_ = tensor::DType::kBF16;
  tensor::View embedding_;
  std::vector<LayerWeights> layers_;
  tensor::View final_norm_;
  kernels::LinearWeight head_;
  std::size_t total_bytes_ = 0;
  std::size_t copied_bytes_ = 0;
};

}  // namespace fathom::model
