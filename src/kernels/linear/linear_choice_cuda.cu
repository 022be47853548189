// Measured choices by device, sizes and types.
#include "kernels/linear/linear_choice.h"

#include <bit>
#include <map>
#include <mutex>
#include <tuple>

#include "kernels/linear/linear_cuda.cuh"

namespace fathom::kernels::cuda {
namespace {

using Key = std::tuple<int, int64_t, int64_t, int64_t, Element, Element, Element, bool>;

Key key_of(const LinearTask& task) {
  int ordinal = 0;
  cudaGetDevice(&ordinal);
  return {ordinal,     choice_tokens(task.num_tokens),
          task.in,     task.out,
          task.x_type, task.w_type,
          task.y_type, task.accumulate};
}

struct Choices {
  std::mutex mutex;
  std::map<Key, LinearChoice> by_key;  // never erased from: what find_choice() gives stays
};

Choices& choices() {
  static Choices all;
  return all;
}

}  // namespace

int64_t choice_tokens(int64_t num_tokens) {
  return num_tokens <= 16 ? 16
                          : static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(num_tokens)));
}

const LinearChoice* find_choice(const LinearTask& task) {
  const Key key = key_of(task);
  Choices& all = choices();
  const std::lock_guard lock(all.mutex);
  const auto at = all.by_key.find(key);
  return at == all.by_key.end() ? nullptr : &at->second;
}

void remember_choice(const LinearTask& task, const LinearChoice& choice) {
  const Key key = key_of(task);
  Choices& all = choices();
  const std::lock_guard lock(all.mutex);
  all.by_key.insert_or_assign(key, choice);
}

}  // namespace fathom::kernels::cuda
