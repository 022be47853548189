// Embedding: y[t] = table[ids[t]], widened to f32.
// Shapes: ids i32 [num_tokens]; table [vocab_rows, hidden]; y f32 [num_tokens, hidden]; row-major.
// Dtypes: table bf16 | f16 | f32. Exact.
// Cost: num_tokens * hidden * (size of the table's type + 4) bytes.
// On CUDA, table and y start at multiples of 16 bytes.
// Ids outside [0, vocab_rows) give a row of zeros: the caller has checked them; nothing is read.
#pragma once

#include "device/device.h"
#include "tensor/tensor.h"

namespace fathom::kernels {

struct EmbeddingArgs {
  tensor::View ids;
  tensor::View table;
  tensor::MutableView y;
};

void embedding(const EmbeddingArgs& args, device::Stream& stream);
void embedding_reference(const EmbeddingArgs& args);

}  // namespace fathom::kernels
