// Weights that stay in the checkpoint's memory map.
#include <cstdint>
#include <utility>

#include "checkpoint/finite.h"
#include "model/weight_placer.h"
#include "tensor/convert.h"

namespace fathom::model {
namespace {

using base::Result;
using tensor::DType;
using tensor::View;

bool is_aligned(const View& view) {
  return reinterpret_cast<std::uintptr_t>(view.data) % tensor::size_bytes(view.dtype) == 0;
}

class MappedPlacer final : public WeightPlacer {
 public:
  MappedPlacer(device::Device& device, const WeightOptions& options)
      : device_(device), options_(options) {}

  Result<View> vector(const NamedTensor& source) override {
    TRY(check(source));
    return is_aligned(source.view) ? source.view : copy(source.view, source.view.dtype);
  }

  Result<View> table(const NamedTensor& source) override {
    TRY(check(source));
    // f32 compute widens any type on the fly; bf16 compute multiplies bf16 by bf16.
    const DType dtype = source.view.dtype;
    const bool readable = options_.compute_dtype == DType::kF32 || dtype == DType::kBF16;
    return readable && is_aligned(source.view) ? source.view
                                               : copy(source.view, readable ? dtype : DType::kBF16);
  }

  Result<kernels::LinearWeight> matrix(std::span<const MatrixPart> parts) override {
    kernels::LinearWeight weight;
    for (const MatrixPart& part : parts) {
      kernels::LinearBlock& block = weight.blocks[static_cast<std::size_t>(weight.num_blocks++)];
      block.weight = TRY(table(part.weight));
      if (!part.bias.view.empty()) block.bias = TRY(vector(part.bias));
    }
    return weight;
  }

  Result<std::vector<device::Buffer>> finish() override { return std::move(copies_); }

 private:
  Result<void> check(const NamedTensor& source) const {
    if (!options_.check_finite) return {};
    return checkpoint::check_finite(source.view, source.name);
  }

  Result<View> copy(const View& source, DType dtype) {
    const std::size_t num_bytes =
        static_cast<std::size_t>(source.shape.num_elements()) * tensor::size_bytes(dtype);
    device::Buffer buffer = TRY(device_.allocate(num_bytes));
    const tensor::MutableView target{buffer.data(), dtype, source.shape};
    tensor::convert(source, target);
    copies_.push_back(std::move(buffer));
    return target;
  }

  device::Device& device_;
  const WeightOptions& options_;
  std::vector<device::Buffer> copies_;
};

}  // namespace

std::unique_ptr<WeightPlacer> make_mapped_placer(device::Device& device,
                                                 const WeightOptions& options) {
  return std::make_unique<MappedPlacer>(device, options);
}

}  // namespace fathom::model
