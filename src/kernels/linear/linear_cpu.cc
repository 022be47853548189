// Matrix times weights in register tiles: kRows weight rows by up to kTokens token rows.
//
// Every output is one vector accumulator that runs over `in` in steps of a vector (two for bf16
// pairs), then one partial step, then the fixed tree of sum(). Neither tile sizes, nor blocks of
// `in`, nor threads change that order: accumulators are carried between blocks as they are.
#include "kernels/cpu_kernels.h"
#include "kernels/simd/vector.h"

namespace fathom::kernels::FATHOM_ISA {
namespace {

// 4 x 6 accumulators, 4 weights and 1 token vector in flight fit 32 registers; where there are
// 16, 4 x 2 do.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kTokens = 6;
#else
constexpr int kTokens = 2;
#endif
constexpr int kRows = 4;
// Rows of one parallel task: enough work for a token or two, enough tasks for many cores.
constexpr int64_t kTaskRows = 32;
// Elements of `in` a block covers: kRows weight rows and a tile of tokens stay in the first-level
// cache, all tokens of a block in the second.
constexpr int64_t kBlockIn = 1024;
// Token rows per pass over the weights: their accumulators wait in a buffer of
// kTaskRows * kPassTokens vectors between blocks of `in`.
constexpr int64_t kPassTokens = 96;

// One step over a vector's worth of `in`.
template <typename X, typename W>
struct Step {
  using Weight = Floats;
  static constexpr int64_t kWidth = kLanes;
  static FATHOM_INLINE Floats weight(const W* w) { return load(w); }
  static FATHOM_INLINE Floats add(Floats sum, Floats w, const X* x) { return sum + load(x) * w; }
  static FATHOM_INLINE Floats weight_first(const W* w, int64_t count) {
    return load_first(w, count);
  }
  static FATHOM_INLINE Floats add_first(Floats sum, Floats w, const X* x, int64_t count) {
    return sum + load_first(x, count) * w;
  }
};

#if defined(__AVX512BF16__)
// Pairs of bf16 multiplied and added in one instruction.
template <>
struct Step<Bf16, Bf16> {
  using Weight = __m512bh;
  static constexpr int64_t kWidth = 2 * kLanes;
  static FATHOM_INLINE __m512bh weight(const Bf16* w) {
    return as_bits<__m512bh>(_mm512_loadu_si512(w));
  }
  static FATHOM_INLINE Floats add(Floats sum, __m512bh w, const Bf16* x) {
    return as_bits<Floats>(_mm512_dpbf16_ps(as_bits<__m512>(sum), w, weight(x)));
  }
  static FATHOM_INLINE __m512bh weight_first(const Bf16* w, int64_t count) {
    const __mmask32 mask = static_cast<__mmask32>((uint64_t{1} << count) - 1);
    return as_bits<__m512bh>(_mm512_maskz_loadu_epi16(mask, w));
  }
  static FATHOM_INLINE Floats add_first(Floats sum, __m512bh w, const Bf16* x, int64_t count) {
    return as_bits<Floats>(_mm512_dpbf16_ps(as_bits<__m512>(sum), w, weight_first(x, count)));
  }
};
#endif

// accumulators[row][token] += w[row] . x[token] over `count` elements.
template <typename X, typename W, int kNumRows, int kNumTokens>
FATHOM_INLINE void run_tile(const X* x, const W* w, int64_t in, int64_t count,
                            Floats (&accumulators)[kNumRows][kNumTokens]) {
  using S = Step<X, W>;
  int64_t i = 0;
  for (; i + S::kWidth <= count; i += S::kWidth) {
    typename S::Weight weights[kNumRows];
    for (int row = 0; row < kNumRows; ++row) {
      weights[row] = S::weight(w + row * in + i);
      // Eight cache lines ahead: hides the distance to memory in a decode step.
      __builtin_prefetch(w + row * in + i + 512 / static_cast<int64_t>(sizeof(W)));
    }
    for (int token = 0; token < kNumTokens; ++token) {
      for (int row = 0; row < kNumRows; ++row) {
        accumulators[row][token] =
            S::add(accumulators[row][token], weights[row], x + token * in + i);
      }
    }
  }
  if (i == count) return;
  for (int row = 0; row < kNumRows; ++row) {
    const auto weight = S::weight_first(w + row * in + i, count - i);
    for (int token = 0; token < kNumTokens; ++token) {
      accumulators[row][token] =
          S::add_first(accumulators[row][token], weight, x + token * in + i, count - i);
    }
  }
}

FATHOM_INLINE float element(const void* data, Element type, int64_t index) {
  Bf16 narrow_value;
  F16 half_value;
  switch (type) {
    case Element::kF32:
      return static_cast<const float*>(data)[index];
    case Element::kBF16:
      narrow_value = static_cast<const Bf16*>(data)[index];
      return load_first(&narrow_value, 1)[0];
    case Element::kF16:
      half_value = static_cast<const F16*>(data)[index];
      return load_first(&half_value, 1)[0];
    case Element::kI8:      // the KV cache's alone
    case Element::kF8E4M3:  // the GPU's alone
      break;
  }
  return 0.0F;
}

FATHOM_INLINE void write(const LinearTask& task, int64_t token, int64_t row, float value) {
  if (task.bias != nullptr) value += element(task.bias, task.bias_type, row);
  const int64_t index = token * task.y_stride + row;
  if (task.y_type == Element::kF32) {
    float* y = static_cast<float*>(task.y) + index;
    *y = task.accumulate ? *y + value : value;
  } else {
    store_first(static_cast<Bf16*>(task.y) + index, broadcast(value), 1);
  }
}

// One tile over one block of `in`. Accumulators come from and go to `carried` unless the block
// is the first or the last.
template <typename X, typename W, int kNumRows, int kNumTokens>
void run_block(const LinearTask& task, int64_t row, int64_t token, int64_t first_in,
               Floats* carried) {
  Floats accumulators[kNumRows][kNumTokens] = {};
  if (first_in > 0) memcpy(accumulators, carried, sizeof(accumulators));
  const int64_t count = task.in - first_in < kBlockIn ? task.in - first_in : kBlockIn;
  const X* x = static_cast<const X*>(task.x) + token * task.in + first_in;
  const W* w = static_cast<const W*>(task.w) + row * task.in + first_in;
  run_tile<X, W, kNumRows, kNumTokens>(x, w, task.in, count, accumulators);
  if (first_in + count < task.in) {
    memcpy(carried, accumulators, sizeof(accumulators));
    return;
  }
  for (int r = 0; r < kNumRows; ++r) {
    for (int t = 0; t < kNumTokens; ++t) write(task, token + t, row + r, sum(accumulators[r][t]));
  }
}

template <typename X, typename W, int kNumRows>
FATHOM_INLINE void run_tokens(const LinearTask& task, int64_t row, int64_t token,
                              int64_t num_tokens, int64_t first_in, Floats* carried) {
  switch (num_tokens) {
    case 1:
      return run_block<X, W, kNumRows, 1>(task, row, token, first_in, carried);
    case 2:
      return run_block<X, W, kNumRows, 2>(task, row, token, first_in, carried);
#if defined(__AVX512F__) || defined(__aarch64__)
    case 3:
      return run_block<X, W, kNumRows, 3>(task, row, token, first_in, carried);
    case 4:
      return run_block<X, W, kNumRows, 4>(task, row, token, first_in, carried);
    case 5:
      return run_block<X, W, kNumRows, 5>(task, row, token, first_in, carried);
    case 6:
      return run_block<X, W, kNumRows, 6>(task, row, token, first_in, carried);
#endif
    default:
      return;
  }
}

// All tokens of a pass against rows [first_row, last_row).
template <typename X, typename W>
void run_pass(const LinearTask& task, int64_t first_row, int64_t last_row, int64_t first_token) {
  const int64_t rest = task.num_tokens - first_token;
  const int64_t last_token = first_token + (rest < kPassTokens ? rest : kPassTokens);
  Floats carried[kTaskRows * kPassTokens];
  for (int64_t first_in = 0; first_in < task.in; first_in += kBlockIn) {
    Floats* slot = carried;
    int64_t row = first_row;
    for (; row + kRows <= last_row; row += kRows) {
      for (int64_t token = first_token; token < last_token; token += kTokens) {
        const int64_t tokens = last_token - token < kTokens ? last_token - token : kTokens;
        run_tokens<X, W, kRows>(task, row, token, tokens, first_in, slot);
        slot += kRows * tokens;
      }
    }
    for (; row < last_row; ++row) {
      for (int64_t token = first_token; token < last_token; token += kTokens) {
        const int64_t tokens = last_token - token < kTokens ? last_token - token : kTokens;
        run_tokens<X, W, 1>(task, row, token, tokens, first_in, slot);
        slot += tokens;
      }
    }
  }
}

template <typename X, typename W>
void run_rows(void* context, int64_t index) {
  const auto& task = *static_cast<const LinearTask*>(context);
  const int64_t first_row = index * kTaskRows;
  const int64_t rest = task.out - first_row;
  const int64_t last_row = first_row + (rest < kTaskRows ? rest : kTaskRows);
  for (int64_t token = 0; token < task.num_tokens; token += kPassTokens) {
    run_pass<X, W>(task, first_row, last_row, token);
  }
}

}  // namespace

void linear(const LinearTask& task, const ParallelFor& threads) {
  auto* body = run_rows<float, float>;
  if (task.x_type == Element::kBF16) {
    body = run_rows<Bf16, Bf16>;
  } else if (task.w_type == Element::kBF16) {
    body = run_rows<float, Bf16>;
  } else if (task.w_type == Element::kF16) {
    body = run_rows<float, F16>;
  }
  const int64_t num_tasks = (task.out + kTaskRows - 1) / kTaskRows;
  threads.run(threads.pool, num_tasks, body, const_cast<LinearTask*>(&task));
}

}  // namespace fathom::kernels::FATHOM_ISA
