// One memcpy a row.
#include <cstring>

#include "kernels/gather_rows/gather_rows.h"

namespace fathom::kernels {

void gather_rows_reference(const GatherRowsArgs& args) {
  const std::int64_t num_rows = args.rows.shape[0];
  const std::size_t row_bytes =
      static_cast<std::size_t>(args.x.shape[1]) * tensor::size_bytes(args.x.dtype);
  const auto* rows = args.rows.as<std::int32_t>();
  const auto* x = static_cast<const std::byte*>(args.x.data);
  auto* y = static_cast<std::byte*>(args.y.data);
  for (std::int64_t i = 0; i < num_rows; ++i) {
    std::byte* to = y + static_cast<std::size_t>(i) * row_bytes;
    if (rows[i] >= 0 && rows[i] < args.x.shape[0]) {
      std::memcpy(to, x + static_cast<std::size_t>(rows[i]) * row_bytes, row_bytes);
    } else {
      std::memset(to, 0, row_bytes);
    }
  }
}

}  // namespace fathom::kernels
