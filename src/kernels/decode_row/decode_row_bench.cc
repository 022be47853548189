// decode_row of the DeepSeek-LLM-7B shape on the first GPU, beside that GPU's read bandwidth.
#include "kernels/decode_row/decode_row.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <numeric>

#include "kernels/kernel_bench_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;
using tensor::Shape;
using tensor::View;

constexpr std::int64_t kLayers = 30;
constexpr std::int64_t kHidden = 4096;
constexpr std::int64_t kHeads = 32;
constexpr std::int64_t kHeadDim = 128;
constexpr std::int64_t kIntermediate = 11008;
constexpr std::int64_t kVocabRows = 102'400;
constexpr std::int64_t kBlockTokens = 16;

// Arrays on the GPU.
class GpuArrays {
 public:
  explicit GpuArrays(device::Device& device) : device_(device), stream_(*device.create_stream()) {
    std::mt19937 engine(1);
    std::normal_distribution<float> values;
    for (float& value : run_) value = values(engine);
  }

  device::Stream& stream() { return *stream_; }
  tensor::MutableView zeros(DType dtype, Shape shape) {
    tensor::MutableView view{nullptr, dtype, shape};
    auto buffer = device_.allocate(view.num_bytes(), device::Place::kDevice);
    CHECK(buffer.has_value(), "{}", buffer.error().text());
    view.data = buffer->data();
    buffers_.push_back(*std::move(buffer));
    return view;
  }
  // A repeated run of normal numbers.
  tensor::MutableView random(DType dtype, Shape shape, float scale) {
    const tensor::MutableView view = zeros(dtype, shape);
    std::vector<std::byte> bytes(run_.size() * tensor::size_bytes(dtype));
    const tensor::MutableView run{bytes.data(), dtype, {std::ssize(run_)}};
    for (std::int64_t i = 0; i < std::ssize(run_); ++i) {
      set(run, i, run_[static_cast<std::size_t>(i)] * scale);
    }
    for (std::size_t at = 0; at < view.num_bytes(); at += bytes.size()) {
      stream_->copy_to_device(static_cast<std::byte*>(view.data) + at, bytes.data(),
                              std::min(bytes.size(), view.num_bytes() - at));
    }
    CHECK(stream_->synchronize().has_value(), "the GPU failed");
    return view;
  }
  tensor::MutableView ints(const std::vector<std::int32_t>& values) {
    const tensor::MutableView view = zeros(DType::kI32, {std::ssize(values)});
    stream_->copy_to_device(view.data, values.data(), view.num_bytes());
    CHECK(stream_->synchronize().has_value(), "the GPU failed");
    return view;
  }

 private:
  device::Device& device_;
  std::unique_ptr<device::Stream> stream_;
  std::deque<device::Buffer> buffers_;
  std::vector<float> run_ = std::vector<float>((1 << 20) + 1);
};

struct ModelBytes {
  DecodeRowModel model;
  double read = 0;  // of one step, the cache apart
};

ModelBytes random_model(GpuArrays& arrays, DType weight_type, DType cache_type,
                        std::int64_t num_blocks) {
  ModelBytes made;
  const auto matrix = [&](std::int64_t out, std::int64_t in) {
    const float size = 1.0F / std::sqrt(static_cast<float>(in));
    const bool is_f8 = weight_type == DType::kF8E4M3;
    LinearWeight weight;
    weight.num_blocks = 1;
    weight.blocks[0].weight = arrays.random(weight_type, {out, in}, is_f8 ? 30.0F : size);
    if (is_f8) weight.blocks[0].scales = arrays.random(DType::kF32, {out}, size / 30);
    made.read += static_cast<double>(weight.blocks[0].weight.num_bytes());
    return weight;
  };
  const auto cache = [&] {
    return arrays.random(cache_type, {num_blocks, kHeads, kBlockTokens, kHeadDim}, 1.0F);
  };
  DecodeRowModel& model = made.model;
  for (std::int64_t i = 0; i < kLayers; ++i) {
    model.layers.push_back({.attention_norm = arrays.random(DType::kBF16, {kHidden}, 1.0F),
                            .qkv = matrix(3 * kHidden, kHidden),
                            .attention_output = matrix(kHidden, kHidden),
                            .mlp_norm = arrays.random(DType::kBF16, {kHidden}, 1.0F),
                            .gate_up = matrix(2 * kIntermediate, kHidden),
                            .down = matrix(kHidden, kIntermediate),
                            .kv = {cache(), cache(), {}, {}}});
  }
  model.embedding = arrays.random(DType::kBF16, {kVocabRows, kHidden}, 1.0F);
  model.final_norm = arrays.random(DType::kBF16, {kHidden}, 1.0F);
  model.head = matrix(kVocabRows, kHidden);
  model.cos_sin = arrays.random(DType::kF32, {num_blocks * kBlockTokens, 2, kHeadDim / 2}, 1.0F);
  model.num_heads = kHeads;
  model.scale = 1.0F / std::sqrt(static_cast<float>(kHeadDim));
  return made;
}

