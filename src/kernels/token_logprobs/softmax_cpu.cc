// The two passes of a softmax over one long row: maximum, and weights with their sum.
#include "kernels/cpu_kernels.h"
#include "kernels/simd/vector.h"

namespace fathom::kernels::FATHOM_ISA {
namespace {

// A NaN, and nothing else, is above no zero: it gets the weight of -infinity.
FATHOM_INLINE Floats weights_of(Floats logits, float max_logit, float scale) {
  const Floats shifted = (logits - max_logit) * scale;
  return exp(shifted <= 0.0F ? shifted : broadcast(-100.0F));
}

}  // namespace

float max_logit(const float* logits, int64_t count) {
  const Floats none = broadcast(-__builtin_inff());
  Floats most[4] = {none, none, none, none};
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    for (int k = 0; k < 4; ++k) {
      const Floats value = load(logits + i + k * kLanes);
      most[k] = value > most[k] ? value : most[k];
    }
  }
  float lanes[4 * kLanes];
  for (int k = 0; k < 4; ++k) store(lanes + k * kLanes, most[k]);
  float result = -__builtin_inff();
  for (const float lane : lanes) result = lane > result ? lane : result;
  for (; i < count; ++i) result = logits[i] > result ? logits[i] : result;
  return result;
}

double softmax_weights(const SoftmaxTask& task) {
  Doubles sums[2] = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= task.count; i += 2 * kLanes) {
    for (int k = 0; k < 2; ++k) {
      const int64_t at = i + k * kLanes;
      const Floats weights = weights_of(load(task.logits + at), task.max_logit, task.scale);
      if (task.weights != nullptr) store(task.weights + at, weights);
      sums[k] += __builtin_convertvector(weights, Doubles);
    }
  }
  double lanes[kLanes];
  sums[0] += sums[1];
  memcpy(lanes, sums, sizeof(lanes));
  double total = 0;
  for (const double lane : lanes) total += lane;
  while (i < task.count) {
    const int64_t rest = task.count - i < kLanes ? task.count - i : kLanes;
    const Floats weights =
        weights_of(load_up_to(task.logits + i, rest), task.max_logit, task.scale);
    float values[kLanes];
    store(values, weights);
    for (int64_t k = 0; k < rest; ++k) total += values[k];
    if (task.weights != nullptr) store_up_to(task.weights + i, weights, rest);
    i += rest;
  }
  return total;
}

}  // namespace fathom::kernels::FATHOM_ISA
