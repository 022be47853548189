// embedding is exact.
#include "kernels/embedding/embedding.h"

#include "kernels/kernel_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

class EmbeddingTest : public KernelTest {};

TEST_F(EmbeddingTest, CopiesRowsAndZeroesUnknownIds) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    for (const std::int64_t hidden : {between(1, 90), 8 * between(1, 20), std::int64_t{3584}}) {
      const Array table = normal(dtype, {11, hidden});
      const Array ids = ints({0, 10, -1, 11, 5, 5});
      Array expected(DType::kF32, {6, hidden});
      embedding_reference({.ids = ids, .table = table, .y = expected});
      EXPECT_EQ(expected[2 * hidden], 0.0F);
      EXPECT_EQ(expected[hidden], table[10 * hidden]);
      for_each_device([&](device::Stream& stream) {
        Array y = normal(DType::kF32, {6, hidden});
        OnDevice on(stream);
        embedding({.ids = on(ids), .table = on(table), .y = on(y)}, stream);
        on.finish();
        expect_equal_bits(y, expected);
      });
    }
  }
}

TEST_F(EmbeddingTest, TakesNoTokens) {
  const Array table = normal(DType::kBF16, {3, 8});
  const Array ids = ints({});
  for_each_device([&](device::Stream& stream) {
    Array y(DType::kF32, {0, 8});
    OnDevice on(stream);
    embedding({.ids = on(ids), .table = on(table), .y = on(y)}, stream);
    on.finish();
  });
}

}  // namespace
}  // namespace fathom::kernels
