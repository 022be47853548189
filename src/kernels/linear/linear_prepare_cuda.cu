// Opens the library, and times what can compute each shape.
#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/cuda/cublaslt.h"
#include "kernels/linear/linear_choice.h"
#include "kernels/linear/linear_cuda.cuh"

namespace fathom::kernels::cuda {
namespace {

// More than any second-level cache, so that weights are read from memory as in a step.
constexpr int64_t kWeightBytes = int64_t{256} << 20;
constexpr int kMaxAlgorithms = 8;
constexpr int kRepeats = 3;
// As in a step: one after another, with other weights each time. From kLongTokens on, one run lasts
// long enough.
constexpr int kRunsPerRepeat = 6;
constexpr int64_t kLongTokens = 256;
// A later candidate must be faster by so much, or noise would decide.
constexpr float kMargin = 0.97F;

// Numbers of a model's size, so that the GPU draws as much power as with a model's: bytes whose
// exponents are those of small values in bf16, f16 and fp8.
__global__ void fill_bytes(uint8_t* bytes, int64_t count) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += step) {
    auto hash = static_cast<uint32_t>(i) * 2654435761U;
    hash ^= hash >> 15;
    bytes[i] = static_cast<uint8_t>((hash & 0x87U) | 0x38U);
  }
}

// Device memory for the trials of one shape; empty where there is too little.
class TrialMemory {
 public:
  explicit TrialMemory(int64_t bytes) {
    if (cudaMalloc(&data_, static_cast<size_t>(bytes)) == cudaSuccess) return;
    cudaGetLastError();  // it does not stick
    data_ = nullptr;
  }
  TrialMemory(const TrialMemory&) = delete;
  TrialMemory& operator=(const TrialMemory&) = delete;
  ~TrialMemory() { cudaFree(data_); }
  uint8_t* data() const { return static_cast<uint8_t*>(data_); }

 private:
  void* data_ = nullptr;
};

class Trials {
 public:
  Trials(const LinearShapeTask& shape, int64_t max_tokens, const CudaQueue& queue)
      : shape_(shape),
        queue_(queue),
        matrix_bytes_(round_up(shape.in * shape.out * bytes_of(shape.w_type))),
        num_matrices_(std::max(int64_t{1}, kWeightBytes / matrix_bytes_)),
        x_bytes_(round_up(max_tokens * shape.in * bytes_of(shape.x_type))),
        y_bytes_(round_up(max_tokens * shape.out * bytes_of(shape.y_type))),
        scale_bytes_(round_up(std::max(shape.out, max_tokens) * 4)),
        workspace_bytes_(2 * kMaxCublasltWorkspaceBytes + round_up(max_tokens * (shape.in + 4))),
        memory_(num_matrices_ * matrix_bytes_ + x_bytes_ + y_bytes_ + scale_bytes_ +
                workspace_bytes_) {
    if (memory_.data() == nullptr) return;
    fill_bytes<<<1024, 256, 0, stream()>>>(memory_.data(),
                                           num_matrices_ * matrix_bytes_ + x_bytes_);
    cudaMemsetAsync(scales(), 0x3C, static_cast<size_t>(scale_bytes_), stream());  // 0.0115
    cudaEventCreate(&start_);
    cudaEventCreate(&end_);
  }
  Trials(const Trials&) = delete;
  Trials& operator=(const Trials&) = delete;
  ~Trials() {
    cudaStreamSynchronize(stream());
    if (start_ != nullptr) cudaEventDestroy(start_);
    if (end_ != nullptr) cudaEventDestroy(end_);
  }

  void choose(int64_t tokens);

 private:
  static int64_t round_up(int64_t bytes) { return (bytes + 511) / 256 * 256; }
  cudaStream_t stream() const { return static_cast<cudaStream_t>(queue_.stream); }
  uint8_t* x() const { return memory_.data() + num_matrices_ * matrix_bytes_; }
  uint8_t* y() const { return x() + x_bytes_; }
  uint8_t* scales() const { return y() + y_bytes_; }
  uint8_t* workspace() const { return scales() + scale_bytes_; }
  LinearTask task(int64_t tokens) const;
  // The median in milliseconds; infinite if it does not run.
  template <typename F>
  float time(LinearTask task, F&& enqueue);

