// Threads take chunks of a mebibyte; several vectors at a time keep the memory controller busy.
#include "kernels/cpu_kernels.h"
#include "kernels/simd/vector.h"

namespace fathom::kernels::FATHOM_ISA {
namespace {

constexpr int64_t kChunkWords = 1 << 17;
constexpr int64_t kLineWords = 8;
constexpr int kLines = 4;

// Without the alignment that the type would promise: an array may begin anywhere.
using Line = uint64_t __attribute__((vector_size(64), aligned(8), may_alias));

FATHOM_INLINE uint64_t sum_words(const int64_t* words, int64_t count) {
  Line sums[kLines] = {};
  int64_t i = 0;
  for (; i + kLines * kLineWords <= count; i += kLines * kLineWords) {
    __builtin_prefetch(words + i + 4 * kLines * kLineWords);
    for (int k = 0; k < kLines; ++k) {
      sums[k] += *reinterpret_cast<const Line*>(words + i + k * kLineWords);
    }
  }
  const Line all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  uint64_t sum = 0;
  for (int k = 0; k < kLineWords; ++k) sum += all[k];
  for (; i < count; ++i) sum += static_cast<uint64_t>(words[i]);
  return sum;
}

void run_chunk(void* context, int64_t chunk) {
  const auto& task = *static_cast<const ReadSumTask*>(context);
  const int64_t first = chunk * kChunkWords;
  const int64_t rest = task.count - first;
  const uint64_t sum = sum_words(task.x + first, rest < kChunkWords ? rest : kChunkWords);
  __atomic_fetch_add(reinterpret_cast<uint64_t*>(task.y), sum, __ATOMIC_RELAXED);
}

}  // namespace

void read_sum(const ReadSumTask& task, const ParallelFor& threads) {
  *task.y = 0;
  threads.run(threads.pool, (task.count + kChunkWords - 1) / kChunkWords, run_chunk,
              const_cast<ReadSumTask*>(&task));
}

}  // namespace fathom::kernels::FATHOM_ISA
