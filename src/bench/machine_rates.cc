// Times each alone.
#include "bench/machine_rates.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "kernels/rms_norm/rms_norm.h"

namespace fathom::bench {

using base::fail;
using base::Result;
using tensor::DType;

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kOperations = 256;
constexpr int kRuns = 7;
constexpr std::int64_t kCopyBytes = std::int64_t{256} << 20;
constexpr std::size_t kReadBytes = std::size_t{8} << 20;
constexpr std::size_t kMaxReadBytes = std::size_t{1} << 30;
constexpr std::size_t kOwnFileBytes = std::size_t{512} << 20;
constexpr std::size_t kPageBytes = 4096;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The fastest of several.
template <typename F>
Result<double> best_seconds(F&& run) {
  double best = 1e9;
  for (int i = 0; i < kRuns; ++i) {
    const auto start = Clock::now();
    TRY(run());
    best = std::min(best, seconds_since(start));
  }
  return best;
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

struct Freed {
  void operator()(void* data) const { std::free(data); }
};
using PageBuffer = std::unique_ptr<void, Freed>;

PageBuffer pages(std::size_t num_bytes) {
  return PageBuffer(std::aligned_alloc(kPageBytes, num_bytes));
}

base::Error system_error(const std::filesystem::path& file, std::string_view what) {
  return fail(base::errno_code(errno), file.native(), "cannot {}: {}", what,
              base::errno_text(errno));
}

// Not every file system reads past the cache: there the file is dropped from it first.
int open_uncached(const std::filesystem::path& file) {
  const int direct = ::open(file.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  if (direct >= 0) return direct;
  const int cached = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (cached >= 0) ::posix_fadvise(cached, 0, 0, POSIX_FADV_DONTNEED);
  return cached;
}

Result<void> write_own_file(const std::filesystem::path& file) {
  const Descriptor out(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (out.number() < 0) return system_error(file, "write");
  // No two blocks alike: a disk that compresses or finds copies must not look fast.
  std::vector<std::uint64_t> block(kReadBytes / sizeof(std::uint64_t));
  std::uint64_t state = 1;
  for (std::size_t written = 0; written < kOwnFileBytes; written += kReadBytes) {
    for (std::uint64_t& word : block)
      word = state = state * 6364136223846793005U + 1442695040888963407U;
    if (::write(out.number(), block.data(), kReadBytes) != static_cast<ssize_t>(kReadBytes)) {
      return system_error(file, "write 512 MiB");
    }
  }
  if (::fsync(out.number()) != 0) return system_error(file, "sync");
  return {};
}

}  // namespace

Result<double> launch_seconds(device::Device& device) {
  constexpr std::int64_t kColumns = 1024;
  const auto memory = TRY(device.allocate(3 * kColumns * sizeof(float)));
  auto* const data = static_cast<float*>(memory.data());
  const kernels::RmsNormArgs args{.x = {data, DType::kF32, {1, kColumns}},
                                  .weight = {data + kColumns, DType::kF32, {kColumns}},
                                  .y = {data + 2 * kColumns, DType::kF32, {1, kColumns}},
                                  .epsilon = 1e-6F};
  const auto stream = TRY(device.create_stream());
  const double seconds = TRY(best_seconds([&]() -> Result<void> {
    stream->run_recorded(1, [&] {
      for (int i = 0; i < kOperations; ++i) kernels::rms_norm(args, *stream);
    });
    return stream->synchronize();
  }));
  return seconds / kOperations;
}

Result<double> host_to_device_bytes_per_s(device::Device& device) {
  const auto bytes = static_cast<std::size_t>(kCopyBytes);
  const auto host = TRY(device.allocate(bytes, device::Place::kHost));
  const auto target = TRY(device.allocate(bytes));
  const auto stream = TRY(device.create_stream());
  const double seconds = TRY(best_seconds([&]() -> Result<void> {
    stream->copy_to_device(target.data(), host.data(), bytes);
    return stream->synchronize();
  }));
  return static_cast<double>(bytes) / seconds;
}

Result<double> disk_read_bytes_per_s(const std::filesystem::path& file) {
  const Descriptor in(open_uncached(file));
  if (in.number() < 0) return system_error(file, "read");
  const PageBuffer buffer = pages(kReadBytes);
  std::size_t total = 0;
  const auto start = Clock::now();
  while (total < kMaxReadBytes) {
    const ssize_t got = ::read(in.number(), buffer.get(), kReadBytes);
    if (got < 0) return system_error(file, "read");
    total += static_cast<std::size_t>(got);
    // The last piece, or what does not end at a block.
    if (static_cast<std::size_t>(got) < kReadBytes) break;
  }
  const double seconds = seconds_since(start);
  if (total < kReadBytes) {
    return fail(base::ErrorCode::kInvalidArgument, file.native(),
                "{} bytes are too few to time a disk by", total);
  }
  return static_cast<double>(total) / seconds;
}

Result<double> folder_read_bytes_per_s(const std::filesystem::path& folder) {
  const std::filesystem::path file =
      folder / (".fathom-disk-" + std::to_string(::getpid()) + ".tmp");
  const auto written = write_own_file(file);
  auto rate = written ? disk_read_bytes_per_s(file) : Result<double>(written.error());
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  return rate;
}

}  // namespace fathom::bench
