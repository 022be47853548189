// Philox 4x32-10: a random number for each (seed, counter), with no state. For the host and for
// the GPU: no other header is pulled in.
// Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <stdint.h>

#ifdef __CUDACC__
#define FATHOM_HOST_DEVICE __host__ __device__
#else
#define FATHOM_HOST_DEVICE
#endif

namespace fathom::kernels {

struct PhiloxWords {
  uint32_t words[4];
  bool operator==(const PhiloxWords&) const = default;
};

FATHOM_HOST_DEVICE constexpr PhiloxWords philox(PhiloxWords counter, uint32_t key_0,
                                                uint32_t key_1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t first = uint64_t{0xD2511F53U} * counter.words[0];
    const uint64_t second = uint64_t{0xCD9E8D57U} * counter.words[2];
    counter = {{static_cast<uint32_t>(second >> 32) ^ counter.words[1] ^ key_0,
                static_cast<uint32_t>(second),
                static_cast<uint32_t>(first >> 32) ^ counter.words[3] ^ key_1,
                static_cast<uint32_t>(first)}};
    key_0 += 0x9E3779B9U;
    key_1 += 0xBB67AE85U;
  }
  return counter;
}

// Uniform in [0, 2^32).
FATHOM_HOST_DEVICE constexpr uint32_t philox_bits(int64_t seed, int64_t counter) {
  const auto key = static_cast<uint64_t>(seed);
  const auto count = static_cast<uint64_t>(counter);
  return philox({{static_cast<uint32_t>(count), static_cast<uint32_t>(count >> 32), 0, 0}},
                static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32))
      .words[0];
}

// Uniform in [0, 1), 32 bits.
FATHOM_HOST_DEVICE constexpr double philox_uniform(int64_t seed, int64_t counter) {
  return philox_bits(seed, counter) * 0x1.0p-32;
}

}  // namespace fathom::kernels

#undef FATHOM_HOST_DEVICE
