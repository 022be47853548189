// MaskCache: the masks and transitions that one grammar has needed with one vocabulary so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "grammar/configurations.h"
#include "grammar/vocabulary.h"

namespace fathom::grammar {

// Where one sequence is. The id is a shortcut that is good while the generation is the cache's.
struct Position {
  std::shared_ptr<const Reading> reading;
  ConfigurationId id = kDead;
  std::uint64_t generation = 0;
};

// Thread-safe; sequences with the same grammar share it. Holds at most about kMaxBytes, then
// starts afresh; what it answers does not depend on what it holds.
class MaskCache {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{8} << 20;

  // The automaton must outlive the cache.
  MaskCache(const Automaton& automaton, std::shared_ptr<const Vocabulary> vocabulary);

  Position start();
  // Bits of the tokens that may come next as text; no end tokens. mask has at least
  // num_mask_words(); words beyond them are set to zero.
  void fill(Position& position, std::span<std::uint32_t> mask);
  // False and unchanged if the text may not go on with these bytes.
  bool advance(Position& position, const std::string& bytes);

 private:
  using Mask = std::vector<std::uint32_t>;

  ConfigurationId locate(Position& position);
  std::size_t num_bytes() const;
  void clear();
  Mask compute(const Position& position);
  void recall_path(const Position& position, std::size_t depth);
  void walk(const Position& position, const TokenTree& tree, Mask& mask);

  const std::shared_ptr<const Vocabulary> vocabulary_;
  std::mutex mutex_;
  Configurations configurations_;
  std::unordered_map<ConfigurationId, Mask> masks_;
  std::uint64_t generation_ = 1;
  // Scratch of walk(): the configurations before and behind each byte of the current path.
  std::vector<ConfigurationId> path_;
  std::vector<std::uint8_t> path_bytes_;
};

}  // namespace fathom::grammar
