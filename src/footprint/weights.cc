// Walks through a model's arrays in the order in which they are packed.
#include "footprint/weights.h"

#include "base/checked.h"
#include "footprint/array_layout.h"

namespace fathom::footprint {
namespace {

std::int64_t element_bytes(tensor::DType dtype) {
  return static_cast<std::int64_t>(tensor::size_bytes(dtype));
}

std::int64_t value_bytes(MatrixFormat format, std::int64_t out, std::int64_t in) {
  switch (format) {
    case MatrixFormat::kF32:
      return out * in * 4;
    case MatrixFormat::kBF16:
      return out * in * 2;
    case MatrixFormat::kF8E4M3:
    case MatrixFormat::kI8:
      return out * in;
    case MatrixFormat::kI4Group:
      return out * base::ceil_div<std::int64_t>(in, 2);
  }
  return 0;
}

std::int64_t scale_bytes(MatrixFormat format, std::int64_t out, std::int64_t in) {
  switch (format) {
    case MatrixFormat::kF32:
    case MatrixFormat::kBF16:
      return 0;
    case MatrixFormat::kF8E4M3:
    case MatrixFormat::kI8:
      return out * 4;
    case MatrixFormat::kI4Group: {
      const std::int64_t groups = out * base::ceil_div(in, kGroupInputs);
      return groups * 2 + base::ceil_div<std::int64_t>(groups, 2);
    }
  }
  return 0;
}

// Adds up arrays, each at a multiple of `alignment_bytes`.
class Counter {
 public:
  Counter(const spec::ModelSpec& spec, const WeightFormat& format, std::int64_t alignment_bytes)
      : spec_(spec), format_(format), layout_(alignment_bytes) {}

  void count_embedding() { layout_.place(spec_.vocab_rows * spec_.hidden_size * others_bytes()); }

  void count_layers_and_head() {
    const std::int64_t hidden = spec_.hidden_size;
    for (std::int64_t i = 0; i < spec_.num_layers; ++i) {
      vector(hidden);
      vector(hidden);
      matrix(format_.matrices, spec_.q_size() + 2 * spec_.kv_size(), hidden, spec_.qkv_bias);
      matrix(format_.matrices, hidden, spec_.q_size(), spec_.attention_output_bias);
      matrix(format_.matrices, 2 * spec_.intermediate_size, hidden, spec_.mlp_bias);
      matrix(format_.matrices, hidden, spec_.intermediate_size, spec_.mlp_bias);
    }
    vector(hidden);
    if (!spec_.tied_embeddings) {
      matrix(format_.has_wide_head ? MatrixFormat::kBF16 : format_.matrices, spec_.vocab_rows,
             hidden, false);
    }
  }

  std::int64_t total_bytes() const { return layout_.end_bytes(); }

 private:
  std::int64_t others_bytes() const { return element_bytes(format_.others); }
  void vector(std::int64_t size) { layout_.place(size * others_bytes()); }
  void matrix(MatrixFormat format, std::int64_t out, std::int64_t in, bool has_bias) {
    layout_.place(value_bytes(format, out, in));
    layout_.place(scale_bytes(format, out, in));
    if (has_bias) vector(out);
  }

  const spec::ModelSpec& spec_;
  const WeightFormat& format_;
  ArrayLayout layout_;
};

}  // namespace

std::int64_t matrix_bytes(MatrixFormat format, std::int64_t out_features,
                          std::int64_t in_features) {
  return value_bytes(format, out_features, in_features) +
         scale_bytes(format, out_features, in_features);
}

std::int64_t read_weight_bytes(const spec::ModelSpec& spec, const WeightFormat& format) {
  Counter counter(spec, format, 1);
  counter.count_layers_and_head();
  // A tied head is the embedding, read as a whole.
  if (spec.tied_embeddings) counter.count_embedding();
  return counter.total_bytes();
}

std::int64_t packed_weight_bytes(const spec::ModelSpec& spec, const WeightFormat& format) {
  Counter counter(spec, format, kWeightAlignmentBytes);
  counter.count_embedding();
  counter.count_layers_and_head();
  return counter.total_bytes();
}

std::int64_t stored_weight_bytes(const spec::ModelSpec& spec, tensor::DType dtype) {
  return spec.total_parameters() * element_bytes(dtype);
}

}  // namespace fathom::footprint
