// Memory from mmap, and the probe of the instruction set.
#include "device/cpu_device.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/cgroup.h"

namespace fathom::device {
namespace {

constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

class CpuStream final : public Stream {
 public:
  explicit CpuStream(CpuDevice& device) : device_(device) {}

  Device& device() const override { return device_; }
  void copy_to_device(void* device_data, const void* host_data, std::size_t num_bytes) override {
    if (num_bytes > 0) std::memcpy(device_data, host_data, num_bytes);
  }
  void copy_to_host(void* host_data, const void* device_data, std::size_t num_bytes) override {
    if (num_bytes > 0) std::memcpy(host_data, device_data, num_bytes);
  }
  base::Result<void> synchronize() override { return {}; }
  Mark mark() override { return 0; }
  base::Result<void> wait(Mark) override { return {}; }
  void run_recorded(RecordingKey, const std::function<void()>& enqueue) override { enqueue(); }

 private:
  CpuDevice& device_;
};

// A line of /proc/meminfo in bytes; 0 if the kernel does not say.
std::size_t memory_line_bytes(std::string_view key) {
  return static_cast<std::size_t>(
      base::SystemFiles("/").kibibytes_after("/proc/meminfo", key).value_or(0));
}

// What is left under the control group's limit; nothing: no limit.
std::optional<std::size_t> cgroup_available_bytes() {
  const base::CgroupMemory group = base::cgroup_memory(base::SystemFiles("/"));
  const std::int64_t limit = group.limit_bytes.value_or(base::kUnlimited);
  if (limit == base::kUnlimited || !group.used_bytes) return std::nullopt;
  const std::int64_t held = *group.used_bytes - group.inactive_file_bytes.value_or(0);
  return static_cast<std::size_t>(std::max<std::int64_t>(limit - held, 1));
}

// What can still be taken without swapping, in this control group; 0 if nobody says.
std::size_t available_bytes() {
  const std::size_t available = memory_line_bytes("MemAvailable:");
  const std::optional<std::size_t> limited = cgroup_available_bytes();
  if (!limited) return available;
  return available == 0 ? *limited : std::min(available, *limited);
}

// Makes the kernel back every page now. Kernels before 5.14 cannot be asked: there each is touched.
bool populate(void* data, std::size_t num_bytes) {
#ifdef MADV_POPULATE_WRITE
  if (::madvise(data, num_bytes, MADV_POPULATE_WRITE) == 0) return true;
  if (errno != EINVAL) return false;
#endif
  constexpr std::size_t kPageBytes = 4096;
  auto* const bytes = static_cast<volatile std::byte*>(data);
  for (std::size_t i = 0; i < num_bytes; i += kPageBytes) bytes[i] = std::byte{0};
  return true;
}

}  // namespace

std::string_view name(CpuIsa isa) {
  switch (isa) {
    case CpuIsa::kPortable:
      return "portable";
    case CpuIsa::kAvx2:
      return "avx2";
    case CpuIsa::kAvx512:
      return "avx512";
    case CpuIsa::kAvx512Bf16:
      return "avx512_bf16";
    case CpuIsa::kNeon:
      return "neon";
  }
  return "unknown";
}

std::vector<CpuIsa> usable_isas() {
  std::vector<CpuIsa> isas{CpuIsa::kPortable};
#if defined(__x86_64__)
  // __builtin_cpu_supports also asks whether the operating system saves the registers.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("f16c")) {
    isas.push_back(CpuIsa::kAvx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
      isas.push_back(CpuIsa::kAvx512);
      if (__builtin_cpu_supports("avx512bf16")) isas.push_back(CpuIsa::kAvx512Bf16);
    }
  }
#elif defined(__aarch64__)
  isas.push_back(CpuIsa::kNeon);
#endif
  return isas;
}

std::string CpuDevice::name() const {
  const int threads = pool_.num_threads();
  return fmt::format("cpu, {}, {} {}", device::name(isa_), threads,
                     threads == 1 ? "thread" : "threads");
}

bool CpuDevice::supports(tensor::DType dtype) const {
  return dtype == tensor::DType::kF32 || dtype == tensor::DType::kBF16 ||
         dtype == tensor::DType::kI8;
}

MemoryStatus CpuDevice::memory() const {
  const std::size_t total = memory_line_bytes("MemTotal:");
  return {.total_bytes = total,
          .used_bytes = total - std::min(total, memory_line_bytes("MemAvailable:")),
          .available_bytes = available_bytes(),
          .allocated_bytes = allocated_bytes_};
}

base::Result<Buffer> CpuDevice::allocate(std::size_t num_bytes, Place place) {
  if (num_bytes == 0) return Buffer{};
  // Linux would grant the address range and kill the process when it is touched: ask first.
  const std::size_t available = available_bytes();
  if (available > 0 && num_bytes > available) {
    return base::fail(base::ErrorCode::kResourceExhausted, "host memory",
                      "{} MiB are needed, but only {} MiB are available", num_bytes >> 20,
                      available >> 20);
  }
  void* data =
      ::mmap(nullptr, num_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return base::fail(base::ErrorCode::kResourceExhausted, "host memory",
                      "cannot allocate {} MiB: {}", num_bytes >> 20, base::errno_text(errno));
  }
  // Fewer TLB misses when weights and cache stream by; a refusal costs speed only.
  if (num_bytes >= kHugePageBytes) ::madvise(data, num_bytes, MADV_HUGEPAGE);
  if (!populate(data, num_bytes)) {
    const std::string reason = base::errno_text(errno);
    ::munmap(data, num_bytes);
    return base::fail(base::ErrorCode::kResourceExhausted, "host memory",
                      "cannot get {} MiB from the system: {}", num_bytes >> 20, reason);
  }
  if (place == Place::kDevice) allocated_bytes_ += num_bytes;
  return Buffer(this, place, data, num_bytes);
}

void CpuDevice::free(void* data, std::size_t num_bytes, Place place) noexcept {
  ::munmap(data, num_bytes);
  if (place == Place::kDevice) allocated_bytes_ -= num_bytes;
}

base::Result<std::unique_ptr<Stream>> CpuDevice::create_stream() {
  return std::make_unique<CpuStream>(*this);
}

}  // namespace fathom::device