double read_bytes_per_second(GpuArrays& arrays) {
  const View source = arrays.zeros(DType::kI64, {std::int64_t{1} << 28});
  const tensor::MutableView sum = arrays.zeros(DType::kI64, {1});
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 6; ++i) {
    best = std::min(best, seconds_of([&] {
                      read_sum({.x = source, .y = sum}, arrays.stream());
                      CHECK(arrays.stream().synchronize().has_value(), "the GPU failed");
                    }));
  }
  return static_cast<double>(source.num_bytes()) / best;
}

void decode(benchmark::State& state, DType weight_type, DType cache_type, std::int64_t context) {
  auto device = device::open_device("cuda");
  if (!device) return state.SkipWithError(device.error().message.c_str());
  GpuArrays arrays(**device);
  const std::int64_t num_blocks = (context + kBlockTokens - 1) / kBlockTokens;
  const ModelBytes made = random_model(arrays, weight_type, cache_type, num_blocks);
  if (!supports_decode_row(made.model, arrays.stream())) {
    return state.SkipWithError("decode_row does not run on this GPU");
  }
  auto plan = DecodeRowPlan::create(made.model, arrays.stream());
  CHECK(plan.has_value(), "{}", plan.error().text());
  std::vector<std::int32_t> blocks(static_cast<std::size_t>(num_blocks));
  std::iota(blocks.begin(), blocks.end(), 0);
  tensor::MutableView table = arrays.ints(blocks);
  table.shape = {1, num_blocks};
  const auto position = static_cast<std::int32_t>(context - 1);
  const DecodeRowArgs args{.ids = arrays.ints({7}),
                           .batch = {.positions = arrays.ints({position}),
                                     .slots = arrays.ints({position}),
                                     .query_starts = arrays.ints({0, 1}),
                                     .context_lens = arrays.ints({position + 1}),
                                     .block_tables = table},
                           .logits = arrays.zeros(DType::kF32, {1, kVocabRows}),
                           .hidden_state = arrays.zeros(DType::kBF16, {1, kHidden})};
  constexpr int kSteps = 32;
  const double cache_bytes =
      static_cast<double>(2 * kLayers * kHeads * kHeadDim * context) *
      static_cast<double>(tensor::size_bytes(cache_type));
  report(state, (made.read + cache_bytes) * kSteps, [&] { return read_bytes_per_second(arrays); },
         [&] {
           for (int i = 0; i < kSteps; ++i) decode_row(*plan, args, arrays.stream());
           CHECK(arrays.stream().synchronize().has_value(), "the GPU failed");
         });
  state.counters["tokens_per_s"] =
      state.counters["G_per_s"] * 1e9 / (made.read + cache_bytes);
}

bool add_all() {
  for (const DType type : {DType::kBF16, DType::kF8E4M3}) {
    for (const std::int64_t context : {600, 2048}) {
      const std::string title =
          fmt::format("decode_row/deepseek-llm-7b/{}/context:{}", tensor::name(type), context);
      benchmark::RegisterBenchmark(title.c_str(), decode, type, type, context)->UseRealTime();
    }
  }
  return true;
}

const bool kAdded = add_all();

}  // namespace
}  // namespace fathom::kernels
