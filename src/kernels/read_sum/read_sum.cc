// Checks and dispatch.
#include "kernels/read_sum/read_sum.h"

#include <cstdint>

#include "kernels/cpu_kernels.h"
#include "kernels/cuda_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {

void read_sum(const ReadSumArgs& args, device::Stream& stream) {
  check_shape(args.x, "read_sum x", {args.x.shape[0]});
  check_shape(args.y, "read_sum y", {1});
  CHECK(args.x.empty() || reinterpret_cast<std::uintptr_t>(args.x.data) % 16 == 0,
        "read_sum of an array that is not aligned to 16 bytes");
  const ReadSumTask task{
      .x = args.x.as<std::int64_t>(), .y = args.y.as<std::int64_t>(), .count = args.x.shape[0]};
  if (on_cuda(stream)) return cuda_kernels().read_sum(task, cuda_queue(stream));
  cpu_kernels(stream).read_sum(task, parallel_for(stream));
}

}  // namespace fathom::kernels
