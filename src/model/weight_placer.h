// WeightPlacer: what happens to a checkpoint's tensors on their way to the kernels.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "device/device.h"
#include "kernels/linear/linear.h"
#include "model/weights.h"

namespace fathom::model {

// A tensor of the checkpoint, found, of the right shape, not yet checked to be finite.
struct NamedTensor {
  std::string name;
  tensor::View view;
};

// Rows of a matrix that stands for several of the checkpoint's, and their bias.
struct MatrixPart {
  NamedTensor weight;
  NamedTensor bias;  // an empty view: none
};

class WeightPlacer {
 public:
  virtual ~WeightPlacer() = default;
  virtual base::Result<tensor::View> vector(const NamedTensor& source) = 0;
  // [rows, columns], read by gathers.
  virtual base::Result<tensor::View> table(const NamedTensor& source) = 0;
  virtual base::Result<kernels::LinearWeight> matrix(std::span<const MatrixPart> parts) = 0;
  // Waits until all is in place; the memory that holds it.
  virtual base::Result<std::vector<device::Buffer>> finish() = 0;
};

// Leaves tensors in the map where it can.
std::unique_ptr<WeightPlacer> make_mapped_placer(device::Device& device,
                                                 const WeightOptions& options);
// Packs them into one allocation of `total_bytes`, what measure_packed_bytes() has counted.
base::Result<std::unique_ptr<WeightPlacer>> make_packed_placer(device::Device& device,
                                                               const WeightOptions& options,
                                                               std::size_t total_bytes);
// A placer that only counts: its finish() is never called, and `total_bytes` grows.
std::unique_ptr<WeightPlacer> make_measuring_placer(const WeightOptions& options,
                                                    std::size_t& total_bytes);

}  // namespace fathom::model
