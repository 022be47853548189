// The CPU kernels of one instruction set, as functions on plain pointers.
//
// Each *_cpu.cc is compiled once for each instruction set, in a namespace of that set's name, and
// must not pull in inline functions of other headers: the linker could then hand code for AVX-512
// to a processor without it. So these functions take plain structs; the operations' own entry
// points check views and shapes before they fill them in.
#pragma once

#include <stdint.h>

namespace fathom::device {
class Stream;
}

namespace fathom::kernels {

enum class Element : uint8_t { kF32, kBF16, kF16, kI8 };

// Runs body(context, i) for i in [0, count) on the device's threads.
struct ParallelFor {
  void* pool = nullptr;
  void (*run)(void* pool, int64_t count, void (*body)(void*, int64_t), void* context) = nullptr;
  int num_threads = 1;
};

struct LinearTask {
  const void* x = nullptr;  // [num_tokens, in]
  const void* w = nullptr;  // [out, in]
  const void* bias = nullptr;
  void* y = nullptr;  // first of `out` columns in rows of y_stride elements
  int64_t num_tokens = 0;
  int64_t in = 0;
  int64_t out = 0;
  int64_t y_stride = 0;
  Element x_type{}, w_type{}, bias_type{}, y_type{};
};

struct RmsNormTask {
  float* residual = nullptr;
  const void* delta = nullptr;  // may be null
  const void* weight = nullptr;
  void* y = nullptr;
  int64_t num_tokens = 0;
  int64_t hidden = 0;
  float epsilon = 0;
  Element delta_type{}, weight_type{}, y_type{};
};

struct RopeTask {
  const void* qkv = nullptr;
  const float* cos_sin = nullptr;
  const int32_t* positions = nullptr;
  const int32_t* slots = nullptr;
  void* q = nullptr;
  void* keys = nullptr;
  void* values = nullptr;
  float* key_scales = nullptr;  // of a kI8 cache, as value_scales
  float* value_scales = nullptr;
  int64_t num_tokens = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t block_tokens = 0;
  Element activation_type{}, cache_type{};
};

struct AttentionTask {
  const void* q = nullptr;
  const void* keys = nullptr;
  const void* values = nullptr;
  const float* key_scales = nullptr;  // of a kI8 cache, as value_scales
  const float* value_scales = nullptr;
  const int32_t* positions = nullptr;
  const int32_t* query_starts = nullptr;
  const int32_t* block_tables = nullptr;
  void* y = nullptr;
  int64_t num_tokens = 0;
  int64_t num_sequences = 0;
  int64_t max_blocks = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t block_tokens = 0;
  float scale = 0;
  Element activation_type{}, cache_type{};
};

struct SiluMulTask {
  const void* gate_up = nullptr;
  void* y = nullptr;
  int64_t num_tokens = 0;
  int64_t intermediate = 0;
  Element type{};
};

struct EmbeddingTask {
  const int32_t* ids = nullptr;
  const void* table = nullptr;
  float* y = nullptr;
  int64_t num_tokens = 0;
  int64_t vocab_rows = 0;
  int64_t hidden = 0;
  Element table_type{};
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
  void (*residual_rms_norm)(const RmsNormTask&, const ParallelFor&);
  void (*rope_kv_append)(const RopeTask&, const ParallelFor&);
  void (*paged_attention)(const AttentionTask&, const ParallelFor&);
  void (*silu_mul)(const SiluMulTask&, const ParallelFor&);
  void (*embedding)(const EmbeddingTask&, const ParallelFor&);
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
