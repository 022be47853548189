// Finds the kernels of a CPU device's instruction set.
#include "kernels/cpu_kernels.h"

#include "base/check.h"
#include "device/cpu_device.h"

namespace fathom::kernels {

namespace portable {
extern const CpuKernels kKernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const CpuKernels kKernels;
}
namespace avx512 {
extern const CpuKernels kKernels;
}
namespace avx512_bf16 {
extern const CpuKernels kKernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const CpuKernels kKernels;
}
#endif

namespace {

device::CpuDevice& cpu(device::Stream& stream) {
  CHECK(stream.device().kind() == device::DeviceKind::kCpu, "a CPU kernel on {}",
        stream.device().name());
  return static_cast<device::CpuDevice&>(stream.device());
}

}  // namespace

const CpuKernels& cpu_kernels(device::Stream& stream) {
  switch (cpu(stream).isa()) {
#if defined(__x86_64__)
    case device::CpuIsa::kAvx2:
      return avx2::kKernels;
    case device::CpuIsa::kAvx512:
      return avx512::kKernels;
    case device::CpuIsa::kAvx512Bf16:
      return avx512_bf16::kKernels;
#elif defined(__aarch64__)
    case device::CpuIsa::kNeon:
      return neon::kKernels;
#endif
    default:
      return portable::kKernels;
  }
}

ParallelFor parallel_for(device::Stream& stream) {
  base::ThreadPool& pool = cpu(stream).pool();
  return {.pool = &pool,
          .run =
              [](void* threads, int64_t count, void (*body)(void*, int64_t), void* context) {
                static_cast<base::ThreadPool*>(threads)->run(count, body, context);
              },
          .num_threads = pool.num_threads()};
}

}  // namespace fathom::kernels
