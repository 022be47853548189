// Reads blocks with O_DIRECT.
#include "diagnose/measure/disk_rate.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace fathom::diagnose {

using base::Error;
using base::ErrorCode;
using base::fail;
using base::Result;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBlockBytes = std::size_t{8} << 20;
constexpr std::size_t kAlignment = 4096;
constexpr int kThreads = 4;
constexpr std::int64_t kLeastBytes = std::int64_t{4} << 20;

struct FreeMemory {
  void operator()(void* memory) const { std::free(memory); }
};

struct Block {
  const std::filesystem::path* file;
  std::int64_t offset;
};

// All blocks of all files, up to the limit.
std::vector<Block> blocks_of(const DiskQuestion& question) {
  std::vector<Block> blocks;
  std::int64_t total = 0;
  for (const std::filesystem::path& file : question.files) {
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    if (error) continue;
    for (std::int64_t offset = 0; offset < static_cast<std::int64_t>(size);
         offset += static_cast<std::int64_t>(kBlockBytes)) {
      if (total >= question.max_bytes) return blocks;
      blocks.push_back({&file, offset});
      total += static_cast<std::int64_t>(kBlockBytes);
    }
  }
  return blocks;
}

// What the reading threads share.
struct Reading {
  std::vector<Block> blocks;
  Clock::time_point deadline;
  std::atomic<std::size_t> next{0};
  std::atomic<std::int64_t> read_bytes{0};
  std::mutex mutex;
  std::optional<Error> error;

  void note(Error noted) {
    const std::lock_guard lock(mutex);
    if (!error) error = std::move(noted);
  }
};

Result<std::int64_t> read_block(const Block& block, void* memory) {
  const int descriptor = ::open(block.file->c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (descriptor < 0) {
    const int number = errno;
    return fail(number == EINVAL ? ErrorCode::kUnimplemented : base::errno_code(number),
                block.file->native(), "cannot be read past the page cache: {}",
                base::errno_text(number));
  }
  const ssize_t size = ::pread(descriptor, memory, kBlockBytes, block.offset);
  const int number = errno;
  ::close(descriptor);
  if (size < 0) {
    return fail(number == EINVAL ? ErrorCode::kUnimplemented : base::errno_code(number),
                block.file->native(), "cannot be read past the page cache: {}",
                base::errno_text(number));
  }
  return std::int64_t{size};
}

void read_blocks(Reading& reading) {
  const std::unique_ptr<void, FreeMemory> memory(std::aligned_alloc(kAlignment, kBlockBytes));
  if (memory == nullptr) {
    return reading.note(fail(ErrorCode::kResourceExhausted, "disk test", "no memory for a block"));
  }
  while (Clock::now() < reading.deadline) {
    const std::size_t index = reading.next++;
    if (index >= reading.blocks.size()) return;
    const auto size = read_block(reading.blocks[index], memory.get());
    if (!size) return reading.note(size.error());
    reading.read_bytes += *size;
  }
}

}  // namespace

Result<double> disk_bytes_per_s(const DiskQuestion& question) {
  Reading reading;
  reading.blocks = blocks_of(question);
  const auto start = Clock::now();
  reading.deadline =
      start + std::chrono::milliseconds(static_cast<std::int64_t>(question.max_seconds * 1e3));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([&reading] { read_blocks(reading); });
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> seconds = Clock::now() - start;
  if (reading.error) return *reading.error;
  if (reading.read_bytes < kLeastBytes) {
    return fail(ErrorCode::kInvalidArgument, "disk test",
                "only {} bytes could be read, too few to time", reading.read_bytes.load());
  }
  return static_cast<double>(reading.read_bytes) / seconds.count();
}

}  // namespace fathom::diagnose
