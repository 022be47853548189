// Steps over all characters at once, as long as few configurations are behind them.
#include "grammar/plain_text.h"

#include <algorithm>
#include <vector>

#include "grammar/code_points.h"

namespace fathom::grammar {
namespace {

using Set = std::vector<ConfigurationId>;

constexpr std::size_t kMaxSet = 4;
constexpr std::uint32_t kMaxWork = 16;

const CodePointSet& plain_characters() {
  static const CodePointSet set = CodePointSet{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}.complement();
  return set;
}

const std::vector<ByteSequence>& plain_sequences() {
  static const std::vector<ByteSequence> sequences = utf8_sequences(plain_characters());
  return sequences;
}

void insert(Set& set, ConfigurationId id) {
  if (std::find(set.begin(), set.end(), id) == set.end()) set.push_back(id);
}

// Adds what lies behind any byte of the interval. False if something is not allowed or dear.
bool step(Configurations& configurations, const Set& from, ByteInterval interval, Set& to) {
  for (const auto id : from) {
    if (configurations.work(id) > kMaxWork) return false;
    for (unsigned byte = interval.first; byte <= interval.last; ++byte) {
      if (byte > interval.first && configurations.is_same_class(byte - 1, byte)) continue;
      const auto next = configurations.next(id, static_cast<std::uint8_t>(byte));
      if (next == kDead) return false;
      insert(to, next);
      if (to.size() > kMaxSet) return false;
    }
  }
  return true;
}

bool step_character(Configurations& configurations, const Set& from, Set& to) {
  for (const auto& sequence : plain_sequences()) {
    Set current = from;
    for (const auto interval : sequence) {
      Set next;
      if (!step(configurations, current, interval, next)) return false;
      current = std::move(next);
    }
    for (const auto id : current) insert(to, id);
    if (to.size() > kMaxSet) return false;
  }
  std::sort(to.begin(), to.end());
  return true;
}

}  // namespace

bool is_plain_text(std::string_view bytes) {
  std::size_t position = 0;
  std::size_t num_characters = 0;
  while (position < bytes.size()) {
    const auto c = next_code_point(bytes, position);
    if (!c || !plain_characters().contains(*c)) return false;
    ++num_characters;
  }
  return num_characters >= 1 && num_characters <= kMaxPlainCharacters;
}

bool reads_all_plain_text(Configurations& configurations, ConfigurationId from) {
  Set current = {from};
  for (std::size_t i = 0; i < kMaxPlainCharacters; ++i) {
    Set next;
    if (!step_character(configurations, current, next)) return false;
    if (next == current) return true;
    current = std::move(next);
  }
  return true;
}

}  // namespace fathom::grammar
