// Safetensors files: checked in full before a byte of a tensor is used.
//
// Refused: a header over 100,000,000 bytes or the file, one that does not start with '{', a
// duplicate key, tensors that overlap, leave a hole or do not end with the file, a size that is
// not shape times element, more than 8 dimensions, a dimension that overflows.
// Format: docs/formats/safetensors.md.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "tensor/tensor.h"

namespace fathom::checkpoint {

struct TensorInfo {
  std::string name;
  std::string dtype_name;              // as the file spells it: "BF16"
  std::optional<tensor::DType> dtype;  // absent: a type that fathom does not compute with
  tensor::Shape shape;
  std::size_t begin = 0;  // bytes [begin, end) of the file
  std::size_t end = 0;
};

// The tensors of a whole file's bytes, in order of their place.
base::Result<std::vector<TensorInfo>> parse_safetensors(std::span<const std::byte> file,
                                                        std::string_view where);

// A mapped file. Immutable: any thread may read.
class SafetensorsFile {
 public:
  static base::Result<SafetensorsFile> open(const std::filesystem::path& path);

  std::span<const TensorInfo> tensors() const { return tensors_; }
  const TensorInfo* find(std::string_view name) const;
  // The tensor's elements; not necessarily aligned.
  std::span<const std::byte> bytes(const TensorInfo& tensor) const {
    return file_.bytes().subspan(tensor.begin, tensor.end - tensor.begin);
  }
  const std::filesystem::path& path() const { return file_.path(); }
  base::Result<void> size_unchanged() const { return file_.size_unchanged(); }

 private:
  SafetensorsFile(base::MappedFile file, std::vector<TensorInfo> tensors);

  base::MappedFile file_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string_view, std::size_t> by_name_;  // views into tensors_
};

}  // namespace fathom::checkpoint
