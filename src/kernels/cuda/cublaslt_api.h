// What we call of NVIDIA's cuBLASLt, declared by ourselves: the library is opened at run time, and
// a toolkit without its headers builds us (docs/decisions/0010-cublaslt-at-run-time.md).
//
// Names and values are those of the binary interface of cuBLASLt 12 and 13, which has not changed
// since 12.9 for what is used here. Only handles and pointers cross it; the one structure whose
// layout matters is a heuristic's result.
#pragma once

#include <library_types.h>
#include <stdint.h>

#include <cstddef>

struct CUstream_st;

namespace fathom::kernels::cuda::lt {

using Status = int;  // 0 is success
using Handle = void*;
using OperationHandle = void*;   // cublasLtMatmulDesc_t
using LayoutHandle = void*;      // cublasLtMatrixLayout_t
using PreferenceHandle = void*;  // cublasLtMatmulPreference_t

struct Algorithm {
  uint64_t data[8];
};

struct HeuristicResult {
  Algorithm algorithm;
  size_t workspace_bytes;
  Status state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(HeuristicResult) == 96);

inline constexpr int kComputeF32 = 68;  // f32 sums of exact products: no TF32
inline constexpr int32_t kTranspose = 1;

enum OperationAttribute : int {
  kTransposeA = 3,
  kTransposeB = 4,
  kEpilogue = 7,
  kBiasPointer = 8,
  kScalePointerA = 17,
  kScalePointerB = 18,
  kFastAccumulation = 25,
  kBiasType = 26,
  kScaleModeA = 31,
  kScaleModeB = 32,
};

inline constexpr uint32_t kEpilogueBias = 4;
// One f32 for each row of op(A), or column of op(B).
inline constexpr int32_t kScaleOuterVectorF32 = 3;

enum PreferenceAttribute : int {
  kMaxWorkspaceBytes = 1,
  kReductionSchemes = 3,
  kMinAlignmentA = 5,
  kMinAlignmentB = 6,
  kMinAlignmentC = 7,
  kMinAlignmentD = 8,
};

// The library's functions; null before it is opened.
struct Api {
  Status (*create)(Handle*);
  Status (*operation_create)(OperationHandle*, int compute_type, cudaDataType scale_type);
  Status (*operation_destroy)(OperationHandle);
  Status (*operation_set)(OperationHandle, int attribute, const void* value, size_t num_bytes);
  Status (*layout_create)(LayoutHandle*, cudaDataType type, uint64_t rows, uint64_t columns,
                          int64_t leading_dimension);
  Status (*layout_destroy)(LayoutHandle);
  Status (*preference_create)(PreferenceHandle*);
  Status (*preference_destroy)(PreferenceHandle);
  Status (*preference_set)(PreferenceHandle, int attribute, const void* value, size_t num_bytes);
  Status (*find_algorithms)(Handle, OperationHandle, LayoutHandle a, LayoutHandle b, LayoutHandle c,
                            LayoutHandle d, PreferenceHandle, int max_results, HeuristicResult*,
                            int* num_results);
  Status (*check_algorithm)(Handle, OperationHandle, LayoutHandle a, LayoutHandle b, LayoutHandle c,
                            LayoutHandle d, const Algorithm*, HeuristicResult*);
  // D = alpha * op(A) op(B) + beta * C, all column-major.
  Status (*matmul)(Handle, OperationHandle, const void* alpha, const void* a, LayoutHandle,
                   const void* b, LayoutHandle, const void* beta, const void* c, LayoutHandle,
                   void* d, LayoutHandle, const Algorithm*, void* workspace, size_t workspace_bytes,
                   CUstream_st*);
};

}  // namespace fathom::kernels::cuda::lt
