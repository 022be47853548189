// Which models decode_row runs, and the plan of their steps.
#include "kernels/decode_row/decode_row.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "footprint/scratch.h"
#include "kernels/cuda_kernels.h"
#include "kernels/element.h"

namespace fathom::kernels {

using tensor::DType;
using tensor::View;

namespace {

constexpr std::int64_t kCopyBytes = 16;  // what bulk copies take in size and alignment
// What the kernel's registers hold of a row.
constexpr std::int64_t kMaxHidden = 4096;
constexpr std::int64_t kMaxIntermediate = 20'480;
constexpr std::uint32_t kMaxStageBytes = 32 * 1024;
constexpr std::int64_t kMinSharedBytes = 200 * 1024;

bool is_aligned(const View& view) {
  return std::bit_cast<std::uintptr_t>(view.data) % kCopyBytes == 0;
}

bool is_norm(const View& norm, DType type) { return norm.dtype == type && is_aligned(norm); }

bool is_copied_in_bulk(const LinearWeight& weight, DType type, bool may_have_bias) {
  if (weight.num_blocks != 1) return false;
  const LinearBlock& block = weight.blocks[0];
  const bool is_f8 = block.weight.dtype == DType::kF8E4M3;
  const auto row_bytes =
      weight.in_features() * static_cast<std::int64_t>(tensor::size_bytes(block.weight.dtype));
  return (is_f8 ? !block.scales.empty() : block.weight.dtype == type) &&
         row_bytes % kCopyBytes == 0 && is_aligned(block.weight) &&
         (block.bias.empty() || (may_have_bias && block.bias.dtype == type));
}

bool is_supported(const DecodeRowLayer& layer, DType type) {
  return is_copied_in_bulk(layer.qkv, type, true) &&
         is_copied_in_bulk(layer.attention_output, type, false) &&
         is_copied_in_bulk(layer.gate_up, type, false) &&
         is_copied_in_bulk(layer.down, type, false) && is_norm(layer.attention_norm, type) &&
         is_norm(layer.mlp_norm, type) && layer.down.in_features() <= kMaxIntermediate &&
         (layer.kv.keys.dtype == type || layer.kv.keys.dtype == DType::kF8E4M3);
}

// Whether all layers have the types and shapes of the first.
bool is_uniform(const std::vector<DecodeRowLayer>& layers) {
  const auto same = [](const LinearWeight& a, const LinearWeight& b) {
    return a.blocks[0].weight.dtype == b.blocks[0].weight.dtype &&
           a.blocks[0].weight.shape == b.blocks[0].weight.shape;
  };
  return std::ranges::all_of(layers, [&](const DecodeRowLayer& layer) {
    const DecodeRowLayer& first = layers.front();
    return same(layer.qkv, first.qkv) && same(layer.attention_output, first.attention_output) &&
           same(layer.gate_up, first.gate_up) && same(layer.down, first.down) &&
           layer.kv.keys.dtype == first.kv.keys.dtype && layer.kv.keys.shape == first.kv.keys.shape;
  });
}

// pair_stride and shift as in DecodeRowMatrix; a stage of the stream has up to 4 rows.
DecodeRowMatrix matrix_of(const LinearWeight& weight, std::int64_t pair_stride,
                          std::uint32_t pair_shift, int num_multiprocessors) {
  const View& view = weight.blocks[0].weight;
  const std::int64_t units = pair_stride == 0 ? view.shape[0] : view.shape[0] / 2;
  const auto row_bytes = static_cast<std::uint32_t>(view.shape[1]) *
                         static_cast<std::uint32_t>(tensor::size_bytes(view.dtype));
  return {.in = static_cast<std::uint32_t>(view.shape[1]),
          .row_bytes = row_bytes,
          .pair_stride = static_cast<std::uint32_t>(pair_stride),
          .pair_shift = pair_shift,
          .units_each = static_cast<std::uint32_t>(units / num_multiprocessors),
          .units_rest = static_cast<std::uint32_t>(units % num_multiprocessors),
          .stage_rows = kDecodeRowStageRows,
          .is_f8 = view.dtype == DType::kF8E4M3};
}

// Of the down projection, whose rows are long: as many as the kernel's registers hold of the
// vector, and fewer if the stages get so large that much of the ring is waiting for one.
std::uint32_t inner_stage_rows(const DecodeRowMatrix& matrix) {
  std::uint32_t rows = kDecodeRowStageRows;
  while (rows > 1 && (matrix.in > decode_row_inner_columns(matrix.is_f8, rows) ||
                      rows * matrix.row_bytes > kMaxStageBytes)) {
    rows /= 2;
  }
  return rows;
}

const float* scales_of(const LinearWeight& weight) {
  const View& scales = weight.blocks[0].scales;
  if (scales.empty()) return nullptr;
  check_shape(scales, "decode_row scales", {weight.out_features()});
  return scales.as<float>();
}

DecodeRowLayerTask layer_task(const DecodeRowLayer& layer) {
  DecodeRowLayerTask task;
  const LinearWeight* const matrices[] = {&layer.qkv, &layer.attention_output, &layer.gate_up,
                                          &layer.down};
  for (std::size_t i = 0; i < std::size(matrices); ++i) {
    task.weights[i] = matrices[i]->blocks[0].weight.data;
    task.scales[i] = scales_of(*matrices[i]);
  }
  task.qkv_bias = layer.qkv.blocks[0].bias.data;
  task.attention_norm = layer.attention_norm.data;
  task.mlp_norm = layer.mlp_norm.data;
  task.keys = layer.kv.keys.data;
  task.values = layer.kv.values.data;
  return task;
}

// Stops unless the arrays have the shapes of the contract.
void check_model(const DecodeRowModel& model) {
  const std::int64_t hidden = model.embedding.shape[1];
  const PagedKv& kv = model.layers.front().kv;
  const std::int64_t q_size = model.num_heads * kv.head_dim();
  const std::int64_t intermediate = model.layers.front().down.in_features();
  CHECK(model.num_heads % kv.num_kv_heads() == 0, "{} heads read {} KV heads", model.num_heads,
        kv.num_kv_heads());
  for (const DecodeRowLayer& layer : model.layers) {
    check_shape(layer.attention_norm, "decode_row attention_norm", {hidden});
    check_shape(layer.mlp_norm, "decode_row mlp_norm", {hidden});
    check_shape(layer.qkv.blocks[0].weight, "decode_row qkv",
                {q_size + 2 * kv.num_kv_heads() * kv.head_dim(), hidden});
    check_shape(layer.attention_output.blocks[0].weight, "decode_row attention_output",
                {hidden, q_size});
    check_shape(layer.gate_up.blocks[0].weight, "decode_row gate_up", {2 * intermediate, hidden});
    check_shape(layer.down.blocks[0].weight, "decode_row down", {hidden, intermediate});
  }
  check_shape(model.head.blocks[0].weight, "decode_row head", model.embedding.shape);
  check_shape(model.final_norm, "decode_row final_norm", {hidden});
  check_shape(model.cos_sin, "decode_row cos_sin", {model.cos_sin.shape[0], 2, kv.head_dim() / 2});
}

}  // namespace

bool supports_decode_row(const DecodeRowModel& model, device::Stream& stream) {
  if (!on_cuda(stream) || model.layers.empty() || model.layers.size() > kMaxDecodeRowLayers) {
    return false;
  }
  const CudaQueue queue = cuda_queue(stream);
  if (queue.architecture < 90 || queue.max_shared_bytes < kMinSharedBytes) return false;
  const DType type = model.embedding.dtype;
  const PagedKv& kv = model.layers.front().kv;
  const std::int64_t dim = kv.head_dim();
  const bool has_types =
      (type == DType::kBF16 || type == DType::kF16) && is_norm(model.final_norm, type) &&
      is_copied_in_bulk(model.head, type, false) &&
      std::ranges::all_of(model.layers, [&](const auto& each) { return is_supported(each, type); });
  return has_types && is_uniform(model.layers) && model.embedding.shape[1] <= kMaxHidden &&
         model.num_heads * dim <= kMaxHidden &&
         (dim == 16 || dim == 32 || dim == 64 || dim == 128) &&
         std::has_single_bit(static_cast<std::uint64_t>(kv.block_tokens())) &&
         model.num_heads <= queue.num_multiprocessors;
}

base::Result<DecodeRowPlan> DecodeRowPlan::create(const DecodeRowModel& model,
                                                  device::Stream& stream) {
  CHECK(supports_decode_row(model, stream), "decode_row of a model that it does not support");
  check_model(model);
  const CudaQueue queue = cuda_queue(stream);
  const int num_multiprocessors = queue.num_multiprocessors;
  const DecodeRowLayer& first = model.layers.front();
  DecodeRowPlan plan;
  DecodeRowTask& task = plan.task_;
  const std::int64_t half = first.kv.head_dim() / 2;
  const std::int64_t intermediate = first.down.in_features();
  const auto half_shift =
      static_cast<std::uint32_t>(std::countr_zero(static_cast<std::uint64_t>(half)));
  task.matrices[0] = matrix_of(first.qkv, half, half_shift, num_multiprocessors);
  task.matrices[1] = matrix_of(first.attention_output, 0, 31, num_multiprocessors);
  task.matrices[2] = matrix_of(first.gate_up, intermediate, 31, num_multiprocessors);
  task.matrices[3] = matrix_of(first.down, 0, 31, num_multiprocessors);
  task.matrices[3].stage_rows = inner_stage_rows(task.matrices[3]);
  task.matrices[4] = matrix_of(model.head, 0, 31, num_multiprocessors);
  task.embedding = model.embedding.data;
  task.final_norm = model.final_norm.data;
  task.head = model.head.blocks[0].weight.data;
  task.head_scales = scales_of(model.head);
  task.cos_sin = model.cos_sin.as<float>();
  std::ranges::transform(model.layers, task.layers, layer_task);
  task.num_layers = static_cast<std::uint32_t>(model.layers.size());
  task.hidden = static_cast<std::uint32_t>(model.embedding.shape[1]);
  task.vocab_rows = static_cast<std::uint32_t>(model.embedding.shape[0]);
  task.num_heads = static_cast<std::uint32_t>(model.num_heads);
  task.num_kv_heads = static_cast<std::uint32_t>(first.kv.num_kv_heads());
  task.head_dim = static_cast<std::uint32_t>(first.kv.head_dim());
  task.block_tokens = static_cast<std::uint32_t>(first.kv.block_tokens());
  task.num_splits = static_cast<std::uint32_t>(
      footprint::decode_row_splits(num_multiprocessors, model.num_heads));
  task.epsilon = model.epsilon;
  task.scale = model.scale;
  task.type = element_of(model.embedding, "decode_row", {DType::kBF16, DType::kF16});
  task.cache_type =
      element_of(first.kv.keys, "decode_row cache", {model.embedding.dtype, DType::kF8E4M3});
  TRY(plan.allocate(stream.device()));
  return plan;
}

base::Result<void> DecodeRowPlan::allocate(device::Device& device) {
  DecodeRowTask& task = task_;
  const footprint::DecodeRowArrays arrays =
      footprint::decode_row_arrays({.hidden_size = task.hidden,
                                    .intermediate_size = task.matrices[3].in,
                                    .num_heads = task.num_heads,
                                    .head_dim = task.head_dim,
                                    .num_multiprocessors = num_multiprocessors(device)});
  memory_ = TRY(device.allocate(static_cast<std::size_t>(arrays.end)));
  const auto at = [&](std::int64_t offset) {
    return static_cast<void*>(static_cast<std::byte*>(memory_.data()) + offset);
  };
  task.barrier = static_cast<std::uint64_t*>(at(arrays.barrier));
  task.residual = static_cast<float*>(at(arrays.residual));
  task.q = at(arrays.queries);
  task.split_sums = static_cast<std::uint64_t*>(at(arrays.split_sums));
  task.attended = at(arrays.attended);
  task.gated = at(arrays.gated);
  return {};
}

void decode_row(const DecodeRowPlan& plan, const DecodeRowArgs& args, device::Stream& stream) {
  DecodeRowTask task = plan.task();
  check_shape(args.ids, "decode_row ids", {1});
  CHECK(args.batch.num_tokens() == 1 && args.batch.num_sequences() == 1,
        "decode_row of {} rows in {} sequences", args.batch.num_tokens(),
        args.batch.num_sequences());
  check_shape(args.logits, "decode_row logits", {1, task.vocab_rows});
  check_shape(args.hidden_state, "decode_row hidden_state", {1, task.hidden});
  CHECK(element_of(args.hidden_state, "decode_row hidden_state", {DType::kBF16, DType::kF16}) ==
            task.type,
        "decode_row hidden_state of another type than the model");
  task.ids = args.ids.as<std::int32_t>();
  task.positions = args.batch.positions.as<std::int32_t>();
  task.slots = args.batch.slots.as<std::int32_t>();
  task.context_lens = args.batch.context_lens.as<std::int32_t>();
  task.block_tables = args.batch.block_tables.as<std::int32_t>();
  task.max_blocks = static_cast<std::uint32_t>(args.batch.block_tables.shape[1]);
  task.logits = args.logits.as<float>();
  task.hidden_state = args.hidden_state.data;
  cuda_kernels().decode_row(task, cuda_queue(stream));
}

}  // namespace fathom::kernels
