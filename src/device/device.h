// Device, Buffer, Stream: where arrays live and in what order work on them happens.
//
// A step of the model is enqueued on a stream: kernels and copies run in order, the host does
// not wait until synchronize(). On the CPU an operation has run when its call returns, which
// meets the same contract. Nothing here allocates after start but allocate() itself.
//
// A device that records steps (Device::records_steps) runs a step whose shape comes again from a
// recording, which costs the host one call instead of one for each kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "tensor/dtype.h"

namespace fathom::device {

enum class DeviceKind { kCpu, kCuda };

class Device;

// Which side's memory it is: the device's own, or the host's, from where the device copies
// without a detour (page-locked, for a GPU). On the CPU both are the same.
enum class Place { kDevice, kHost };

// Owned memory, aligned to 64 bytes or better.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Device* owner, Place place, void* data, std::size_t size_bytes)
      : owner_(owner), place_(place), data_(data), size_bytes_(size_bytes) {}
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
    std::swap(place_, other.place_);
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
  }

  Device* owner_ = nullptr;
  Place place_ = Place::kDevice;
  void* data_ = nullptr;
  std::size_t size_bytes_ = 0;
};

// An ordered queue of work. One thread at a time.
class Stream {
 public:
  virtual ~Stream() = default;

  virtual Device& device() const = 0;
  // Copies between host memory and this device's memory, in stream order. The host memory must
  // stay as it is until the copy has happened. Only copies of Place::kHost memory overlap with the
  // host's work on every device.
  virtual void copy_to_device(void* device_data, const void* host_data, std::size_t num_bytes) = 0;
  virtual void copy_to_host(void* host_data, const void* device_data, std::size_t num_bytes) = 0;
  // Waits for everything enqueued; the error of whatever failed.
  virtual base::Result<void> synchronize() = 0;
  // A place in the queue: what has been enqueued so far.
  using Mark = std::uint64_t;
  virtual Mark mark() = 0;
  // Waits for what stood before the mark; the error of whatever failed. Only of the last two marks.
  virtual base::Result<void> wait(Mark mark) = 0;

  // Runs `enqueue`, which only enqueues kernels and copies between arrays of the device on this
  // stream. On a device that records steps, a later call with the same key may replay what the
  // first enqueued instead: everything but the contents of device memory must follow from the key.
  // Memory that a recording uses must outlive the stream.
  using RecordingKey = std::uint64_t;
  virtual void run_recorded(RecordingKey key, const std::function<void()>& enqueue) = 0;
};

// In bytes, of the device as a whole.
struct MemoryStatus {
  std::size_t total_bytes = 0;
  std::size_t used_bytes = 0;       // by everyone, as the driver or the kernel says
  std::size_t available_bytes = 0;  // that allocate() could still give; 0 if nobody says
  std::size_t allocated_bytes = 0;  // by this Device, of Place::kDevice
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
  virtual base::Result<Buffer> allocate(std::size_t num_bytes, Place place = Place::kDevice) = 0;
  virtual MemoryStatus memory() const = 0;
  // Whether the decoder can compute in this type there: activations for f32, bf16 and f16, weights
  // and activations for f8_e4m3; as the type of a KV cache, f8_e4m3 and i8.
  virtual bool supports(tensor::DType dtype) const = 0;
  // Whether nothing can run on it any more in this process: an error that sticks, as a GPU has
  // after a faulting kernel.
  virtual bool is_lost() const { return false; }
  // Whether its kernels may read and write any host memory.
  virtual bool reads_host_memory() const = 0;
  // Whether run_recorded() pays: then steps are worth padding to a few sizes.
  virtual bool records_steps() const = 0;
  virtual base::Result<std::unique_ptr<Stream>> create_stream() = 0;

 private:
  friend class Buffer;
  virtual void free(void* data, std::size_t num_bytes, Place place) noexcept = 0;
};

struct DeviceOptions {
  int num_threads = 0;  // CPU: 0 takes one thread for each core this process may use
  std::string isa;      // CPU: "" takes the best; or the name of a CpuIsa, for tests
  // GPU: at most so much of its memory, whoever in this process takes it; 0: all of it.
  std::size_t memory_limit_bytes = 0;
};

// Opens "cpu", "cuda" (the first GPU), "cuda:N", or "auto": the first GPU that this build has code
// for, else the CPU. Names that are no device, and what this machine or build lacks, are errors
// that say which of these it is.
base::Result<std::unique_ptr<Device>> open_device(std::string_view name,
                                                  const DeviceOptions& options = {});

}  // namespace fathom::device
