// Weights packed into one allocation of a device that does not read host memory.
//
// The host checks and converts a piece into one of two page-locked buffers on all its cores while
// the other one is on its way to the device. What becomes fp8 is quantized there.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "base/checked.h"
#include "base/file.h"
#include "base/thread_pool.h"
#include "checkpoint/finite.h"
#include "footprint/weights.h"
#include "kernels/quantize_rows/quantize_rows.h"
#include "model/weight_placer.h"
#include "tensor/convert.h"

namespace fathom::model {
namespace {

using base::Result;
using tensor::DType;
using tensor::MutableView;
using tensor::Shape;
using tensor::View;

constexpr std::size_t kAlignmentBytes = footprint::kWeightAlignmentBytes;
// Big enough that copies run at the link's speed, small enough that two are soon filled.
constexpr std::int64_t kPieceElements = std::int64_t{8} << 20;
constexpr std::int64_t kTaskElements = std::int64_t{1} << 18;
// More threads than this do not copy faster.
constexpr int kMaxThreads = 8;

// The types that arrays have on the device, and where they lie in the allocation.
class PackedLayout {
 public:
  explicit PackedLayout(const WeightOptions& options) : options_(options) {}

  // f32 compute widens what is stored narrow; otherwise operands have one type.
  DType matrix_dtype(DType stored) const {
    return options_.compute_dtype == DType::kF32 ? stored : options_.compute_dtype;
  }
  MutableView place(std::byte* memory, DType dtype, const Shape& shape) {
    MutableView view{memory == nullptr ? nullptr : memory + used_bytes_, dtype, shape};
    used_bytes_ += base::ceil_div(view.num_bytes(), kAlignmentBytes) * kAlignmentBytes;
    return view;
  }
  std::size_t used_bytes() const { return used_bytes_; }

 private:
  const WeightOptions& options_;
  std::size_t used_bytes_ = 0;
};

// Places arrays; what fills them is the subclass's.
class PackedPlacer : public WeightPlacer {
 public:
  PackedPlacer(const WeightOptions& options, std::byte* memory)
      : options_(options), layout_(options), memory_(memory) {}

  Result<View> vector(const NamedTensor& source) override {
    const MutableView target = layout_.place(memory_, source.view.dtype, source.view.shape);
    TRY(fill(source, target));
    return target;
  }

  Result<View> table(const NamedTensor& source) override {
    const DType dtype = layout_.matrix_dtype(source.view.dtype);
    const MutableView target = layout_.place(memory_, dtype, source.view.shape);
    TRY(fill(source, target));
    return target;
  }

  Result<kernels::LinearWeight> matrix(std::span<const MatrixPart> parts) override {
    std::vector<NamedTensor> weights;
    std::vector<NamedTensor> biases;
    for (const MatrixPart& part : parts) {
      weights.push_back(part.weight);
      if (!part.bias.view.empty()) biases.push_back(part.bias);
    }
    kernels::LinearWeight weight;
    weight.num_blocks = 1;
    kernels::LinearBlock& block = weight.blocks[0];
    if (options_.matrices_in_fp8) {
      TRY(stack_quantized(weights, block));
    } else {
      block.weight = TRY(stack(weights, layout_.matrix_dtype(weights[0].view.dtype)));
    }
    if (!biases.empty()) block.bias = TRY(stack(biases, biases[0].view.dtype));
    return weight;
  }

 protected:
  // Brings the tensor to `target`, converted to its type.
  virtual Result<void> fill(const NamedTensor& source, const MutableView& target) = 0;
  // The same to fp8, with a scale for each row.
  virtual Result<void> fill_quantized(const NamedTensor& source, const MutableView& target,
                                      const MutableView& scales) = 0;

  const WeightOptions& options_;

  PackedLayout layout_;

 private:
  static std::int64_t num_rows(const std::vector<NamedTensor>& tensors) {
    std::int64_t sum = 0;
    for (const NamedTensor& each : tensors) sum += each.view.shape[0];
    return sum;
  }

  // Rows [first, first + shape[0]) of `whole`.
  static MutableView rows_of(const MutableView& whole, std::int64_t first, const Shape& shape) {
    MutableView part{nullptr, whole.dtype, shape};
    if (whole.data == nullptr) return part;
    const std::size_t row_bytes =
        whole.num_bytes() / static_cast<std::size_t>(std::max<std::int64_t>(whole.shape[0], 1));
    part.data = static_cast<std::byte*>(whole.data) + static_cast<std::size_t>(first) * row_bytes;
    return part;
  }

