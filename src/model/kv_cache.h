// KvCache: the keys and values of every layer in blocks of tokens, allocated once.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "device/device.h"
#include "footprint/kv_cache.h"
#include "kernels/paged_kv.h"
#include "spec/model_spec.h"

namespace fathom::model {

using footprint::kv_block_bytes;
using footprint::KvCacheShape;

class KvCache {
 public:
  static base::Result<KvCache> allocate(const spec::ModelSpec& spec, const KvCacheShape& shape,
                                        device::Device& device);

  const KvCacheShape& shape() const { return shape_; }
  const kernels::PagedKv& layer(std::int64_t index) const {
    return layers_[static_cast<std::size_t>(index)];
  }
  std::size_t size_bytes() const { return memory_.size_bytes(); }

 private:
  KvCacheShape shape_;
  device::Buffer memory_;
  std::vector<kernels::PagedKv> layers_;
};

}  // namespace fathom::model
