// All-ones exponents, found in blocks that the compiler vectorises.
#include "checkpoint/finite.h"

#include <algorithm>
#include <cstring>

namespace fathom::checkpoint {
namespace {

// Index of the first element whose exponent bits are all ones, or -1.
template <typename Word>
std::int64_t first_special(const std::byte* data, std::int64_t count, Word exponent_mask) {
  constexpr std::int64_t kBlock = 4096;
  Word block[kBlock];
  for (std::int64_t first = 0; first < count; first += kBlock) {
    const std::int64_t size = std::min(kBlock, count - first);
    std::memcpy(block, data + static_cast<std::size_t>(first) * sizeof(Word),
                static_cast<std::size_t>(size) * sizeof(Word));
    Word any = 0;
    for (std::int64_t i = 0; i < size; ++i) {
      any = static_cast<Word>(any | ((block[i] & exponent_mask) == exponent_mask ? 1 : 0));
    }
    if (any == 0) continue;
    for (std::int64_t i = 0; i < size; ++i) {
      if ((block[i] & exponent_mask) == exponent_mask) return first + i;
    }
  }
  return -1;
}

}  // namespace

base::Result<void> check_finite(const tensor::View& view, std::string_view name) {
  const auto* data = static_cast<const std::byte*>(view.data);
  const std::int64_t count = view.shape.num_elements();
  std::int64_t index = -1;
  switch (view.dtype) {
    case tensor::DType::kF32:
      index = first_special<std::uint32_t>(data, count, 0x7F800000U);
      break;
    case tensor::DType::kBF16:
      index = first_special<std::uint16_t>(data, count, 0x7F80U);
      break;
    case tensor::DType::kF16:
      index = first_special<std::uint16_t>(data, count, 0x7C00U);
      break;
    default:
      CHECK(false, "check_finite of {}", tensor::name(view.dtype));
  }
  if (index < 0) return {};
  return base::fail(base::ErrorCode::kDataLoss, name,
                    "element {} is not a finite number: the file is damaged, or its training "
                    "diverged",
                    index);
}

}  // namespace fathom::checkpoint
