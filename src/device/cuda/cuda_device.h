// CudaDevice: one NVIDIA GPU, its memory, and streams of it.
//
// The runtime library is linked in and finds the driver when the first GPU is opened, so the
// program also starts where there is none. A CUDA error that sticks (a faulting kernel) fails every
// later call on the device: the process must be restarted to recover, and says so.
#pragma once

#include <array>
#include <atomic>
#include <string>
#include <string_view>
#include <unordered_map>

#include "device/device.h"

namespace fathom::device {

struct CudaProperties {
  int ordinal = 0;
  std::string name;           // "NVIDIA H200"
  int architecture = 0;       // the GPU's: 90 is compute capability 9.0
  int code_architecture = 0;  // of this build's code that runs on it, at most `architecture`
  int num_multiprocessors = 0;
  int max_shared_bytes_per_block = 0;
  int l2_cache_bytes = 0;
  std::size_t memory_bytes = 0;
};

class CudaDevice final : public Device {
 public:
  CudaDevice(CudaProperties properties, std::size_t memory_limit_bytes);

  DeviceKind kind() const override { return DeviceKind::kCuda; }
  std::string name() const override;
  base::Result<Buffer> allocate(std::size_t num_bytes, Place place) override;
  MemoryStatus memory() const override;
  bool supports(tensor::DType dtype) const override;
  bool is_lost() const override { return is_lost_; }
  bool reads_host_memory() const override { return false; }
  bool records_steps() const override { return true; }
  base::Result<std::unique_ptr<Stream>> create_stream() override;

  const CudaProperties& properties() const { return properties_; }
  // Makes it the calling thread's device: before every call of the CUDA runtime.
  void use() const;
  void set_lost() { is_lost_ = true; }

 private:
  void free(void* data, std::size_t num_bytes, Place place) noexcept override;

  CudaProperties properties_;
  std::size_t memory_limit_bytes_;
  std::size_t others_bytes_ = 0;  // what other processes hold, when the device was opened
  std::atomic<std::size_t> allocated_bytes_ = 0;
  std::atomic<bool> is_lost_ = false;
};

class CudaStream final : public Stream {
 public:
  static base::Result<std::unique_ptr<Stream>> create(CudaDevice& device);
  ~CudaStream() override;

  Device& device() const override { return device_; }
  void copy_to_device(void* device_data, const void* host_data, std::size_t num_bytes) override;
  void copy_to_host(void* host_data, const void* device_data, std::size_t num_bytes) override;
  base::Result<void> synchronize() override;
  Mark mark() override;
  base::Result<void> wait(Mark mark) override;
  void run_recorded(RecordingKey key, const std::function<void()>& enqueue) override;

  CudaDevice& cuda_device() const { return device_; }
  // cudaStream_t, for launches.
  void* native() const { return stream_; }
  // Keeps the first failure of a call that could not return it; the next wait does.
  void note_error(int cuda_error, std::string_view what);

 private:
  // How often a key has come, and what was recorded: recording starts at the second time, when
  // everything that is set up lazily stands.
  struct Recording {
    int num_runs = 0;
    void* graph = nullptr;  // cudaGraphExec_t
  };

  explicit CudaStream(CudaDevice& device) : device_(device) {}
  base::Result<void> result_of(int cuda_error, std::string_view what);
  void record(Recording& recording, const std::function<void()>& enqueue);

  CudaDevice& device_;
  void* stream_ = nullptr;
  std::array<void*, 2> events_{};  // cudaEvent_t of the last two marks
  Mark num_marks_ = 0;
  int noted_error_ = 0;
  std::string noted_what_;
  std::unordered_map<RecordingKey, Recording> recordings_;
};

}  // namespace fathom::device
