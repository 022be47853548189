// CpuDevice: host memory, and streams whose operations run at once on a pool of pinned threads.
#pragma once

#include <atomic>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "device/device.h"

namespace fathom::device {

// Instruction sets that kernels are built for.
enum class CpuIsa { kPortable, kAvx2, kAvx512, kAvx512Bf16, kNeon };

// "portable", "avx2", "avx512", "avx512_bf16", "neon".
std::string_view name(CpuIsa isa);

// What this processor and its operating system can run, best last.
std::vector<CpuIsa> usable_isas();

class CpuDevice : public Device {
 public:
  CpuDevice(CpuIsa isa, int num_threads) : isa_(isa), pool_(num_threads) {}

  DeviceKind kind() const override { return DeviceKind::kCpu; }
  std::string name() const override;
  base::Result<Buffer> allocate(std::size_t num_bytes, Place place) override;
  MemoryStatus memory() const override;
  bool supports(tensor::DType dtype) const override;
  bool reads_host_memory() const override { return true; }
  bool records_steps() const override { return false; }
  base::Result<std::unique_ptr<Stream>> create_stream() override;

  CpuIsa isa() const { return isa_; }
  base::ThreadPool& pool() { return pool_; }

 private:
  void free(void* data, std::size_t num_bytes, Place place) noexcept override;

  std::atomic<std::size_t> allocated_bytes_ = 0;
  CpuIsa isa_;
  base::ThreadPool pool_;
};

}  // namespace fathom::device