  // One array of all the tensors' rows.
  Result<View> stack(const std::vector<NamedTensor>& tensors, DType dtype) {
    const Shape& first = tensors[0].view.shape;
    const std::int64_t rows = num_rows(tensors);
    const MutableView whole =
        layout_.place(memory_, dtype, first.rank() == 1 ? Shape{rows} : Shape{rows, first[1]});
    std::int64_t row = 0;
    for (const NamedTensor& each : tensors) {
      TRY(fill(each, rows_of(whole, row, each.view.shape)));
      row += each.view.shape[0];
    }
    return whole;
  }

  Result<void> stack_quantized(const std::vector<NamedTensor>& tensors,
                               kernels::LinearBlock& block) {
    const std::int64_t rows = num_rows(tensors);
    const MutableView whole =
        layout_.place(memory_, DType::kF8E4M3, {rows, tensors[0].view.shape[1]});
    const MutableView scales = layout_.place(memory_, DType::kF32, {rows});
    std::int64_t row = 0;
    for (const NamedTensor& each : tensors) {
      const std::int64_t count = each.view.shape[0];
      TRY(fill_quantized(each, rows_of(whole, row, each.view.shape),
                         rows_of(scales, row, {count})));
      row += count;
    }
    block.weight = whole;
    block.scales = scales;
    return {};
  }

  std::byte* memory_;
};

class MeasuringPlacer final : public PackedPlacer {
 public:
  MeasuringPlacer(const WeightOptions& options, std::size_t& total_bytes)
      : PackedPlacer(options, nullptr), total_bytes_(total_bytes) {}
  Result<std::vector<device::Buffer>> finish() override {
    CHECK(false, "a measuring placer has nothing to give");
  }

 private:
  Result<void> fill(const NamedTensor&, const MutableView&) override {
    total_bytes_ = layout_.used_bytes();
    return {};
  }
  Result<void> fill_quantized(const NamedTensor&, const MutableView&, const MutableView&) override {
    total_bytes_ = layout_.used_bytes();
    return {};
  }
  std::size_t& total_bytes_;
};

class UploadingPlacer final : public PackedPlacer {
 public:
  static Result<std::unique_ptr<WeightPlacer>> create(device::Device& device,
                                                      const WeightOptions& options,
                                                      std::size_t total_bytes) {
    device::Buffer memory = TRY(device.allocate(total_bytes));
    auto placer = std::make_unique<UploadingPlacer>(options, std::move(memory));
    placer->stream_ = TRY(device.create_stream());
    for (Staging& each : placer->staging_) {
      each.buffer = TRY(device.allocate(kPieceElements * sizeof(float), device::Place::kHost));
    }
    if (options.matrices_in_fp8) {
      placer->wide_ = TRY(device.allocate(kPieceElements * sizeof(float)));
    }
    return std::unique_ptr<WeightPlacer>(std::move(placer));
  }

  UploadingPlacer(const WeightOptions& options, device::Buffer memory)
      : PackedPlacer(options, static_cast<std::byte*>(memory.data())),
        memory_(std::move(memory)),
        threads_(std::min(base::usable_cores(), kMaxThreads)) {}

  Result<std::vector<device::Buffer>> finish() override {
    TRY(stream_->synchronize());
    std::vector<device::Buffer> owners;
    owners.push_back(std::move(memory_));
    return owners;
  }

 private:
  struct Staging {
    device::Buffer buffer;
    device::Stream::Mark sent = 0;
  };

  Result<void> fill(const NamedTensor& source, const MutableView& target) override {
    const std::int64_t count = source.view.shape.num_elements();
    for (std::int64_t first = 0; first < count; first += kPieceElements) {
      const std::int64_t size = std::min(kPieceElements, count - first);
      const auto offset = static_cast<std::size_t>(first) * tensor::size_bytes(target.dtype);
      TRY(send(source, first, size,
               {static_cast<std::byte*>(target.data) + offset, target.dtype, {size}}));
    }
    report(source);
    return {};
  }

