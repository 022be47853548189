// Memory and streams by the CUDA runtime.
#include <cuda_runtime.h>
#include <fmt/core.h>

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "device/cuda/cuda_device.h"

namespace fathom::device {

using base::ErrorCode;
using base::fail;
using base::Result;

namespace {

// About what a context takes before the first allocation, on every architecture.
constexpr std::size_t kContextBytes = std::size_t{512} << 20;

cudaStream_t native_stream(void* stream) { return static_cast<cudaStream_t>(stream); }
cudaEvent_t native_event(void* event) { return static_cast<cudaEvent_t>(event); }

}  // namespace

CudaDevice::CudaDevice(CudaProperties properties, std::size_t memory_limit_bytes)
    : properties_(std::move(properties)), memory_limit_bytes_(memory_limit_bytes) {
  // What is taken now is others', but for the context of this process.
  const std::size_t used = memory().used_bytes;
  others_bytes_ = used - std::min(used, kContextBytes);
}

void CudaDevice::use() const {
  const cudaError_t error = cudaSetDevice(properties_.ordinal);
  // Was opened before: only a sticky error can fail here, and the next wait reports that.
  if (error != cudaSuccess) base::log_error("{}: {}", properties_.name, cudaGetErrorString(error));
}

std::string CudaDevice::name() const {
  std::string text = fmt::format("cuda:{}, {}, sm_{}", properties_.ordinal, properties_.name,
                                 properties_.architecture);
  if (properties_.code_architecture / 10 != properties_.architecture / 10) {
    text += fmt::format(" by code for sm_{}", properties_.code_architecture);
  }
  return text;
}

bool CudaDevice::supports(tensor::DType dtype) const {
  switch (dtype) {
    case tensor::DType::kF32:
    case tensor::DType::kF16:
    case tensor::DType::kI8:
      return true;
    case tensor::DType::kBF16:
      return properties_.code_architecture >= 80;
    case tensor::DType::kF8E4M3:
      return properties_.code_architecture >= 89;
    default:
      return false;
  }
}

MemoryStatus CudaDevice::memory() const {
  use();
  std::size_t available = 0;
  std::size_t total = properties_.memory_bytes;
  // Fails only behind a sticky error: then nothing is available.
  static_cast<void>(cudaMemGetInfo(&available, &total));
  const std::size_t used = total - available;
  if (memory_limit_bytes_ > 0) {
    // The context and the code count, what others hold does not.
    const std::size_t ours = used - std::min(used, others_bytes_);
    available = std::min(available, memory_limit_bytes_ - std::min(memory_limit_bytes_, ours));
  }
  return {.total_bytes = total,
          .used_bytes = used,
          .available_bytes = available,
          .allocated_bytes = allocated_bytes_};
}

Result<Buffer> CudaDevice::allocate(std::size_t num_bytes, Place place) {
  if (num_bytes == 0) return Buffer{};
  use();
  void* data = nullptr;
  if (place == Place::kHost) {
    const cudaError_t error = cudaMallocHost(&data, num_bytes);
    if (error != cudaSuccess) {
      return fail(ErrorCode::kResourceExhausted, "host memory",
                  "cannot lock {} MiB for copies to the GPU: {}; raise the limit of locked memory "
                  "(ulimit -l) or free host memory",
                  num_bytes >> 20, cudaGetErrorString(error));
    }
    std::fill_n(static_cast<std::byte*>(data), num_bytes, std::byte{0});
    return Buffer(this, place, data, num_bytes);
  }
  const std::size_t available = memory().available_bytes;
  cudaError_t error = cudaErrorMemoryAllocation;
  if (num_bytes <= available) error = cudaMalloc(&data, num_bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // it does not stick
    return fail(ErrorCode::kResourceExhausted, "GPU memory",
                "{} MiB are needed, but {} has {} MiB left{}: {} MiB too few", num_bytes >> 20,
                properties_.name, available >> 20,
                memory_limit_bytes_ > 0 ? " under --gpu-memory-limit" : "",
                ((num_bytes - std::min(num_bytes, available)) >> 20) + 1);
  }
  if (error == cudaSuccess) error = cudaMemset(data, 0, num_bytes);
  if (error == cudaSuccess) error = cudaDeviceSynchronize();
  if (error != cudaSuccess) {
    return fail(ErrorCode::kInternal, properties_.name, "{}", cudaGetErrorString(error));
  }
  allocated_bytes_ += num_bytes;
  return Buffer(this, place, data, num_bytes);
}

void CudaDevice::free(void* data, std::size_t num_bytes, Place place) noexcept {
  use();
  // Fails only behind a sticky error, when all is lost anyway.
  static_cast<void>(place == Place::kHost ? cudaFreeHost(data) : cudaFree(data));
  if (place == Place::kDevice) allocated_bytes_ -= num_bytes;
}

Result<std::unique_ptr<Stream>> CudaDevice::create_stream() { return CudaStream::create(*this); }

Result<std::unique_ptr<Stream>> CudaStream::create(CudaDevice& device) {
  device.use();
  std::unique_ptr<CudaStream> stream(new CudaStream(device));
  cudaStream_t native = nullptr;
  TRY(stream->result_of(cudaStreamCreateWithFlags(&native, cudaStreamNonBlocking), "a stream"));
  stream->stream_ = native;
  for (void*& event : stream->events_) {
    cudaEvent_t created = nullptr;
    TRY(stream->result_of(cudaEventCreateWithFlags(&created, cudaEventDisableTiming), "an event"));
    event = created;
  }
  return stream;
}

CudaStream::~CudaStream() {
  device_.use();
  if (stream_ != nullptr) cudaStreamSynchronize(native_stream(stream_));
  for (auto& [key, recording] : recordings_) {
    if (recording.graph != nullptr) {
      cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recording.graph));
    }
  }
  for (void* const event : events_) {
    if (event != nullptr) cudaEventDestroy(native_event(event));
  }
  if (stream_ != nullptr) cudaStreamDestroy(native_stream(stream_));
}

