// Weights: a checkpoint's tensors, in the places where the decoder's kernels read them.
//
// On a device that reads host memory they stay in the checkpoint's memory map whenever the kernels
// can read their type; a tensor is copied only to convert it (bf16 compute from an f16 or f32
// checkpoint) or to align it to its element size. On a GPU they are packed into one allocation:
// the matrices that a layer multiplies together (query, key and value; gate and up) are stacked
// into one, and everything streams there through page-locked buffers.
// Every value is checked to be finite.
#pragma once

#include <cstddef>
#include <functional>
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

// Every array of a model.
struct WeightViews {
  tensor::View embedding;  // [vocab_rows, hidden]
  std::vector<LayerWeights> layers;
  tensor::View final_norm;     // [hidden]
  kernels::LinearWeight head;  // [vocab_rows, hidden]
};

struct WeightOptions {
  tensor::DType compute_dtype = tensor::DType::kBF16;  // kF32 | kBF16; on a GPU also kF16
  // On a GPU that computes in it: matrices become f8_e4m3 with a scale for each output, embedding,
  // norms and biases stay.
  bool matrices_in_fp8 = false;
  bool check_finite = true;
  // Called now and then with the bytes that are in place and their number.
  std::function<void(std::size_t done_bytes, std::size_t total_bytes)> on_progress;
};

class Weights {
 public:
  // Errors name the file and the tensor: missing, of another shape or type, not finite, or left
  // over; or say how much memory is missing.
  static base::Result<Weights> load(std::shared_ptr<const checkpoint::ModelFolder> folder,
                                    device::Device& device, const WeightOptions& options);

  // From arrays that are in place; `owners` are the buffers that hold them.
  Weights(spec::ModelSpec spec, tensor::DType compute_dtype, WeightViews views,
          std::vector<device::Buffer> owners);

  const spec::ModelSpec& spec() const { return spec_; }
  tensor::DType compute_dtype() const { return compute_dtype_; }
  const tensor::View& embedding() const { return views_.embedding; }
  const std::vector<LayerWeights>& layers() const { return views_.layers; }
  const tensor::View& final_norm() const { return views_.final_norm; }
  const kernels::LinearWeight& head() const { return views_.head; }
  // Bytes of all weights, and of those that are copies in device memory.
  std::size_t total_bytes() const { return total_bytes_; }
  std::size_t copied_bytes() const;

 private:
  spec::ModelSpec spec_;
  tensor::DType compute_dtype_;
  WeightViews views_;
  std::vector<device::Buffer> owners_;
  std::shared_ptr<const checkpoint::ModelFolder> mapped_;  // what is used where it is mapped
  std::size_t total_bytes_ = 0;
};

}  // namespace fathom::model
