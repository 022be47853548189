// A mask is one walk over a tree of tokens, one transition for each node.
#include "grammar/mask_cache.h"

#include <algorithm>
#include <string>
#include <utility>

#include "grammar/plain_text.h"

namespace fathom::grammar {
namespace {

// Steps from configurations that cost more than kFreeWork are paid from a mask's budget. Beyond
// it only tokens of one byte are still found: enough to complete the text, in bounded time.
constexpr std::uint32_t kFreeWork = 16;
constexpr std::size_t kMaskBudget = std::size_t{1} << 22;

}  // namespace

MaskCache::MaskCache(const Automaton& automaton, std::shared_ptr<const Vocabulary> vocabulary)
    : vocabulary_(std::move(vocabulary)), configurations_(automaton) {
  path_.resize(vocabulary_->max_token_bytes() + 1);
  path_bytes_.resize(vocabulary_->max_token_bytes() + 1);
}

Position MaskCache::start() {
  const std::scoped_lock lock(mutex_);
  Position position{.reading = configurations_.start()};
  locate(position);
  return position;
}

std::size_t MaskCache::num_bytes() const {
  return configurations_.num_bytes() +
         masks_.size() * (vocabulary_->num_mask_words() * sizeof(std::uint32_t) + 64);
}

void MaskCache::clear() {
  configurations_.clear();
  masks_.clear();
  ++generation_;
}

ConfigurationId MaskCache::locate(Position& position) {
  if (num_bytes() > kMaxBytes) clear();
  if (position.generation != generation_) {
    position.id = configurations_.intern(position.reading);
    position.generation = generation_;
  }
  return position.id;
}

void MaskCache::fill(Position& position, std::span<std::uint32_t> mask) {
  const std::scoped_lock lock(mutex_);
  auto known = masks_.find(locate(position));
  if (known == masks_.end()) {
    Mask computed = compute(position);
    // The walk may have cleared the tables.
    known = masks_.insert_or_assign(locate(position), std::move(computed)).first;
  }
  const auto end = std::copy(known->second.begin(), known->second.end(), mask.begin());
  std::fill(end, mask.end(), 0U);
}

bool MaskCache::advance(Position& position, const std::string& bytes) {
  const std::scoped_lock lock(mutex_);
  ConfigurationId id = locate(position);
  for (const char byte : bytes) {
    id = configurations_.next(id, static_cast<std::uint8_t>(byte));
    if (id == kDead) return false;
  }
  position.id = id;
  position.reading = configurations_.reading(id);
  return true;
}

// Fills path_[0] to path_[depth] again after the tables were cleared.
void MaskCache::recall_path(const Position& position, std::size_t depth) {
  path_[0] = configurations_.intern(position.reading);
  for (std::size_t i = 0; i < depth; ++i)
    path_[i + 1] = configurations_.next(path_[i], path_bytes_[i]);
}

MaskCache::Mask MaskCache::compute(const Position& position) {
  if (!reads_all_plain_text(configurations_, position.id)) {
    Mask mask(vocabulary_->num_mask_words());
    walk(position, vocabulary_->tree(), mask);
    return mask;
  }
  const auto plain = vocabulary_->plain_text_mask();
  Mask mask(plain.begin(), plain.end());
  walk(position, vocabulary_->tree_without_plain_text(), mask);
  return mask;
}

void MaskCache::walk(const Position& position, const TokenTree& tree, Mask& mask) {
  const auto nodes = tree.nodes();
  const auto tokens = tree.tokens();
  std::size_t work_left = kMaskBudget;
  path_[0] = position.id;
  for (std::size_t i = 0; i + 1 < nodes.size();) {
    const auto node = nodes[i];
    const ConfigurationId from = path_[node.depth - 1U];
    const std::size_t work = configurations_.work(from);
    const bool is_free = work <= kFreeWork || node.depth == 1;
    const bool may_step = is_free || work <= work_left;
    if (!is_free && may_step) work_left -= work;
    const ConfigurationId to = may_step ? configurations_.next(from, node.byte) : kDead;
    if (to == kDead) {
      i = node.subtree_end;
      continue;
    }
    path_[node.depth] = to;
    path_bytes_[node.depth - 1U] = node.byte;
    ++i;
    // Without a branch for nodes that have one token or none: there is no telling which.
    const auto num_tokens = nodes[i].first_token - node.first_token;
    const auto token = tokens[node.first_token];
    mask[token / 32] |= std::uint32_t{num_tokens > 0 ? 1U : 0U} << (token % 32);
    for (std::uint32_t t = 1; t < num_tokens; ++t) {
      const auto twin = tokens[node.first_token + t];
      mask[twin / 32] |= std::uint32_t{1} << (twin % 32);
    }
    if (configurations_.num_bytes() > kMaxBytes) [[unlikely]] {
      clear();
      recall_path(position, node.depth);
    }
  }
}

}  // namespace fathom::grammar
