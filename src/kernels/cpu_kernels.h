// The CPU kernels of one instruction set, as functions on plain pointers.
//
// Each *_cpu.cc is compiled once for each instruction set, in a namespace of that set's name, and
// must not pull in inline functions of other headers: the linker could then hand code for AVX-512
// to a processor without it. So these functions take plain structs; the operations' own entry
// points check views and shapes before they fill them in.
#pragma once

#include <stdint.h>

#include "kernels/kernel_tasks.h"

namespace fathom::device {
class Stream;
}

namespace fathom::kernels {

// Runs body(context, i) for i in [0, count) on the device's threads.
struct ParallelFor {
  void* pool = nullptr;
  void (*run)(void* pool, int64_t count, void (*body)(void*, int64_t), void* context) = nullptr;
  int num_threads = 1;
};

struct SoftmaxTask {
  const float* logits = nullptr;
  int64_t count = 0;
  float max_logit = 0;
  float scale = 1;           // 1 / temperature
  float* weights = nullptr;  // may be null
};

struct CpuKernels {
  void (*linear)(const LinearTask&, const ParallelFor&);
  void (*rms_norm)(const RmsNormTask&, const ParallelFor&);
  void (*rope_kv_append)(const RopeTask&, const ParallelFor&);
  void (*paged_attention)(const AttentionTask&, const ParallelFor&);
  void (*silu_mul)(const SiluMulTask&, const ParallelFor&);
  void (*embedding)(const EmbeddingTask&, const ParallelFor&);
  void (*read_sum)(const ReadSumTask&, const ParallelFor&);
  // The greatest of logits[0, count); -infinity if none is more. NaNs do not count.
  float (*max_logit)(const float* logits, int64_t count);
  // weights[i] = e^((logits[i] - max_logit) * scale), 0 for a NaN; returns their sum. One thread.
  double (*softmax_weights)(const SoftmaxTask&);
};

// The table of the instruction set that the stream's device runs. Only for a CPU stream.
const CpuKernels& cpu_kernels(device::Stream& stream);

// The stream's threads.
ParallelFor parallel_for(device::Stream& stream);

}  // namespace fathom::kernels
