// Plain loops.
#include <algorithm>

#include "kernels/element.h"
#include "kernels/pool_rows/pool_rows.h"

namespace fathom::kernels {

void pool_rows_reference(const PoolRowsArgs& args) {
  const std::int64_t hidden = args.x.shape[1];
  for (std::int64_t row = 0; row < args.x.shape[0]; ++row) {
    const std::int64_t slot = args.slots.as<std::int32_t>()[row];
    if (slot < 0 || slot >= args.y.shape[0]) continue;
    for (std::int64_t i = 0; i < hidden; ++i) {
      args.y.as<float>()[slot * hidden + i] += get(args.x, row * hidden + i);
    }
  }
}

void clear_pools_reference(const ClearPoolsArgs& args) {
  const std::int64_t hidden = args.y.shape[1];
  for (std::int64_t i = 0; i < args.slots.shape[0]; ++i) {
    const std::int64_t slot = args.slots.as<std::int32_t>()[i];
    if (slot < 0 || slot >= args.y.shape[0]) continue;
    std::fill_n(args.y.as<float>() + slot * hidden, hidden, 0.0F);
  }
}

}  // namespace fathom::kernels
