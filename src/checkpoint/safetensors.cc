// The header of a safetensors file, taken apart with checked arithmetic.
#include "checkpoint/safetensors.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "base/json.h"

namespace fathom::checkpoint {
namespace {

namespace json = boost::json;
using base::Error;
using base::ErrorCode;
using base::fail;
using base::Result;

// The format's own limit on the header, and limits that no real model comes near.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::size_t kMaxTensors = 1'000'000;
constexpr std::size_t kMaxJsonDepth = 4;
constexpr std::size_t kPrefixBytes = 8;

struct DTypeName {
  std::string_view name;
  std::uint64_t bits;
  std::optional<tensor::DType> dtype;
};

// Every type the format knows; sizes are needed even of those that are not computed with.
constexpr DTypeName kDTypes[] = {
    {"F32", 32, tensor::DType::kF32}, {"BF16", 16, tensor::DType::kBF16},
    {"F16", 16, tensor::DType::kF16}, {"I32", 32, tensor::DType::kI32},
    {"I64", 64, tensor::DType::kI64}, {"I8", 8, tensor::DType::kI8},
    {"U8", 8, tensor::DType::kU8},    {"F64", 64, std::nullopt},
    {"I16", 16, std::nullopt},        {"U16", 16, std::nullopt},
    {"U32", 32, std::nullopt},        {"U64", 64, std::nullopt},
    {"BOOL", 8, std::nullopt},        {"F8_E4M3", 8, std::nullopt},
    {"F8_E5M2", 8, std::nullopt},     {"F8_E8M0", 8, std::nullopt},
    {"C64", 64, std::nullopt},
};

class HeaderReader {
 public:
  HeaderReader(std::string_view where, std::size_t data_begin, std::size_t data_bytes)
      : where_(where), data_begin_(data_begin), data_bytes_(data_bytes) {}

