// Configurations: every set of threads met so far as one state of a table of byte transitions.
//
// The table is filled as text and masks ask for it, so that what they ask again is one look-up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "grammar/automaton.h"
#include "grammar/thread.h"

namespace fathom::grammar {

// All ways of reading a text so far; never empty for a text that can be completed.
struct Reading {
  std::vector<Thread> threads;
  bool can_end = false;
  // An upper bound of the rules looked into by one more byte; what a step costs.
  std::uint32_t work = 0;
};

using ConfigurationId = std::uint32_t;
// The configuration of a text that the grammar does not allow.
constexpr ConfigurationId kDead = 0;

// Not thread-safe. Ids are good until clear().
class Configurations {
 public:
  // The automaton must outlive the table.
  explicit Configurations(const Automaton& automaton);

  // The reading of the empty text.
  std::shared_ptr<const Reading> start() const;
  ConfigurationId intern(std::shared_ptr<const Reading> reading);
  ConfigurationId next(ConfigurationId from, std::uint8_t byte) {
    const auto known = rows_[row_of(from) + automaton_.byte_class[byte]];
    return known != kUnknown ? known : find_next(from, byte);
  }
  // Whether the grammar never tells the two bytes apart.
  bool is_same_class(unsigned a, unsigned b) const {
    return automaton_.byte_class[a] == automaton_.byte_class[b];
  }
  const std::shared_ptr<const Reading>& reading(ConfigurationId id) const { return readings_[id]; }
  std::uint32_t work(ConfigurationId id) const { return works_[id]; }

  // Roughly the memory in use.
  std::size_t num_bytes() const { return num_bytes_; }
  void clear();

 private:
  static constexpr ConfigurationId kUnknown = 0xFFFFFFFF;

  std::size_t row_of(ConfigurationId id) const {
    return std::size_t{id} * automaton_.num_byte_classes;
  }
  ConfigurationId find_next(ConfigurationId from, std::uint8_t byte);
  std::shared_ptr<const Reading> make_reading(std::vector<Thread> threads) const;
  void append(std::shared_ptr<const Reading> reading, ConfigurationId fill);

  const Automaton& automaton_;
  Stepper stepper_;
  std::vector<Thread> stepped_;
  std::vector<std::shared_ptr<const Reading>> readings_;
  std::vector<std::uint32_t> works_;
  std::vector<ConfigurationId> rows_;
  std::unordered_multimap<std::uint64_t, ConfigurationId> by_hash_;
  std::size_t num_bytes_ = 0;
};

}  // namespace fathom::grammar
