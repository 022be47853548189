// What prepare_linear() found out about products, for the process's life. Thread-safe.
#pragma once

#include "kernels/cuda/cublaslt_api.h"
#include "kernels/kernel_tasks.h"

namespace fathom::kernels::cuda {

// Products with up to so many tokens share an algorithm: 16, 32, 64, ...
int64_t choice_tokens(int64_t num_tokens);

// The library's algorithm that was fastest; null where nothing was measured for the current device
// and the task's sizes and types.
const lt::Algorithm* find_choice(const LinearTask& task);
void remember_choice(const LinearTask& task, const lt::Algorithm& algorithm);

// Whether the library was found to give a row the same bits whatever the number of tokens.
bool is_invariant(const LinearTask& task);
void remember_invariant(const LinearTask& task);

}  // namespace fathom::kernels::cuda