void CudaStream::copy_to_device(void* device_data, const void* host_data, std::size_t num_bytes) {
  if (num_bytes == 0) return;
  device_.use();
  note_error(cudaMemcpyAsync(device_data, host_data, num_bytes, cudaMemcpyHostToDevice,
                             native_stream(stream_)),
             "copy to the GPU");
}

void CudaStream::copy_to_host(void* host_data, const void* device_data, std::size_t num_bytes) {
  if (num_bytes == 0) return;
  device_.use();
  note_error(cudaMemcpyAsync(host_data, device_data, num_bytes, cudaMemcpyDeviceToHost,
                             native_stream(stream_)),
             "copy from the GPU");
}

void CudaStream::note_error(int cuda_error, std::string_view what) {
  if (cuda_error == cudaSuccess || noted_error_ != 0) return;
  noted_error_ = cuda_error;
  noted_what_ = what;
  device_.set_lost();
}

Result<void> CudaStream::result_of(int cuda_error, std::string_view what) {
  note_error(cuda_error, what);
  if (noted_error_ == 0) return {};
  const auto error = static_cast<cudaError_t>(noted_error_);
  return fail(ErrorCode::kInternal, device_.properties().name,
              "{} failed: {} ({}); the GPU cannot be used further by this process: restart it",
              noted_what_, cudaGetErrorString(error), cudaGetErrorName(error));
}

Result<void> CudaStream::synchronize() {
  device_.use();
  return result_of(cudaStreamSynchronize(native_stream(stream_)), "a kernel");
}

Stream::Mark CudaStream::mark() {
  device_.use();
  const Mark made = ++num_marks_;
  note_error(cudaEventRecord(native_event(events_[made % events_.size()]), native_stream(stream_)),
             "a mark");
  return made;
}

Result<void> CudaStream::wait(Mark mark) {
  if (mark == 0) return result_of(cudaSuccess, "");
  CHECK(mark + events_.size() > num_marks_, "mark {} of {} is too old", mark, num_marks_);
  device_.use();
  return result_of(cudaEventSynchronize(native_event(events_[mark % events_.size()])), "a kernel");
}

void CudaStream::run_recorded(RecordingKey key, const std::function<void()>& enqueue) {
  device_.use();
  Recording& recording = recordings_[key];
  if (recording.num_runs++ == 0) return enqueue();
  if (recording.graph == nullptr) record(recording, enqueue);
  if (recording.graph == nullptr) return;
  note_error(cudaGraphLaunch(static_cast<cudaGraphExec_t>(recording.graph), native_stream(stream_)),
             "a recorded step");
}

void CudaStream::record(Recording& recording, const std::function<void()>& enqueue) {
  const cudaStream_t stream = native_stream(stream_);
  cudaError_t error = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  if (error == cudaSuccess) enqueue();
  cudaGraph_t graph = nullptr;
  if (error == cudaSuccess) error = cudaStreamEndCapture(stream, &graph);
  cudaGraphExec_t executable = nullptr;
  if (error == cudaSuccess) error = cudaGraphInstantiate(&executable, graph, 0);
  if (graph != nullptr) cudaGraphDestroy(graph);
  note_error(error, "recording a step");
  recording.graph = executable;
}

}  // namespace fathom::device
