// The parts of the CUDA attention: each takes the sequences that are its own and skips the others.
#pragma once

#include <stdint.h>

#include "kernels/cuda_kernels.h"
#include "kernels/kernel_tasks.h"

namespace fathom::kernels::cuda {

// Query vectors (rows times heads of a KV head's group) of a sequence that decode_attention takes;
// longer chunks are prefill_attention's, and in batch-invariant runs everything is.
inline constexpr int kDecodeQueries = 8;

// Whether the two tensor-core kernels below have this combination of types and sizes.
bool has_tiles(const AttentionTask& task, const CudaQueue& queue);
// Sequences of few rows: their contexts are cut over the multiprocessors.
void decode_attention(const AttentionTask& task, const CudaQueue& queue);
// Sequences of many rows.
void prefill_attention(const AttentionTask& task, const CudaQueue& queue);
// The same for sm_90a.
void hopper_prefill_attention(const AttentionTask& task, const CudaQueue& queue);
// Everything, slowly: a block for each query vector.
void generic_attention(const AttentionTask& task, const CudaQueue& queue);

}  // namespace fathom::kernels::cuda
