// Widens one row of the table for each token.
#include "kernels/cpu_kernels.h"
#include "kernels/simd/vector.h"

namespace fathom::kernels::FATHOM_ISA {
namespace {

template <typename T>
void run_row(void* context, int64_t row) {
  const auto& task = *static_cast<const EmbeddingTask*>(context);
  float* y = task.y + row * task.hidden;
  const int64_t id = task.ids[row];
  if (id < 0 || id >= task.vocab_rows) {
    memset(y, 0, static_cast<size_t>(task.hidden) * sizeof(float));
    return;
  }
  const T* from = static_cast<const T*>(task.table) + id * task.hidden;
  int64_t i = 0;
  for (; i + kLanes <= task.hidden; i += kLanes) store(y + i, load(from + i));
  if (i < task.hidden) {
    store_first(y + i, load_first(from + i, task.hidden - i), task.hidden - i);
  }
}

}  // namespace

void embedding(const EmbeddingTask& task, const ParallelFor& threads) {
  auto* body = run_row<float>;
  if (task.table_type == Element::kBF16) body = run_row<Bf16>;
  if (task.table_type == Element::kF16) body = run_row<F16>;
  threads.run(threads.pool, task.num_tokens, body, const_cast<EmbeddingTask*>(&task));
}

}  // namespace fathom::kernels::FATHOM_ISA
