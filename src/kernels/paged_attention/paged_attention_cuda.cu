// Which of the attention kernels a batch needs.
#include "kernels/paged_attention/attention_cuda.h"

namespace fathom::kernels::cuda {

void paged_attention(const AttentionTask& task, const CudaQueue& queue) {
  generic_attention(task, queue);
}

int64_t paged_attention_workspace_floats(int64_t, int64_t) { return 0; }

}  // namespace fathom::kernels::cuda
