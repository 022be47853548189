// One word after another.
#include <cstdint>

#include "kernels/read_sum/read_sum.h"

namespace fathom::kernels {

void read_sum_reference(const ReadSumArgs& args) {
  const auto* words = args.x.as<std::int64_t>();
  std::uint64_t sum = 0;
  for (std::int64_t i = 0; i < args.x.shape[0]; ++i) sum += static_cast<std::uint64_t>(words[i]);
  args.y.as<std::int64_t>()[0] = static_cast<std::int64_t>(sum);
}

}  // namespace fathom::kernels