  LinearShapeTask shape_;
  const CudaQueue& queue_;
  int64_t matrix_bytes_, num_matrices_, x_bytes_, y_bytes_, scale_bytes_, workspace_bytes_;
  TrialMemory memory_;
  int64_t turn_ = 0;
  cudaEvent_t start_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

LinearTask Trials::task(int64_t tokens) const {
  const auto* const ones = reinterpret_cast<const float*>(scales());
  LinearTask task;
  task.x = x();
  task.w = memory_.data();
  task.y = y();
  task.w_scales = shape_.w_type == Element::kF8E4M3 ? ones : nullptr;
  task.x_scales = shape_.x_type == Element::kF8E4M3 ? ones : nullptr;
  task.workspace = workspace();
  task.workspace_bytes = workspace_bytes_;
  task.num_tokens = tokens;
  task.in = shape_.in;
  task.out = shape_.out;
  task.y_stride = shape_.out;
  task.x_type = shape_.x_type;
  task.w_type = shape_.w_type;
  task.y_type = shape_.y_type;
  task.accumulate = shape_.accumulate;
  return task;
}

template <typename F>
float Trials::time(LinearTask task, F&& enqueue) {
  std::vector<float> times;
  const int num_runs = task.num_tokens < kLongTokens ? kRunsPerRepeat : 1;
  for (int i = 0; i <= kRepeats; ++i) {
    cudaEventRecord(start_, stream());
    for (int run = 0; run < num_runs; ++run) {
      task.w = memory_.data() + turn_++ % num_matrices_ * matrix_bytes_;
      if (!enqueue(task)) return std::numeric_limits<float>::infinity();
    }
    cudaEventRecord(end_, stream());
    cudaEventSynchronize(end_);
    float milliseconds = std::numeric_limits<float>::infinity();
    cudaEventElapsedTime(&milliseconds, start_, end_);
    if (i > 0) times.push_back(milliseconds);  // the first loads code
  }
  std::ranges::nth_element(times, times.begin() + kRepeats / 2);
  return times[kRepeats / 2];
}

void Trials::choose(int64_t tokens) {
  if (memory_.data() == nullptr) return;
  const LinearTask trial = task(tokens);
  LinearChoice best;
  float best_time = std::numeric_limits<float>::infinity();
  LinearTask product = trial;
  if (shape_.w_type == Element::kF8E4M3) {
    product.x_type = Element::kF8E4M3;  // as quantized
    product.x_scales = trial.w_scales;
  }
  for (const lt::Algorithm& algorithm : cublaslt_algorithms(product, kMaxAlgorithms)) {
    const LinearChoice choice{.algorithm = algorithm};
    const float taken = time(
        trial, [&](const LinearTask& each) { return linear_by_library(each, &choice, queue_); });
    if (taken >= best_time * kMargin) continue;
    best = choice;
    best_time = taken;
  }
  if (tokens <= kMaxStreamTokens && fits_linear_stream(trial, queue_)) {
    const float taken = time(trial, [&](const LinearTask& each) {
      linear_stream(each, queue_);
      return true;
    });
    if (taken < best_time) {
      best = {.is_streamed = true};
      best_time = taken;
    }
  }
  if (best_time < std::numeric_limits<float>::infinity()) remember_choice(trial, best);
}

}  // namespace

const char* prepare_linear(const LinearShapeTask* shapes, int num_shapes, int64_t max_tokens,
                           const CudaQueue& queue) {
  const char* const problem = open_cublaslt();
  if (problem != nullptr) return problem;
  for (int i = 0; i < num_shapes; ++i) {
    if (shapes[i].x_type == Element::kF32 || max_tokens <= 8) continue;
    Trials trials(shapes[i], choice_tokens(max_tokens), queue);
    for (int64_t tokens = 16; tokens <= choice_tokens(max_tokens); tokens *= 2) {
      trials.choose(tokens);
    }
  }
  return nullptr;
}

}  // namespace fathom::kernels::cuda
