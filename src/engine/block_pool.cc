// Reference counts, and the order in which cached blocks are forgotten.
#include "engine/block_pool.h"

#include <ranges>
#include <utility>

#include "base/check.h"

namespace fathom::engine {

BlockPool::BlockPool(std::int64_t num_blocks, BlockObserver observer)
    : observer_(std::move(observer)), blocks_(static_cast<std::size_t>(num_blocks)) {
  free_.reserve(blocks_.size());
  for (std::int64_t i = num_blocks - 1; i >= 0; --i) free_.push_back(static_cast<BlockId>(i));
}

std::optional<std::vector<BlockId>> BlockPool::take(std::int64_t count) {
  if (count > num_available()) return std::nullopt;
  std::vector<BlockId> taken;
  taken.reserve(static_cast<std::size_t>(count));
  const auto now = Clock::now();
  for (std::int64_t i = 0; i < count; ++i) {
    if (free_.empty()) {
      const Block& oldest = at(cached_.front());
      if (observer_.on_evict) observer_.on_evict(now - oldest.taken, now - oldest.used);
      forget(cached_.front());
    }
    taken.push_back(free_.back());
    free_.pop_back();
    at(taken.back()).num_holders = 1;
    at(taken.back()).taken = at(taken.back()).used = now;
  }
  return taken;
}

void BlockPool::forget(BlockId block) {
  cached_.erase(at(block).cached_at);
  by_hash_.erase(*at(block).hash);
  at(block).hash.reset();
  free_.push_back(block);
}

BlockPool::Found BlockPool::find(std::span<const BlockHash> chain) const {
  Found found;
  for (const BlockHash& hash : chain) {
    const auto block = by_hash_.find(hash);
    if (block == by_hash_.end()) break;
    ++found.num_blocks;
    const bool is_held = blocks_[static_cast<std::size_t>(block->second)].num_holders > 0;
    found.num_cached += is_held ? 0 : 1;
  }
  return found;
}

std::optional<BlockId> BlockPool::share(const BlockHash& hash) {
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return std::nullopt;
  Block& block = at(found->second);
  if (block.num_holders++ == 0) cached_.erase(block.cached_at);
  const auto now = Clock::now();
  if (observer_.on_reuse) observer_.on_reuse(now - block.used);
  block.used = now;
  return found->second;
}

void BlockPool::give_back(std::span<const BlockId> blocks) {
  const auto now = Clock::now();
  for (const BlockId id : std::views::reverse(blocks)) {
    Block& block = at(id);
    block.used = now;
    CHECK(block.num_holders > 0, "block {} came back twice", static_cast<std::int32_t>(id));
    if (--block.num_holders > 0) continue;
    if (block.hash) {
      block.cached_at = cached_.insert(cached_.end(), id);
    } else {
      free_.push_back(id);
    }
  }
}

void BlockPool::forget_contents() {
  while (!cached_.empty()) forget(cached_.front());
  for (Block& block : blocks_) block.hash.reset();
  by_hash_.clear();
}

void BlockPool::publish(BlockId block, const BlockHash& hash) {
  CHECK(at(block).num_holders > 0, "block {} is not held", static_cast<std::int32_t>(block));
  if (at(block).hash || !by_hash_.emplace(hash, block).second) return;
  at(block).hash = hash;
}

}  // namespace fathom::engine
