// BlockPool: who holds which block of the KV cache, and which blocks' contents may be used again.
//
// A block is free, held by one or more sequences, or cached: held by none, but with contents that
// a later request with the same prefix may share. Cached blocks are given out when free ones run
// out, the least recently used first. Not thread-safe: the engine's thread owns it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/block_hash.h"

namespace fathom::engine {

enum class BlockId : std::int32_t {};

// Told of what becomes of cached contents, on the pool's thread: must be fast. Either may be empty.
struct BlockObserver {
  using Duration = std::chrono::steady_clock::duration;

  std::function<void(Duration since_use)> on_reuse;
  std::function<void(Duration since_taken, Duration since_use)> on_evict;
};

class BlockPool {
 public:
  explicit BlockPool(std::int64_t num_blocks, BlockObserver observer = {});

  std::int64_t num_blocks() const { return std::ssize(blocks_); }
  // Free or cached: what take() can give.
  std::int64_t num_available() const { return std::ssize(free_) + std::ssize(cached_); }
  std::int64_t num_cached() const { return std::ssize(cached_); }
  std::int64_t num_held() const { return num_blocks() - num_available(); }

  // All of them with one holder each, or nothing.
  std::optional<std::vector<BlockId>> take(std::int64_t count);
  // Leading blocks of a chain that share() would find, and how many of them nobody holds.
  struct Found {
    std::int64_t num_blocks = 0;
    std::int64_t num_cached = 0;
  };
  Found find(std::span<const BlockHash> chain) const;
  // The block with these contents, with one holder more.
  std::optional<BlockId> share(const BlockHash& hash);
  // One holder less for each; each must be held. The last ones are forgotten first, since they are
  // of no use without those before them.
  void give_back(std::span<const BlockId> blocks);

  // Says what a held block holds now. If another block has the same contents, that one stays the
  // one to share.
  void publish(BlockId block, const BlockHash& hash);
  // No contents are to be used again: they may be wrong.
  void forget_contents();

 private:
  using Clock = std::chrono::steady_clock;
  struct Block {
    std::int32_t num_holders = 0;
    std::optional<BlockHash> hash;
    Clock::time_point taken;
    Clock::time_point used;                  // shared or given back last
    std::list<BlockId>::iterator cached_at;  // valid while cached
  };
  Block& at(BlockId block) { return blocks_[static_cast<std::size_t>(block)]; }
  void forget(BlockId block);

  BlockObserver observer_;
  std::vector<Block> blocks_;
  std::vector<BlockId> free_;
  std::list<BlockId> cached_;  // least recently used first
  std::unordered_map<BlockHash, BlockId, BlockHashHasher> by_hash_;
};

}  // namespace fathom::engine
