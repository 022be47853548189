// A stack of free blocks, and a mark for each block in use.
#include "engine/block_pool.h"

#include "base/check.h"

namespace fathom::engine {

BlockPool::BlockPool(std::int64_t num_blocks) : is_used_(static_cast<std::size_t>(num_blocks)) {
  for (std::int64_t i = num_blocks; i-- > 0;) free_.push_back(static_cast<BlockId>(i));
}

std::optional<std::vector<BlockId>> BlockPool::take(std::int64_t count) {
  if (count > num_free()) return std::nullopt;
  std::vector<BlockId> taken;
  taken.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    taken.push_back(free_.back());
    is_used_[static_cast<std::size_t>(free_.back())] = true;
    free_.pop_back();
  }
  return taken;
}

void BlockPool::give_back(const std::vector<BlockId>& blocks) {
  for (const BlockId block : blocks) {
    auto used = is_used_[static_cast<std::size_t>(block)];
    CHECK(used, "block {} is given back twice", static_cast<std::int32_t>(block));
    used = false;
    free_.push_back(block);
  }
}

}  // namespace fathom::engine
