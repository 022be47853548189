// One token row after another: add and square in one pass, scale in the next.
#include "kernels/cpu_kernels.h"
#include "kernels/simd/vector.h"

namespace fathom::kernels::FATHOM_ISA {
namespace {

// The row's sum of squares after residual += delta.
template <typename Delta>
float add_and_square(float* residual, const Delta* delta, int64_t hidden) {
  Floats squares{};
  int64_t i = 0;
  for (; i + kLanes <= hidden; i += kLanes) {
    Floats value = load(residual + i);
    if (delta != nullptr) {
      value += load(delta + i);
      store(residual + i, value);
    }
    squares += value * value;
  }
  if (i < hidden) {
    Floats value = load_first(residual + i, hidden - i);
    if (delta != nullptr) {
      value += load_first(delta + i, hidden - i);
      store_first(residual + i, value, hidden - i);
    }
    squares += value * value;
  }
  return sum(squares);
}

template <typename Weight, typename Y>
void scale_row(const float* residual, const Weight* weight, Y* y, int64_t hidden, float factor) {
  int64_t i = 0;
  for (; i + kLanes <= hidden; i += kLanes) {
    store(y + i, load(residual + i) * factor * load(weight + i));
  }
  if (i < hidden) {
    const int64_t rest = hidden - i;
    store_first(y + i, load_first(residual + i, rest) * factor * load_first(weight + i, rest),
                rest);
  }
}

template <typename Y>
void scale(const RmsNormTask& task, int64_t row, float factor) {
  const float* residual = task.residual + row * task.hidden;
  Y* y = static_cast<Y*>(task.y) + row * task.hidden;
  if (task.weight_type == Element::kBF16) {
    scale_row(residual, static_cast<const Bf16*>(task.weight), y, task.hidden, factor);
  } else if (task.weight_type == Element::kF16) {
    scale_row(residual, static_cast<const F16*>(task.weight), y, task.hidden, factor);
  } else {
    scale_row(residual, static_cast<const float*>(task.weight), y, task.hidden, factor);
  }
}

void run_row(void* context, int64_t row) {
  const auto& task = *static_cast<const RmsNormTask*>(context);
  float* residual = task.residual + row * task.hidden;
  float squares = 0;
  if (task.delta_type == Element::kBF16) {
    const Bf16* delta = static_cast<const Bf16*>(task.delta);
    squares =
        add_and_square(residual, delta == nullptr ? delta : delta + row * task.hidden, task.hidden);
  } else {
    const float* delta = static_cast<const float*>(task.delta);
    squares =
        add_and_square(residual, delta == nullptr ? delta : delta + row * task.hidden, task.hidden);
  }
  const float mean = squares / static_cast<float>(task.hidden);
  const float factor = 1.0F / __builtin_sqrtf(mean + task.epsilon);
  if (task.y_type == Element::kBF16) {
    scale<Bf16>(task, row, factor);
  } else {
    scale<float>(task, row, factor);
  }
}

}  // namespace

void residual_rms_norm(const RmsNormTask& task, const ParallelFor& threads) {
  threads.run(threads.pool, task.num_tokens, run_row, const_cast<RmsNormTask*>(&task));
}

}  // namespace fathom::kernels::FATHOM_ISA
