// Opens the library, times its algorithms for each shape, and compares their bits.
#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/cuda/cublaslt.h"
#include "kernels/cuda/element.cuh"
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

__device__ uint32_t mixed(uint32_t index) {
  uint32_t hash = index * 2654435761U + 0x9E3779B9U;
  hash ^= hash >> 16;
  hash *= 0x85EBCA6BU;
  return hash ^ hash >> 13;
}

// Random numbers of many magnitudes, so that another order of a sum gives other bits. From the byte
// pairs' own indices: bf16 or f16.
__global__ void fill_floats(uint8_t* bytes, int64_t count, bool is_bf16) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count / 2;
       i += step) {
    const uint32_t hash = mixed(static_cast<uint32_t>(i));
    const float sign = (hash & 1U) != 0 ? -1.0F : 1.0F;
    const float value = sign * (1.0F + static_cast<float>(hash >> 8) * 0x1.0p-24F) *
                        exp2f(-static_cast<float>((hash >> 1) & 7U));
    if (is_bf16) {
      reinterpret_cast<__nv_bfloat16*>(bytes)[i] = narrow<__nv_bfloat16>(value);
    } else {
      reinterpret_cast<__half*>(bytes)[i] = narrow<__half>(value);
    }
  }
}

// The same in fp8, from each byte's index: anything but NaN.
__global__ void fill_codes(uint8_t* bytes, int64_t count) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += step) {
    const auto code = static_cast<uint8_t>(mixed(static_cast<uint32_t>(i)) >> 11);
    bytes[i] = (code & 0x7FU) == 0x7FU ? code ^ 0x40U : code;
  }
}

__global__ void count_differences(const uint32_t* a, const uint32_t* b, int64_t count,
                                  unsigned* num_differences) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  unsigned own = 0;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += step) {
    own += a[i] != b[i] ? 1 : 0;
  }
  if (own > 0) atomicAdd(num_differences, own);
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
  void compare(int64_t max_tokens);

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
  task.batch_invariant = shape_.batch_invariant;
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
  if (memory_.data() == nullptr || cublaslt_may_split(task(tokens))) return;
  const LinearTask trial = task(tokens);
  float best_time = std::numeric_limits<float>::infinity();
  LinearTask product = trial;
  if (shape_.w_type == Element::kF8E4M3) {
    product.x_type = Element::kF8E4M3;  // as quantized
    product.x_scales = trial.w_scales;
  }
  lt::Algorithm best{};
  for (const lt::Algorithm& algorithm : cublaslt_algorithms(product, kMaxAlgorithms)) {
    const float taken = time(
        trial, [&](const LinearTask& each) { return linear_by_library(each, &algorithm, queue_); });
    if (taken >= best_time * kMargin) continue;
    best = algorithm;
    best_time = taken;
  }
  if (best_time < std::numeric_limits<float>::infinity()) remember_choice(trial, best);
}

// Finds out whether rows have the same bits in every number of tokens, and remembers it.
void Trials::compare(int64_t max_tokens) {
  if (memory_.data() == nullptr) return;
  const bool is_bf16 = shape_.x_type == Element::kBF16;
  const int64_t weight_bytes = num_matrices_ * matrix_bytes_;
  if (shape_.w_type == Element::kF8E4M3) {
    fill_codes<<<1024, 256, 0, stream()>>>(memory_.data(), weight_bytes);
  } else {
    fill_floats<<<1024, 256, 0, stream()>>>(memory_.data(), weight_bytes, is_bf16);
  }
  fill_floats<<<1024, 256, 0, stream()>>>(x(), x_bytes_, is_bf16);
  const TrialMemory others(y_bytes_ + 256);
  if (others.data() == nullptr) return;
  auto* const num_differences = reinterpret_cast<unsigned*>(others.data() + y_bytes_);
  cudaMemsetAsync(num_differences, 0, sizeof(unsigned), stream());
  const auto multiply = [&](int64_t tokens, void* y) {
    LinearTask each = task(tokens);
    each.y = y;
    cudaMemsetAsync(y, 0, static_cast<size_t>(y_bytes_), stream());
    return linear_by_library(each, find_choice(each), queue_);
  };
  if (!multiply(max_tokens, y())) return;
  for (const int64_t tokens : {1, 2, 5, 8, 9, 16, 17, 33, 65, 129, 300, 513, 1025}) {
    if (tokens >= max_tokens) break;
    if (!multiply(tokens, others.data())) return;
    const int64_t words = tokens * shape_.out * bytes_of(shape_.y_type) / 4;
    count_differences<<<256, 256, 0, stream()>>>(reinterpret_cast<const uint32_t*>(y()),
                                                 reinterpret_cast<const uint32_t*>(others.data()),
                                                 words, num_differences);
  }
  unsigned count = 1;
  cudaMemcpyAsync(&count, num_differences, sizeof(count), cudaMemcpyDeviceToHost, stream());
  if (cudaStreamSynchronize(stream()) == cudaSuccess && count == 0) remember_invariant(task(1));
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
    if (shapes[i].batch_invariant) trials.compare(choice_tokens(max_tokens));
  }
  return nullptr;
}

}  // namespace fathom::kernels::cuda
