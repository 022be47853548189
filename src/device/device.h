// Device, Buffer, Stream: where arrays live and in what order work on them happens.
//
// A step of the model is enqueued on a stream: kernels and copies run in order, the host does
// not wait until synchronize(). On the CPU an operation has run when its call returns, which
// meets the same contract. Nothing here allocates after start but allocate() itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace fathom::device {

enum class DeviceKind { kCpu, kCuda };

class Device;

// Owned memory of a device, aligned to 64 bytes or better.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Device* owner, void* data, std::size_t size_bytes)
      : owner_(owner), data_(data), size_bytes_(size_bytes) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  void* data() const { return data_; }
  std::size_t size_bytes() const { return size_bytes_; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
  }

  Device* owner_ = nullptr;
  void* data_ = nullptr;
  std::size_t size_bytes_ = 0;
};

// An ordered queue of work. One thread at a time.
class Stream {
 public:
  virtual ~Stream() = default;

  virtual Device& device() const = 0;
  // Copies between host memory and this device's memory, in stream order. The host memory must
  // stay as it is until the copy has happened.
  virtual void copy_to_device(void* device_data, const void* host_data, std::size_t num_bytes) = 0;
  virtual void copy_to_host(void* host_data, const void* device_data, std::size_t num_bytes) = 0;
  // Waits for everything enqueued; the error of whatever failed.
  virtual base::Result<void> synchronize() = 0;
  // A place in the queue: what has been enqueued so far.
  using Mark = std::uint64_t;
  virtual Mark mark() = 0;
  // Waits for what stood before the mark; the error of whatever failed. Only of the last two marks.
  virtual base::Result<void> wait(Mark mark) = 0;
};

// Thread-safe. Must outlive its buffers and streams.
class Device {
 public:
  virtual ~Device() = default;

  virtual DeviceKind kind() const = 0;
  // For people: "cpu, avx512_bf16, 2 threads".
  virtual std::string name() const = 0;
  // Zero-filled memory that is there, not only promised: touching it later cannot fail.
  // kResourceExhausted says how much was asked for and how much there is.
  virtual base::Result<Buffer> allocate(std::size_t num_bytes) = 0;
  virtual base::Result<std::unique_ptr<Stream>> create_stream() = 0;
  // What is allocated now of this process's own memory; 0 where a device has its own.
  virtual std::size_t host_bytes() const { return 0; }

 private:
  friend class Buffer;
  virtual void free(void* data, std::size_t num_bytes) noexcept = 0;
};

struct DeviceOptions {
  int num_threads = 0;  // CPU: 0 takes one thread for each core this process may use
  std::string isa;      // CPU: "" takes the best; or the name of a CpuIsa, for tests
};

// Opens "cpu". Unknown names and instruction sets this machine lacks are errors.
base::Result<std::unique_ptr<Device>> open_device(std::string_view name,
                                                  const DeviceOptions& options = {});

}  // namespace fathom::device
