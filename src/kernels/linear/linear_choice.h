// What prepare_linear() measured to be fastest, for the process's life. Thread-safe.
#pragma once

#include <optional>

#include "kernels/cuda/cublaslt_api.h"
#include "kernels/kernel_tasks.h"

namespace fathom::kernels::cuda {

struct LinearChoice {
  bool is_streamed = false;  // linear_stream(); else by the library
  lt::Algorithm algorithm{};
};

// Products with up to so many tokens share a choice: 16, 32, 64, ...
int64_t choice_tokens(int64_t num_tokens);

// Null where nothing was measured for the current device and the task's sizes and types.
const LinearChoice* find_choice(const LinearTask& task);
void remember_choice(const LinearTask& task, const LinearChoice& choice);

}  // namespace fathom::kernels::cuda
