// One token row after another: square in one pass, scale in the next.
#include "kernels/cpu_kernels.h"
#include "kernels/simd/vector.h"

namespace fathom::kernels::FATHOM_ISA {
namespace {

float sum_of_squares(const float* x, int64_t hidden) {
  Floats squares{};
  int64_t i = 0;
  for (; i + kLanes <= hidden; i += kLanes) {
    const Floats value = load(x + i);
    squares += value * value;
  }
  if (i < hidden) {
    const Floats value = load_first(x + i, hidden - i);
    squares += value * value;
  }
  return sum(squares);
}

template <typename Weight, typename Y>
void scale_row(const float* x, const Weight* weight, Y* y, int64_t hidden, float factor) {
  int64_t i = 0;
  for (; i + kLanes <= hidden; i += kLanes) {
    store(y + i, load(x + i) * factor * load(weight + i));
  }
  if (i < hidden) {
    const int64_t rest = hidden - i;
    store_first(y + i, load_first(x + i, rest) * factor * load_first(weight + i, rest), rest);
  }
}

template <typename Y>
void scale(const RmsNormTask& task, int64_t row, float factor) {
  const float* x = task.x + row * task.hidden;
  Y* y = static_cast<Y*>(task.y) + row * task.hidden;
  if (task.weight_type == Element::kBF16) {
    scale_row(x, static_cast<const Bf16*>(task.weight), y, task.hidden, factor);
  } else if (task.weight_type == Element::kF16) {
    scale_row(x, static_cast<const F16*>(task.weight), y, task.hidden, factor);
  } else {
    scale_row(x, static_cast<const float*>(task.weight), y, task.hidden, factor);
  }
}

void run_row(void* context, int64_t row) {
  const auto& task = *static_cast<const RmsNormTask*>(context);
  const float squares = sum_of_squares(task.x + row * task.hidden, task.hidden);
  const float mean = squares / static_cast<float>(task.hidden);
  const float factor = 1.0F / __builtin_sqrtf(mean + task.epsilon);
  if (task.y_type == Element::kBF16) {
    scale<Bf16>(task, row, factor);
  } else {
    scale<float>(task, row, factor);
  }
}

}  // namespace

void rms_norm(const RmsNormTask& task, const ParallelFor& threads) {
  threads.run(threads.pool, task.num_tokens, run_row, const_cast<RmsNormTask*>(&task));
}

}  // namespace fathom::kernels::FATHOM_ISA
