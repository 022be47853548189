// What a kernel of any back end gets: plain pointers, sizes and element types.
//
// The operations' entry points check views and shapes, fill one of these in and hand it to the
// back end's function. No other header is pulled in: code that is compiled for one instruction set
// or by the GPU's compiler must share no inline function with the rest.
#pragma once

#include <stdint.h>

namespace fathom::kernels {

enum class Element : uint8_t { kF32, kBF16, kF16, kI8, kF8E4M3 };

// In token_counts: the token stands in the prompt. The other 31 bits count it in the answer.
inline constexpr int32_t kInPrompt = INT32_MIN;

struct LinearTask {
  const void* x = nullptr;  // [num_tokens, in]
  const void* w = nullptr;  // [out, in]
  const void* bias = nullptr;
  const float* w_scales = nullptr;  // [out], of a kF8E4M3 weight
  const float* x_scales = nullptr;  // [num_tokens], of a kF8E4M3 x
  void* y = nullptr;                // first of `out` columns in rows of y_stride elements
  void* workspace = nullptr;        // the GPU's alone
  int64_t workspace_bytes = 0;
  int64_t num_tokens = 0;
  int64_t in = 0;
  int64_t out = 0;
  int64_t y_stride = 0;
  Element x_type{}, w_type{}, bias_type{}, y_type{};
  bool accumulate = false;
  bool batch_invariant = false;  // the CPU always is
};

// A product to be expected, for the GPU to find the fastest way before.
struct LinearShapeTask {
  int64_t in = 0;
  int64_t out = 0;
  Element x_type{}, w_type{}, y_type{};
  bool accumulate = false;
  bool batch_invariant = false;
};

struct RmsNormTask {
  const float* x = nullptr;
  const void* weight = nullptr;
  void* y = nullptr;
  float* y_scales = nullptr;  // of a kF8E4M3 y
  int64_t num_tokens = 0;
  int64_t hidden = 0;
  float epsilon = 0;
  Element weight_type{}, y_type{};
};

struct RopeTask {
  const void* qkv = nullptr;
  const float* cos_sin = nullptr;
  const int32_t* positions = nullptr;
  const int32_t* slots = nullptr;
  void* q = nullptr;
  void* keys = nullptr;
  void* values = nullptr;
  float* key_scales = nullptr;  // of a kI8 cache, as value_scales
  float* value_scales = nullptr;
  int64_t num_tokens = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t block_tokens = 0;
  Element activation_type{}, cache_type{};
};

struct AttentionTask {
  const void* q = nullptr;
  const void* keys = nullptr;
  const void* values = nullptr;
  const float* key_scales = nullptr;  // of a kI8 cache, as value_scales
  const float* value_scales = nullptr;
  const int32_t* positions = nullptr;
  const int32_t* query_starts = nullptr;
  const int32_t* context_lens = nullptr;
  const int32_t* block_tables = nullptr;
  void* y = nullptr;
  float* workspace = nullptr;  // CUDA only
  int64_t num_tokens = 0;
  int64_t num_sequences = 0;
  int64_t max_query_rows = 0;
  int64_t max_blocks = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t block_tokens = 0;
  float scale = 0;
  bool batch_invariant = false;
  Element activation_type{}, cache_type{};
};

struct SiluMulTask {
  const void* gate_up = nullptr;
  void* y = nullptr;
  float* y_scales = nullptr;  // of a kF8E4M3 y
  int64_t num_tokens = 0;
  int64_t intermediate = 0;
  Element gate_up_type{}, y_type{};
};

struct QuantizeRowsTask {
  const void* x = nullptr;  // [num_rows, width]
  void* y = nullptr;
  float* scales = nullptr;
  int64_t num_rows = 0;
  int64_t width = 0;
  Element x_type{};
};

struct EmbeddingTask {
  const int32_t* ids = nullptr;
  const void* table = nullptr;
  float* y = nullptr;
  int64_t num_tokens = 0;
  int64_t vocab_rows = 0;
  int64_t hidden = 0;
  Element table_type{};
};

struct GatherRowsTask {
  const void* x = nullptr;  // [num_tokens, width]
  const int32_t* rows = nullptr;
  void* y = nullptr;
  int64_t num_tokens = 0;
  int64_t num_rows = 0;
  int64_t row_bytes = 0;
};

struct FeedTokensTask {
  const int32_t* sources = nullptr;
  const int32_t* last_tokens = nullptr;
  int32_t* ids = nullptr;
  int64_t count = 0;
  int64_t num_slots = 0;
};

struct StoreTokensTask {
  const int32_t* slots = nullptr;
  const int32_t* tokens = nullptr;
  int32_t* last_tokens = nullptr;
  int64_t count = 0;
  int64_t num_slots = 0;
};

struct CountTokensTask {
  const int32_t* slots = nullptr;
  const int32_t* tokens = nullptr;
  const int32_t* is_prompt = nullptr;
  int32_t* token_counts = nullptr;  // [num_slots, vocab_rows]
  int64_t count = 0;
  int64_t num_slots = 0;
  int64_t vocab_rows = 0;
};

struct ClearCountsTask {
  const int32_t* slots = nullptr;
  int32_t* token_counts = nullptr;
  int64_t count = 0;
  int64_t num_slots = 0;
  int64_t vocab_rows = 0;
};

struct PoolRowsTask {
  const void* x = nullptr;  // [num_rows, hidden]
  const int32_t* slots = nullptr;
  float* y = nullptr;  // [num_slots, hidden]
  int64_t num_rows = 0;
  int64_t num_slots = 0;
  int64_t hidden = 0;
  Element x_type{};
};

struct ClearPoolsTask {
  const int32_t* slots = nullptr;
  float* y = nullptr;
  int64_t count = 0;
  int64_t num_slots = 0;
  int64_t hidden = 0;
};

struct TokenLogprobsTask {
  const float* logits = nullptr;
  const int32_t* targets = nullptr;
  float* y = nullptr;
  int64_t num_rows = 0;
  int64_t vocab_rows = 0;
  int64_t num_valid_tokens = 0;
};

struct TopLogprobsTask {
  const float* logits = nullptr;
  const int32_t* targets = nullptr;
  int32_t* ids = nullptr;
  float* logprobs = nullptr;
  float* target_logprobs = nullptr;
  int32_t* target_ranks = nullptr;
  int64_t num_rows = 0;
  int64_t vocab_rows = 0;
  int64_t num_valid_tokens = 0;
  int64_t k = 0;
};

struct ReadSumTask {
  const int64_t* x = nullptr;
  int64_t* y = nullptr;
  int64_t count = 0;
};

// Null pointers switch a part off: see LogitAdjustments.
struct SampleTask {
  const float* logits = nullptr;
  const float* temperature = nullptr;
  const int32_t* top_k = nullptr;
  const float* top_p = nullptr;
  const float* min_p = nullptr;
  const int64_t* seeds = nullptr;
  const int64_t* counters = nullptr;
  const int32_t* penalty_slots = nullptr;
  const int32_t* token_counts = nullptr;
  const float* repetition_penalty = nullptr;
  const float* presence_penalty = nullptr;
  const float* frequency_penalty = nullptr;
  const int32_t* bias_starts = nullptr;
  const int32_t* bias_tokens = nullptr;
  const float* bias_values = nullptr;
  const int32_t* masks = nullptr;
  const int32_t* mask_rows = nullptr;
  float* workspace = nullptr;
  int32_t* tokens = nullptr;
  float* logprobs = nullptr;
  int64_t num_rows = 0;
  int64_t vocab_rows = 0;
  int64_t num_valid_tokens = 0;
};

// One weight matrix of decode_row, as every layer has it.
struct DecodeRowMatrix {
  uint32_t in = 0;
  uint32_t row_bytes = 0;
  // Rows are dealt to the multiprocessors by units: single rows, or pairs that must meet (the
  // halves of a rotation, gate and up). Unit u is row (u >> shift << (shift + 1)) + (u % 2^shift)
  // and, pair_stride rows below, its partner; a pair_stride of 0 means single rows.
  uint32_t pair_stride = 0;
  uint32_t pair_shift = 31;
  uint32_t units_each = 0;  // units / multiprocessors
  uint32_t units_rest = 0;  // units % multiprocessors
  uint32_t stage_rows = 0;  // 1, 2 or 4
  bool is_f8 = false;       // e4m3 with a scale for each row; else of the activations' type
};

// Of one layer. The matrices: QKV, attention output, gate/up, down.
struct DecodeRowLayerTask {
  const void* weights[4] = {};
  const float* scales[4] = {};
  const void* qkv_bias = nullptr;  // may be null; of the activations' type, as the norms
  const void* attention_norm = nullptr;
  const void* mlp_norm = nullptr;
  void* keys = nullptr;
  void* values = nullptr;
};

inline constexpr int kMaxDecodeRowLayers = 64;
inline constexpr uint32_t kDecodeRowStageRows = 4;  // of a stage of the stream, at most

// How many columns of an inner matrix (down) the kernel's registers hold, with so many rows in a
// stage: of 16 warps times 4 lanes times 8 / stage_rows parts.
constexpr uint32_t decode_row_inner_columns(bool is_f8, uint32_t stage_rows) {
  return 16 * 4 * (8 / stage_rows) * (is_f8 ? 3 * 16 : 5 * 8);
}

struct DecodeRowTask {
  DecodeRowLayerTask layers[kMaxDecodeRowLayers];
  DecodeRowMatrix matrices[5];  // the layers' four and the head
  const void* embedding = nullptr;
  const void* final_norm = nullptr;
  const void* head = nullptr;
  const float* head_scales = nullptr;
  const float* cos_sin = nullptr;
  // Of the step.
  const int32_t* ids = nullptr;
  const int32_t* positions = nullptr;
  const int32_t* slots = nullptr;
  const int32_t* context_lens = nullptr;
  const int32_t* block_tables = nullptr;
  float* logits = nullptr;
  void* hidden_state = nullptr;
  // Workspace.
  uint64_t* barrier = nullptr;     // arrivals of all steps; starts as 0
  float* residual = nullptr;       // [hidden]
  void* q = nullptr;               // [num_heads, head_dim]
  uint64_t* split_sums = nullptr;  // [num_heads, num_splits, head_dim + 2]
  void* attended = nullptr;        // [num_heads, head_dim]
  void* gated = nullptr;           // [intermediate]
  uint32_t num_layers = 0;
  uint32_t hidden = 0;
  uint32_t vocab_rows = 0;
  uint32_t num_heads = 0;
  uint32_t num_kv_heads = 0;
  uint32_t head_dim = 0;      // a power of two
  uint32_t block_tokens = 0;  // a power of two
  uint32_t max_blocks = 0;
  uint32_t num_splits = 0;
  uint32_t ring_bytes = 0;  // of the stream's ring in shared memory; the launch sets it
  float epsilon = 0;
  float scale = 0;  // of the scores
  Element type{}, cache_type{};
};

}  // namespace fathom::kernels
