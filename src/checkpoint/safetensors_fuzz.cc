// Fuzz target: any bytes as a safetensors file; the tensors must tile its data.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "checkpoint/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tensors =
      fathom::checkpoint::parse_safetensors(std::as_bytes(std::span(data, size)), "fuzz");
  if (!tensors || tensors->empty()) return 0;
  std::size_t end = tensors->front().begin;
  for (const auto& tensor : *tensors) {
    if (tensor.begin != end || tensor.end < tensor.begin || tensor.end > size) std::abort();
    if (tensor.dtype && static_cast<std::size_t>(tensor.shape.num_elements()) *
                                fathom::tensor::size_bytes(*tensor.dtype) !=
                            tensor.end - tensor.begin) {
      std::abort();
    }
    end = tensor.end;
  }
  if (end != size) std::abort();
  return 0;
}
