// The library, its handles by device, and the descriptors of every product that came once.
#include "kernels/cuda/cublaslt.h"

#include <cuda_runtime.h>
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <compare>
#include <map>
#include <mutex>
#include <string>

namespace fathom::kernels::cuda {
namespace {

struct Symbol {
  const char* name;
  void** function;
};

bool load_symbols(void* library, lt::Api& api) {
  const Symbol symbols[] = {
      {"cublasLtCreate", reinterpret_cast<void**>(&api.create)},
      {"cublasLtMatmulDescCreate", reinterpret_cast<void**>(&api.operation_create)},
      {"cublasLtMatmulDescDestroy", reinterpret_cast<void**>(&api.operation_destroy)},
      {"cublasLtMatmulDescSetAttribute", reinterpret_cast<void**>(&api.operation_set)},
      {"cublasLtMatrixLayoutCreate", reinterpret_cast<void**>(&api.layout_create)},
      {"cublasLtMatrixLayoutDestroy", reinterpret_cast<void**>(&api.layout_destroy)},
      {"cublasLtMatmulPreferenceCreate", reinterpret_cast<void**>(&api.preference_create)},
      {"cublasLtMatmulPreferenceDestroy", reinterpret_cast<void**>(&api.preference_destroy)},
      {"cublasLtMatmulPreferenceSetAttribute", reinterpret_cast<void**>(&api.preference_set)},
      {"cublasLtMatmulAlgoGetHeuristic", reinterpret_cast<void**>(&api.find_algorithms)},
      {"cublasLtMatmulAlgoCheck", reinterpret_cast<void**>(&api.check_algorithm)},
      {"cublasLtMatmul", reinterpret_cast<void**>(&api.matmul)},
  };
  return std::ranges::all_of(symbols, [library](const Symbol& symbol) {
    *symbol.function = ::dlsym(library, symbol.name);
    return *symbol.function != nullptr;
  });
}

// Everything that a descriptor is made from.
struct Key {
  int ordinal = 0;
  int64_t tokens = 0, in = 0, out = 0, y_stride = 0;
  uint64_t workspace_bytes = 0;
  Element x_type{}, y_type{};
  bool accumulate = false, adds_bias = false, is_scaled = false, may_split = false;
  std::array<uint64_t, 8> algorithm{};  // zeros: the library's choice

  auto operator<=>(const Key&) const = default;
};

struct Plan {
  lt::OperationHandle operation = nullptr;
  lt::LayoutHandle w = nullptr, x = nullptr, y = nullptr;
  lt::Algorithm algorithm{};
  bool is_usable = false;
};

cudaDataType data_type(Element element) {
  switch (element) {
    case Element::kBF16:
      return CUDA_R_16BF;
    case Element::kF16:
      return CUDA_R_16F;
    case Element::kF8E4M3:
      return CUDA_R_8F_E4M3;
    default:
      return CUDA_R_32F;
  }
}

int64_t element_bytes(Element element) {
  switch (element) {
    case Element::kF32:
      return 4;
    case Element::kBF16:
    case Element::kF16:
      return 2;
    default:
      return 1;
  }
}

bool is_aligned(const void* data, int64_t row_bytes) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0 && row_bytes % 16 == 0;
}

// From so many tokens on, all multiprocessors have work without splitting.
constexpr int64_t kUnsplitTokens = 256;

// What the library's documentation asks of its fast kernels; anything else is not given to it.
bool fits_library(const LinearTask& task) {
  const bool is_scaled = task.w_scales != nullptr;
  const int64_t x_bytes = element_bytes(task.x_type);
  return task.x_type == task.w_type && task.x_type != Element::kF32 &&
         is_scaled == (task.x_scales != nullptr) && is_aligned(task.x, task.in * x_bytes) &&
         is_aligned(task.w, task.out * x_bytes) &&
         is_aligned(task.y, task.y_stride * element_bytes(task.y_type)) &&
         (!cublaslt_adds_bias(task) || is_aligned(task.bias, 16)) && task.num_tokens > 0;
}

Key key_of(const LinearTask& task, const lt::Algorithm* algorithm) {
  Key key{.tokens = task.num_tokens,
          .in = task.in,
          .out = task.out,
          .y_stride = task.y_stride,
          .workspace_bytes = static_cast<uint64_t>(
              std::clamp(task.workspace_bytes, int64_t{0}, kMaxCublasltWorkspaceBytes)),
          .x_type = task.x_type,
          .y_type = task.y_type,
          .accumulate = task.accumulate,
          .adds_bias = cublaslt_adds_bias(task),
          .is_scaled = task.w_scales != nullptr,
          .may_split = cublaslt_may_split(task)};
  cudaGetDevice(&key.ordinal);
  if (algorithm != nullptr)
    std::copy_n(algorithm->data, key.algorithm.size(), key.algorithm.data());
  return key;
}

class Library {
 public:
  static Library& get() {
    // Never destroyed: the library may be unloaded before our own static objects are.
    static auto* const library = new Library;
    return *library;
  }