  // Whole rows go to the device as they are stored, and are quantized there.
  Result<void> fill_quantized(const NamedTensor& source, const MutableView& target,
                              const MutableView& scales) override {
    const std::int64_t rows = source.view.shape[0];
    const std::int64_t width = source.view.shape[1];
    const std::int64_t piece_rows = std::max<std::int64_t>(kPieceElements / width, 1);
    CHECK(width <= kPieceElements, "a row of {} numbers", width);
    for (std::int64_t first = 0; first < rows; first += piece_rows) {
      const std::int64_t count = std::min(piece_rows, rows - first);
      const MutableView wide{wide_.data(), source.view.dtype, {count, width}};
      TRY(send(source, first * width, count * width, wide));
      kernels::quantize_rows(
          {.x = wide,
           .y = {static_cast<std::byte*>(target.data) + static_cast<std::size_t>(first * width),
                 DType::kF8E4M3,
                 {count, width}},
           .scales = {static_cast<float*>(scales.data) + first, DType::kF32, {count}}},
          *stream_);
    }
    report(source);
    return {};
  }

  // Sends elements [first, first + size) of the tensor to `target`, in the target's type.
  Result<void> send(const NamedTensor& source, std::int64_t first, std::int64_t size,
                    const MutableView& target) {
    const View piece{static_cast<const std::byte*>(source.view.data) +
                         static_cast<std::size_t>(first) * tensor::size_bytes(source.view.dtype),
                     source.view.dtype,
                     {size}};
    Staging& staging = staging_[num_pieces_++ % staging_.size()];
    TRY(stream_->wait(staging.sent));
    const MutableView staged{staging.buffer.data(), target.dtype, {size}};
    TRY(stage(source.name, piece, staged));
    stream_->copy_to_device(target.data, staged.data, staged.num_bytes());
    staging.sent = stream_->mark();
    return {};
  }

  void report(const NamedTensor& source) {
    // What has been copied need not stay in memory for this process.
    base::forget_mapped_pages(source.view.data, source.view.num_bytes());
    if (options_.on_progress) options_.on_progress(layout_.used_bytes(), memory_.size_bytes());
  }

  // Checks and converts on all threads.
  Result<void> stage(const std::string& name, const View& piece, const MutableView& staged) {
    const std::int64_t size = piece.shape.num_elements();
    std::mutex mutex;
    std::optional<base::Error> error;
    threads_.parallel_for(base::ceil_div(size, kTaskElements), [&](std::int64_t task) {
      const std::int64_t first = task * kTaskElements;
      const std::int64_t count = std::min(kTaskElements, size - first);
      if (auto done = stage_part(name, piece, staged, first, count); !done) {
        const std::lock_guard lock(mutex);
        error = done.error();
      }
    });
    if (error) return *error;
    return {};
  }

  Result<void> stage_part(const std::string& name, const View& piece, const MutableView& staged,
                          std::int64_t first, std::int64_t count) const {
    const auto offset = static_cast<std::size_t>(first);
    const View source{
        static_cast<const std::byte*>(piece.data) + offset * tensor::size_bytes(piece.dtype),
        piece.dtype,
        {count}};
    const MutableView target{
        static_cast<std::byte*>(staged.data) + offset * tensor::size_bytes(staged.dtype),
        staged.dtype,
        {count}};
    if (source.dtype == target.dtype) {
      std::memcpy(target.data, source.data, source.num_bytes());
    } else {
      tensor::convert(source, target);
    }
    // What was converted is checked, too: a number may be too great for a narrower type.
    if (options_.check_finite) TRY(checkpoint::check_finite(target, name));
    return {};
  }

  device::Buffer memory_;
  device::Buffer wide_;  // what is about to be quantized
  base::ThreadPool threads_;
  std::unique_ptr<device::Stream> stream_;
  std::array<Staging, 2> staging_;
  std::size_t num_pieces_ = 0;
};

}  // namespace

std::unique_ptr<WeightPlacer> make_measuring_placer(const WeightOptions& options,
                                                    std::size_t& total_bytes) {
  return std::make_unique<MeasuringPlacer>(options, total_bytes);
}

Result<std::unique_ptr<WeightPlacer>> make_packed_placer(device::Device& device,
                                                         const WeightOptions& options,
                                                         std::size_t total_bytes) {
  return UploadingPlacer::create(device, options, total_bytes);
}

}  // namespace fathom::model
