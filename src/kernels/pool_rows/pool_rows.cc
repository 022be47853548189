// Checks and dispatch; on the CPU strips of columns in parallel, so that each sum stays in order:
// one portable variant, because memory is the limit.
#include "kernels/pool_rows/pool_rows.h"

#include <algorithm>

#include "kernels/cpu_kernels.h"
#include "kernels/cuda_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {

using tensor::DType;

namespace {

constexpr std::int64_t kStripColumns = 512;

template <typename X>
void pool_strip(void* context, std::int64_t strip) {
  const auto& args = *static_cast<const PoolRowsArgs*>(context);
  const std::int64_t hidden = args.x.shape[1];
  const std::int64_t first = strip * kStripColumns;
  const std::int64_t count = std::min(kStripColumns, hidden - first);
  const auto* slots = args.slots.as<std::int32_t>();
  for (std::int64_t row = 0; row < args.x.shape[0]; ++row) {
    if (slots[row] < 0 || slots[row] >= args.y.shape[0]) continue;
    const X* x = args.x.as<X>() + row * hidden + first;
    float* y = args.y.as<float>() + slots[row] * hidden + first;
    for (std::int64_t i = 0; i < count; ++i) y[i] += tensor::to_float(x[i]);
  }
}

}  // namespace

void pool_rows(const PoolRowsArgs& args, device::Stream& stream) {
  const std::int64_t hidden = args.x.shape[1];
  check_shape(args.slots, "pool_rows slots", {args.x.shape[0]});
  check_shape(args.y, "pool_rows y", {args.y.shape[0], hidden});
  if (on_cuda(stream)) {
    return cuda_kernels().pool_rows(
        {.x = args.x.data,
         .slots = args.slots.as<std::int32_t>(),
         .y = args.y.as<float>(),
         .num_rows = args.x.shape[0],
         .num_slots = args.y.shape[0],
         .hidden = hidden,
         .x_type = element_of(args.x, "pool_rows x", {DType::kF32, DType::kBF16, DType::kF16})},
        cuda_queue(stream));
  }
  const Element type = element_of(args.x, "pool_rows x", {DType::kF32, DType::kBF16});
  auto* body = type == Element::kBF16 ? pool_strip<tensor::BFloat16> : pool_strip<float>;
  const ParallelFor threads = parallel_for(stream);
  threads.run(threads.pool, (hidden + kStripColumns - 1) / kStripColumns, body,
              const_cast<PoolRowsArgs*>(&args));
}

void clear_pools(const ClearPoolsArgs& args, device::Stream& stream) {
  if (!on_cuda(stream)) return clear_pools_reference(args);
  cuda_kernels().clear_pools({.slots = args.slots.as<std::int32_t>(),
                              .y = args.y.as<float>(),
                              .count = args.slots.shape[0],
                              .num_slots = args.y.shape[0],
                              .hidden = args.y.shape[1]},
                             cuda_queue(stream));
}

}  // namespace fathom::kernels
