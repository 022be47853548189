// Weights packed into one allocation of a device that does not read host memory.
//
// The host checks and converts a piece into one of two page-locked buffers on all its cores while
// the other one is on its way to the device.
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
#include "model/weight_placer.h"
#include "tensor/convert.h"

namespace fathom::model {
namespace {

using base::Result;
using tensor::DType;
using tensor::MutableView;
using tensor::Shape;
using tensor::View;

// Kernels read 16 bytes at a time, and bulk copies want 128.
constexpr std::size_t kAlignmentBytes = 256;
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
      : layout_(options), memory_(memory) {}

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
    weight.blocks[0].weight =
        TRY(stack(weights, layout_.matrix_dtype(weights[0].view.dtype)));
    if (!biases.empty()) {
      weight.blocks[0].bias = TRY(stack(biases, biases[0].view.dtype));
    }
    return weight;
  }

 protected:
  // Brings the tensor to `target`, converted to its type.
  virtual Result<void> fill(const NamedTensor& source, const MutableView& target) = 0;

  PackedLayout layout_;

 private:
  // One array of all the tensors' rows.
  Result<View> stack(const std::vector<NamedTensor>& tensors, DType dtype) {
    std::array<std::int64_t, 2> dims{};
    const auto rank = static_cast<std::size_t>(tensors[0].view.shape.rank());
    std::ranges::copy(tensors[0].view.shape.dims(), dims.begin());
    dims[0] = 0;
    for (const NamedTensor& each : tensors) dims[0] += each.view.shape[0];
    const MutableView whole = layout_.place(memory_, dtype, Shape(std::span(dims).first(rank)));
    std::size_t offset_bytes = 0;
    for (const NamedTensor& each : tensors) {
      MutableView part{nullptr, dtype, each.view.shape};
      if (memory_ != nullptr) part.data = static_cast<std::byte*>(whole.data) + offset_bytes;
      offset_bytes += part.num_bytes();
      TRY(fill(each, part));
    }
    return whole;
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
    return std::unique_ptr<WeightPlacer>(std::move(placer));
  }

  UploadingPlacer(const WeightOptions& options, device::Buffer memory)
      : PackedPlacer(options, static_cast<std::byte*>(memory.data())),
        options_(options),
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
    const std::size_t source_size = tensor::size_bytes(source.view.dtype);
    const std::size_t target_size = tensor::size_bytes(target.dtype);
    for (std::int64_t first = 0; first < count; first += kPieceElements) {
      const std::int64_t size = std::min(kPieceElements, count - first);
      const auto offset = static_cast<std::size_t>(first);
      const View piece{static_cast<const std::byte*>(source.view.data) + offset * source_size,
                       source.view.dtype,
                       {size}};
      Staging& staging = staging_[num_pieces_++ % staging_.size()];
      TRY(stream_->wait(staging.sent));
      const MutableView staged{staging.buffer.data(), target.dtype, {size}};
      TRY(stage(source.name, piece, staged));
      stream_->copy_to_device(static_cast<std::byte*>(target.data) + offset * target_size,
                              staged.data, staged.num_bytes());
      staging.sent = stream_->mark();
    }
    // What has been copied need not stay in memory for this process.
    base::forget_mapped_pages(source.view.data, source.view.num_bytes());
    if (options_.on_progress) options_.on_progress(layout_.used_bytes(), memory_.size_bytes());
    return {};
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

  const WeightOptions& options_;
  device::Buffer memory_;
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
