// Strips of columns in parallel, so that each sum stays in order; one portable variant, because
// memory is the limit.
#include "kernels/pool_rows/pool_rows.h"

#include <algorithm>

#include "kernels/cpu_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {
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
  const Element type =
      element_of(args.x, "pool_rows x", {tensor::DType::kF32, tensor::DType::kBF16});
  auto* body = type == Element::kBF16 ? pool_strip<tensor::BFloat16> : pool_strip<float>;
  const ParallelFor threads = parallel_for(stream);
  threads.run(threads.pool, (hidden + kStripColumns - 1) / kStripColumns, body,
              const_cast<PoolRowsArgs*>(&args));
}

void clear_pools(const ClearPoolsArgs& args, device::Stream& stream) {
  CHECK(stream.device().kind() == device::DeviceKind::kCpu, "clear_pools on {}",
        stream.device().name());
  clear_pools_reference(args);
}

}  // namespace fathom::kernels
