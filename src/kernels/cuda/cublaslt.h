// Matrix products of cuBLASLt, which is opened at run time. Thread-safe.
#pragma once

#include <vector>

#include "kernels/cuda/cublaslt_api.h"
#include "kernels/cuda_kernels.h"

namespace fathom::kernels::cuda {

inline constexpr int64_t kMaxCublasltWorkspaceBytes = int64_t{32} << 20;

// Opens the library, once. Null, or what is missing and what to do about it.
const char* open_cublaslt();

// Whether the task's bias is added by the library's own epilogue.
bool cublaslt_adds_bias(const LinearTask& task);

// Whether the task's sums may be split along their inputs, which is faster where tokens are few.
// Unsplit, an output's bits depend neither on the algorithm nor, as far as prepare_linear() finds,
// on the number of tokens: then whichever is fastest may be taken. Split, they depend on the
// algorithm, so it is always the library's first choice.
bool cublaslt_may_split(const LinearTask& task);

// Enqueues the product (its bias only if cublaslt_adds_bias()) by the algorithm given, or by the
// library's own first choice if that is null or unfit. False, with nothing enqueued, if the library
// is not there or has no algorithm for these types, sizes and alignments. x and w have the same
// type; kF8E4M3 with both scales or with none. Uses at most kMaxCublasltWorkspaceBytes of the
// task's workspace. May be captured.
bool cublaslt_linear(const LinearTask& task, const lt::Algorithm* algorithm,
                     const CudaQueue& queue);

// What the library proposes, best first by its own estimate; empty where it has nothing.
std::vector<lt::Algorithm> cublaslt_algorithms(const LinearTask& task, int max_count);

}  // namespace fathom::kernels::cuda