  Result<std::vector<TensorInfo>> read(const json::object& header) const {
    if (header.size() > kMaxTensors) {
      return fail(ErrorCode::kInvalidArgument, where_, "{} tensors are over the limit of {}",
                  header.size(), kMaxTensors);
    }
    std::vector<TensorInfo> tensors;
    for (const auto& [key, value] : header) {
      if (key == "__metadata__") continue;
      tensors.push_back(TRY(read_tensor(std::string(key), value)));
    }
    std::ranges::sort(tensors, [](const TensorInfo& a, const TensorInfo& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    TRY(check_contiguous(tensors));
    return tensors;
  }

 private:
  Error bad(const std::string& name, std::string_view problem) const {
    return fail(ErrorCode::kInvalidArgument, where_, "tensor '{}': {}", name, problem);
  }

  Result<TensorInfo> read_tensor(std::string name, const json::value& value) const {
    const json::object* object = value.if_object();
    if (object == nullptr) return bad(name, "its entry is not an object");
    TensorInfo tensor;
    const json::value* dtype = object->if_contains("dtype");
    if (dtype == nullptr || !dtype->is_string()) return bad(name, "no dtype");
    tensor.dtype_name = std::string(dtype->get_string());
    const auto known = std::ranges::find(kDTypes, tensor.dtype_name, &DTypeName::name);
    if (known == std::end(kDTypes)) {
      return bad(name, "unknown dtype '" + tensor.dtype_name.substr(0, 32) + "'");
    }
    tensor.dtype = known->dtype;
    tensor.shape = TRY(read_shape(name, *object));
    const auto [begin, end] = TRY(read_offsets(name, *object));
    std::uint64_t bits = known->bits;
    for (const std::int64_t dim : tensor.shape.dims()) {
      const auto product = base::checked_mul(bits, static_cast<std::uint64_t>(dim));
      if (!product) return bad(name, "its shape overflows");
      bits = *product;
    }
    if (bits % 8 != 0 || bits / 8 != end - begin) {
      return fail(ErrorCode::kInvalidArgument, where_,
                  "tensor '{}': shape {} of {} needs {} bytes, but it has {}", name,
                  tensor.shape.text(), tensor.dtype_name, bits / 8, end - begin);
    }
    tensor.begin = data_begin_ + begin;
    tensor.end = data_begin_ + end;
    tensor.name = std::move(name);
    return tensor;
  }

  Result<tensor::Shape> read_shape(const std::string& name, const json::object& object) const {
    const json::value* value = object.if_contains("shape");
    const json::array* dims = value != nullptr ? value->if_array() : nullptr;
    if (dims == nullptr) return bad(name, "no shape");
    if (dims->size() > static_cast<std::size_t>(tensor::kMaxRank)) {
      return bad(name, "more than 8 dimensions");
    }
    std::vector<std::int64_t> sizes;
    for (const json::value& each : *dims) {
      if (!each.is_int64() || each.get_int64() < 0) return bad(name, "a dimension is not a count");
      sizes.push_back(each.get_int64());
    }
    return tensor::Shape(sizes);
  }

  Result<std::pair<std::size_t, std::size_t>> read_offsets(const std::string& name,
                                                           const json::object& object) const {
    const json::value* value = object.if_contains("data_offsets");
    const json::array* pair = value != nullptr ? value->if_array() : nullptr;
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_int64() || !(*pair)[1].is_int64()) {
      return bad(name, "data_offsets is not a pair of numbers");
    }
    const std::int64_t begin = (*pair)[0].get_int64();
    const std::int64_t end = (*pair)[1].get_int64();
    if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > data_bytes_) {
      return bad(name, "data_offsets lie outside the file: it is cut or damaged");
    }
    return std::pair(static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
  }

  Result<void> check_contiguous(const std::vector<TensorInfo>& tensors) const {
    std::size_t expected = data_begin_;
    for (const TensorInfo& tensor : tensors) {
      if (tensor.begin != expected) {
        return bad(tensor.name, tensor.begin < expected ? "its data overlaps another tensor's"
                                                        : "there is a hole before its data");
      }
      expected = tensor.end;
    }
    if (expected != data_begin_ + data_bytes_) {
      return fail(ErrorCode::kInvalidArgument, where_, "{} bytes follow the last tensor's data",
                  data_begin_ + data_bytes_ - expected);
    }
    return {};
  }

  std::string_view where_;
  std::size_t data_begin_;
  std::size_t data_bytes_;
};

}  // namespace

Result<std::vector<TensorInfo>> parse_safetensors(std::span<const std::byte> file,
                                                  std::string_view where) {
  if (file.size() < kPrefixBytes) {
    return fail(ErrorCode::kInvalidArgument, where,
                "{} bytes are too few for a safetensors file: it is empty or cut", file.size());
  }
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), kPrefixBytes);  // little-endian, as this machine
  const std::size_t rest = file.size() - kPrefixBytes;
  if (header_bytes > kMaxHeaderBytes || header_bytes > rest) {
    return fail(ErrorCode::kInvalidArgument, where,
                "a header of {} bytes does not fit the file of {} bytes: it is cut, or not in "
                "safetensors format",
                header_bytes, file.size());
  }
  const auto* text = reinterpret_cast<const char*>(file.data() + kPrefixBytes);
  if (header_bytes == 0 || text[0] != '{') {
    return fail(ErrorCode::kInvalidArgument, where, "its header does not start with '{{'");
  }
  const json::value header = TRY(base::parse_json(
      {text, header_bytes}, where, {.max_bytes = kMaxHeaderBytes, .max_depth = kMaxJsonDepth}));
  return HeaderReader(where, kPrefixBytes + header_bytes, rest - header_bytes)
      .read(header.get_object());
}

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  auto file = TRY(base::MappedFile::open(path));
  auto tensors = TRY(parse_safetensors(file.bytes(), path.native()));
  return SafetensorsFile(std::move(file), std::move(tensors));
}

SafetensorsFile::SafetensorsFile(base::MappedFile file, std::vector<TensorInfo> tensors)
    : file_(std::move(file)), tensors_(std::move(tensors)) {
  for (std::size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace fathom::checkpoint
