// Findings by device, sizes and types.
#include "kernels/linear/linear_choice.h"

#include <bit>
#include <map>
#include <mutex>
#include <set>
#include <tuple>

#include "kernels/linear/linear_cuda.cuh"

namespace fathom::kernels::cuda {
namespace {

using Key = std::tuple<int, int64_t, int64_t, int64_t, Element, Element, Element, bool>;

Key key_of(const LinearTask& task, int64_t tokens) {
  int ordinal = 0;
  cudaGetDevice(&ordinal);
  return {ordinal,     tokens,      task.in,     task.out,
          task.x_type, task.w_type, task.y_type, task.accumulate};
}

struct Findings {
  std::mutex mutex;
  std::map<Key, lt::Algorithm> algorithms;  // never erased from: what find_choice() gives stays
  std::set<Key> invariant;                  // of 0 tokens
};

Findings& findings() {
  static Findings all;
  return all;
}

}  // namespace

int64_t choice_tokens(int64_t num_tokens) {
  return num_tokens <= 16 ? 16
                          : static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(num_tokens)));
}

const lt::Algorithm* find_choice(const LinearTask& task) {
  const Key key = key_of(task, choice_tokens(task.num_tokens));
  Findings& all = findings();
  const std::lock_guard lock(all.mutex);
  const auto at = all.algorithms.find(key);
  return at == all.algorithms.end() ? nullptr : &at->second;
}

void remember_choice(const LinearTask& task, const lt::Algorithm& algorithm) {
  const Key key = key_of(task, choice_tokens(task.num_tokens));
  Findings& all = findings();
  const std::lock_guard lock(all.mutex);
  all.algorithms.insert_or_assign(key, algorithm);
}

bool is_invariant(const LinearTask& task) {
  Findings& all = findings();
  const std::lock_guard lock(all.mutex);
  return all.invariant.contains(key_of(task, 0));
}

void remember_invariant(const LinearTask& task) {
  Findings& all = findings();
  const std::lock_guard lock(all.mutex);
  all.invariant.insert(key_of(task, 0));
}

}  // namespace fathom::kernels::cuda
