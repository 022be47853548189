// A copy of rows; memcpy needs no variants.
#include "kernels/gather_rows/gather_rows.h"

#include <cstring>

#include "kernels/element.h"

namespace fathom::kernels {

void gather_rows(const GatherRowsArgs& args, device::Stream& stream) {
  CHECK(stream.device().kind() == device::DeviceKind::kCpu, "gather_rows on {}",
        stream.device().name());
  gather_rows_reference(args);
}

}  // namespace fathom::kernels
