// What becomes of a row's sum: scales, bias, rotation and append, residual, gate, or logit.
#pragma once

#include "kernels/cuda/element.cuh"
#include "kernels/decode_row/weight_stream.cuh"

namespace fathom::kernels::cuda {

// What a lane of the finishing warp needs besides its two rows' sums, fetched while the weights
// are still on their way.
// Nothing is computed with it before the sums are there: that would wait for it.
template <typename T>
struct Prepared {
  float low_scale = 1;
  float high_scale = 1;
  float low_residual = 0;
  float high_residual = 0;
  T low_bias{};
  T high_bias{};
  float cosine = 0;
  float sine = 0;
};

template <typename T, typename C>
class RowFinisher {
 public:
  __device__ explicit RowFinisher(const DecodeRowTask& task)
      : task_(task), position_(task.positions[0]), slot_(task.slots[0]) {}

  __device__ Prepared<T> prepare(uint32_t kind, const DecodeRowLayerTask& layer,
                                 const float* scales, uint32_t low_row, uint32_t high_row) const {
    Prepared<T> p;
    if (scales != nullptr) {
      p.low_scale = __ldg(scales + low_row);
      p.high_scale = __ldg(scales + high_row);
    }
    if (kind == 0) {
      const auto* bias = static_cast<const T*>(layer.qkv_bias);
      if (bias != nullptr) {
        p.low_bias = bias[low_row];
        p.high_bias = bias[high_row];
      }
      const uint32_t half = task_.head_dim / 2;
      const float* turn = task_.cos_sin + static_cast<int64_t>(position_) * task_.head_dim;
      p.cosine = __ldg(turn + low_row % half);
      p.sine = __ldg(turn + half + low_row % half);
    } else if (kind == 1 || kind == 3) {
      p.low_residual = __ldcg(task_.residual + low_row);
      p.high_residual = __ldcg(task_.residual + high_row);
    }
    return p;
  }

  // Two rows of queries, keys or values: i and i + head_dim / 2 of a head.
  __device__ void finish_qkv(const Prepared<T>& p, const DecodeRowLayerTask& layer, uint32_t row,
                             float low, float high) const {
    const uint32_t head = row / task_.head_dim;
    const uint32_t half = task_.head_dim / 2;
    const float turned_low = low * p.cosine - high * p.sine;
    const float turned_high = high * p.cosine + low * p.sine;
    if (head < task_.num_heads) {
      T* q = static_cast<T*>(task_.q) + row;
      q[0] = narrow<T>(turned_low);
      q[half] = narrow<T>(turned_high);
      return;
    }
    if (slot_ < 0) return;
    const bool is_key = head < task_.num_heads + task_.num_kv_heads;
    const uint32_t kv_head = head - task_.num_heads - (is_key ? 0 : task_.num_kv_heads);
    const auto slot = static_cast<uint32_t>(slot_);
    const int64_t vector =
        (static_cast<int64_t>(slot / task_.block_tokens) * task_.num_kv_heads + kv_head) *
            task_.block_tokens +
        slot % task_.block_tokens;
    C* to = static_cast<C*>(is_key ? layer.keys : layer.values) + vector * task_.head_dim +
            row % task_.head_dim;
    to[0] = narrow<C>(is_key ? turned_low : low);
    to[half] = narrow<C>(is_key ? turned_high : high);
  }

  __device__ void finish(uint32_t kind, const Prepared<T>& p, const DecodeRowLayerTask& layer,
                         uint32_t low_row, uint32_t high_row, bool has_high, float low,
                         float high) const {
    low *= p.low_scale;
    high *= p.high_scale;
    if (kind == 0) {
      return finish_qkv(p, layer, low_row, low + widen(p.low_bias), high + widen(p.high_bias));
    }
    if (kind == 2) {
      static_cast<T*>(task_.gated)[low_row] =
          narrow<T>(__fdividef(low, 1.0F + __expf(-low)) * high);
      return;
    }
    if (kind == kHeadMatrix) {
      task_.logits[low_row] = low;
      if (has_high) task_.logits[high_row] = high;
      return;
    }
    task_.residual[low_row] = low + p.low_residual;
    if (has_high) task_.residual[high_row] = high + p.high_residual;
  }

 private:
  const DecodeRowTask& task_;
  int32_t position_;
  int32_t slot_;
};

}  // namespace fathom::kernels::cuda
