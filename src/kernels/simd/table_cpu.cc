// The table of one instruction set's kernels.
#include "kernels/cpu_kernels.h"

namespace fathom::kernels::FATHOM_ISA {

void linear(const LinearTask& task, const ParallelFor& threads);
void rms_norm(const RmsNormTask& task, const ParallelFor& threads);
void rope_kv_append(const RopeTask& task, const ParallelFor& threads);
void paged_attention(const AttentionTask& task, const ParallelFor& threads);
void silu_mul(const SiluMulTask& task, const ParallelFor& threads);
void embedding(const EmbeddingTask& task, const ParallelFor& threads);
void read_sum(const ReadSumTask& task, const ParallelFor& threads);
float max_logit(const float* logits, int64_t count);
double softmax_weights(const SoftmaxTask& task);

extern const CpuKernels kKernels;
const CpuKernels kKernels = {.linear = linear,
                             .rms_norm = rms_norm,
                             .rope_kv_append = rope_kv_append,
                             .paged_attention = paged_attention,
                             .silu_mul = silu_mul,
                             .embedding = embedding,
                             .read_sum = read_sum,
                             .max_logit = max_logit,
                             .softmax_weights = softmax_weights};

}  // namespace fathom::kernels::FATHOM_ISA
