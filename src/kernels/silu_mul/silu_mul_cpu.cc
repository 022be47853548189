// One token row after another.
#include "kernels/cpu_kernels.h"
#include "kernels/simd/vector.h"

namespace fathom::kernels::FATHOM_ISA {
namespace {

FATHOM_INLINE Floats silu(Floats value) { return value / (1.0F + exp(-value)); }

template <typename T>
void run_row(void* context, int64_t row) {
  const auto& task = *static_cast<const SiluMulTask*>(context);
  const T* gate = static_cast<const T*>(task.gate_up) + row * 2 * task.intermediate;
  const T* up = gate + task.intermediate;
  T* y = static_cast<T*>(task.y) + row * task.intermediate;
  int64_t i = 0;
  for (; i + kLanes <= task.intermediate; i += kLanes) {
    store(y + i, silu(load(gate + i)) * load(up + i));
  }
  if (i < task.intermediate) {
    const int64_t rest = task.intermediate - i;
    store_first(y + i, silu(load_first(gate + i, rest)) * load_first(up + i, rest), rest);
  }
}

}  // namespace

void silu_mul(const SiluMulTask& task, const ParallelFor& threads) {
  threads.run(threads.pool, task.num_tokens,
              task.gate_up_type == Element::kBF16 ? run_row<Bf16> : run_row<float>,
              const_cast<SiluMulTask*>(&task));
}

}  // namespace fathom::kernels::FATHOM_ISA