  const char* problem() const { return problem_.empty() ? nullptr : problem_.c_str(); }
  bool run(const LinearTask& task, const lt::Algorithm* algorithm, const CudaQueue& queue);
  std::vector<lt::Algorithm> algorithms(const LinearTask& task, int max_count);

 private:
  Library();
  lt::Handle handle_of(int ordinal);
  const Plan& plan_of(const LinearTask& task, const lt::Algorithm* algorithm, const Key& key);
  bool describe(const LinearTask& task, const Key& key, Plan& plan) const;
  bool set_pointers(const LinearTask& task, const Key& key, const Plan& plan) const;
  std::vector<lt::Algorithm> find(lt::Handle handle, const Key& key, const Plan& plan,
                                  int max_count) const;

  template <typename T>
  bool set(lt::OperationHandle operation, int attribute, const T& value) const {
    // A pointer is a value here, too.
    return api_.operation_set(operation, attribute, static_cast<const void*>(&value),
                              sizeof(value)) == 0;
  }

  lt::Api api_{};
  std::string problem_;
  std::mutex mutex_;
  std::map<int, lt::Handle> handles_;
  std::map<Key, Plan> plans_;
};

Library::Library() {
  void* library = nullptr;
  for (const char* const name : {"libcublasLt.so.13", "/usr/local/cuda/lib64/libcublasLt.so.13",
                                 "libcublasLt.so.12", "/usr/local/cuda/lib64/libcublasLt.so.12"}) {
    if (library == nullptr) library = ::dlopen(name, RTLD_LAZY | RTLD_LOCAL);
  }
  if (library == nullptr) {
    problem_ =
        "libcublasLt.so.13 (or .12) is not found; install NVIDIA's cuBLAS (package "
        "libcublas-13-0, or the Python package nvidia-cublas) and put its folder into "
        "LD_LIBRARY_PATH, or use --device cpu";
  } else if (!load_symbols(library, api_)) {
    problem_ = std::string("the library found is too old (") + ::dlerror() +
               "); install cuBLAS 12.9 or newer";
  }
}

// Null if it cannot be made: the GPU is out of memory.
lt::Handle Library::handle_of(int ordinal) {
  lt::Handle& handle = handles_[ordinal];
  if (handle == nullptr && api_.create(&handle) != 0) handle = nullptr;
  return handle;
}

// Column-major y^T [out, tokens] = (w^T)^T x^T: row-major arrays as they are.
bool Library::describe(const LinearTask& task, const Key& key, Plan& plan) const {
  const cudaDataType x_type = data_type(key.x_type);
  const auto in = static_cast<uint64_t>(key.in);
  const auto out = static_cast<uint64_t>(key.out);
  const auto tokens = static_cast<uint64_t>(key.tokens);
  bool ok = api_.operation_create(&plan.operation, lt::kComputeF32, CUDA_R_32F) == 0 &&
            set(plan.operation, lt::kTransposeA, lt::kTranspose) &&
            api_.layout_create(&plan.w, x_type, in, out, key.in) == 0 &&
            api_.layout_create(&plan.x, x_type, in, tokens, key.in) == 0 &&
            api_.layout_create(&plan.y, data_type(key.y_type), out, tokens, key.y_stride) == 0;
  if (ok && key.adds_bias) {
    const auto type = static_cast<int32_t>(data_type(task.bias_type));
    ok = set(plan.operation, lt::kEpilogue, lt::kEpilogueBias) &&
         set(plan.operation, lt::kBiasType, type);
  }
  if (ok && key.is_scaled) {
    ok = set(plan.operation, lt::kScaleModeA, lt::kScaleOuterVectorF32) &&
         set(plan.operation, lt::kScaleModeB, lt::kScaleOuterVectorF32);
  }
  if (ok && key.x_type == Element::kF8E4M3) {
    // Sums stay in the tensor cores' about 14 bits, which linear.h's tolerance allows for.
    const int8_t is_fast = 1;
    ok = set(plan.operation, lt::kFastAccumulation, is_fast);
  }
  return ok && set_pointers(task, key, plan);
}

bool Library::set_pointers(const LinearTask& task, const Key& key, const Plan& plan) const {
  if (key.adds_bias && !set(plan.operation, lt::kBiasPointer, task.bias)) return false;
  return !key.is_scaled || (set(plan.operation, lt::kScalePointerA, task.w_scales) &&
                            set(plan.operation, lt::kScalePointerB, task.x_scales));
}

std::vector<lt::Algorithm> Library::find(lt::Handle handle, const Key& key, const Plan& plan,
                                         int max_count) const {
  lt::PreferenceHandle preference = nullptr;
  if (api_.preference_create(&preference) != 0) return {};
  bool ok = api_.preference_set(preference, lt::kMaxWorkspaceBytes, &key.workspace_bytes,
                                sizeof(key.workspace_bytes)) == 0;
  const uint32_t no_reduction = 0;
  ok = ok && (key.may_split || api_.preference_set(preference, lt::kReductionSchemes, &no_reduction,
                                                   sizeof(no_reduction)) == 0);
  const uint32_t alignment = 16;
  for (const int attribute :
       {lt::kMinAlignmentA, lt::kMinAlignmentB, lt::kMinAlignmentC, lt::kMinAlignmentD}) {
    ok = ok && api_.preference_set(preference, attribute, &alignment, sizeof(alignment)) == 0;
  }
  std::vector<lt::HeuristicResult> results(static_cast<std::size_t>(max_count));
  int count = 0;
  ok = ok && api_.find_algorithms(handle, plan.operation, plan.w, plan.x, plan.y, plan.y,
                                  preference, max_count, results.data(), &count) == 0;
  api_.preference_destroy(preference);
  std::vector<lt::Algorithm> algorithms;
  for (int i = 0; ok && i < count; ++i) {
    const lt::HeuristicResult& result = results[static_cast<std::size_t>(i)];
    if (result.state == 0) algorithms.push_back(result.algorithm);
  }
  return algorithms;
}

const Plan& Library::plan_of(const LinearTask& task, const lt::Algorithm* algorithm,
                             const Key& key) {
  const auto [at, is_new] = plans_.try_emplace(key);
  Plan& plan = at->second;
  if (!is_new) return plan;
  const lt::Handle handle = handle_of(key.ordinal);
  if (handle == nullptr || !describe(task, key, plan)) return plan;
  if (algorithm != nullptr) {
    lt::HeuristicResult result{};
    plan.is_usable = api_.check_algorithm(handle, plan.operation, plan.w, plan.x, plan.y, plan.y,
                                          algorithm, &result) == 0 &&
                     result.workspace_bytes <= key.workspace_bytes;
    plan.algorithm = *algorithm;
  }
  if (!plan.is_usable) {
    const std::vector<lt::Algorithm> found = find(handle, key, plan, 1);
    plan.is_usable = !found.empty();
    if (plan.is_usable) plan.algorithm = found[0];
  }
  return plan;
}

bool Library::run(const LinearTask& task, const lt::Algorithm* algorithm, const CudaQueue& queue) {
  if (!problem_.empty() || !fits_library(task)) return false;
  const Key key = key_of(task, algorithm);
  const std::lock_guard lock(mutex_);
  const Plan& plan = plan_of(task, algorithm, key);
  if (!plan.is_usable || !set_pointers(task, key, plan)) return false;
  const float alpha = 1.0F;
  const float beta = task.accumulate ? 1.0F : 0.0F;
  const lt::Status status =
      api_.matmul(handle_of(key.ordinal), plan.operation, &alpha, task.w, plan.w, task.x, plan.x,
                  &beta, task.y, plan.y, task.y, plan.y, &plan.algorithm, task.workspace,
                  key.workspace_bytes, static_cast<CUstream_st*>(queue.stream));
  if (status != 0) queue.report(queue.owner, cudaErrorUnknown, "a matrix product of cuBLASLt");
  return true;
}

std::vector<lt::Algorithm> Library::algorithms(const LinearTask& task, int max_count) {
  if (!problem_.empty() || !fits_library(task)) return {};
  const Key key = key_of(task, nullptr);
  const std::lock_guard lock(mutex_);
  const Plan& plan = plan_of(task, nullptr, key);
  if (!plan.is_usable) return {};
  return find(handle_of(key.ordinal), key, plan, max_count);
}

}  // namespace

const char* open_cublaslt() { return Library::get().problem(); }

bool cublaslt_may_split(const LinearTask& task) {
  return !task.batch_invariant && task.num_tokens < kUnsplitTokens;
}

bool cublaslt_adds_bias(const LinearTask& task) {
  return task.bias != nullptr && !task.accumulate && task.bias_type == task.y_type &&
         (task.x_type != Element::kF8E4M3 || task.y_type != Element::kF32);
}

bool cublaslt_linear(const LinearTask& task, const lt::Algorithm* algorithm,
                     const CudaQueue& queue) {
  return Library::get().run(task, algorithm, queue);
}

std::vector<lt::Algorithm> cublaslt_algorithms(const LinearTask& task, int max_count) {
  return Library::get().algorithms(task, max_count);
}

}  // namespace fathom::kernels::cuda
