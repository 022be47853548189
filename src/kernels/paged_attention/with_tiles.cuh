// From a task's types and head dimension to the tiles that a kernel is made for.
#pragma once

#include "kernels/paged_attention/attention_tiles.cuh"

namespace fathom::kernels::cuda {

// Calls f.operator()<X, Tiles<Cache, dim>>() for a task's types and head dimension: bf16 queries
// over bf16, f16 over f16, and either over bytes; heads of 128 or else of 64.
template <typename F>
void with_tiles(const AttentionTask& task, const F& f) {
  const auto by_dim = [&]<typename X, typename Cache>() {
    if (task.head_dim == 128) return f.template operator()<X, Tiles<Cache, 128>>();
    f.template operator()<X, Tiles<Cache, 64>>();
  };
  const auto over_bytes = [&]<typename X>() {
    if (task.cache_type == Element::kI8) return by_dim.template operator()<X, int8_t>();
    by_dim.template operator()<X, __nv_fp8_e4m3>();
  };
  if (task.cache_type == Element::kBF16) {
    return by_dim.template operator()<__nv_bfloat16, __nv_bfloat16>();
  }
  if (task.cache_type == Element::kF16) return by_dim.template operator()<__half, __half>();
  if (task.activation_type == Element::kF16) return over_bytes.template operator()<__half>();
  over_bytes.template operator()<__nv_bfloat16>();
}

}  // namespace fathom::kernels::cuda
