// BlockPool: which blocks of the KV cache are free. Not thread-safe: the engine's thread owns it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace fathom::engine {

enum class BlockId : std::int32_t {};

class BlockPool {
 public:
  explicit BlockPool(std::int64_t num_blocks);

  std::int64_t num_blocks() const { return static_cast<std::int64_t>(is_used_.size()); }
  std::int64_t num_free() const { return static_cast<std::int64_t>(free_.size()); }

  // All of them, or nothing.
  std::optional<std::vector<BlockId>> take(std::int64_t count);
  // Gives blocks back; each must be in use.
  void give_back(const std::vector<BlockId>& blocks);

 private:
  std::vector<BlockId> free_;
  std::vector<bool> is_used_;
};

}  // namespace fathom::engine
