// Interning of thread sets, and their transitions on demand.
#include "grammar/configurations.h"

#include <algorithm>
#include <utility>

namespace fathom::grammar {
namespace {

std::uint64_t hash_of(const std::vector<Thread>& threads) {
  std::uint64_t hash = threads.size();
  const auto mix = [&](std::uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  };
  for (const auto& thread : threads) {
    mix(thread.size());
    for (const auto state : thread) mix(state);
  }
  return hash;
}

std::size_t bytes_of(const Reading& reading) {
  // A shared pointer, its block, a hash entry, a vector for each thread.
  std::size_t bytes = 160;
  for (const auto& thread : reading.threads)
    bytes += sizeof(Thread) + 16 + thread.size() * sizeof(StateId);
  return bytes;
}

}  // namespace

Configurations::Configurations(const Automaton& automaton)
    : automaton_(automaton), stepper_(automaton) {
  clear();
}

void Configurations::clear() {
  readings_.clear();
  works_.clear();
  rows_.clear();
  by_hash_.clear();
  num_bytes_ = 0;
  append(std::make_shared<const Reading>(), kDead);
}

std::shared_ptr<const Reading> Configurations::start() const {
  return make_reading({Thread{automaton_.rules.front().state}});
}

std::shared_ptr<const Reading> Configurations::make_reading(std::vector<Thread> threads) const {
  auto reading = std::make_shared<Reading>();
  for (const auto& thread : threads) {
    reading->can_end = reading->can_end || can_finish(automaton_, thread);
    for (auto state = thread.rbegin(); state != thread.rend(); ++state) {
      reading->work += automaton_.states[*state].entry_work;
      if (!automaton_.states[*state].accepting) break;
    }
  }
  reading->threads = std::move(threads);
  return reading;
}

ConfigurationId Configurations::intern(std::shared_ptr<const Reading> reading) {
  const auto hash = hash_of(reading->threads);
  const auto [first, last] = by_hash_.equal_range(hash);
  for (auto entry = first; entry != last; ++entry) {
    if (readings_[entry->second]->threads == reading->threads) return entry->second;
  }
  const auto id = static_cast<ConfigurationId>(readings_.size());
  by_hash_.emplace(hash, id);
  append(std::move(reading), kUnknown);
  return id;
}

void Configurations::append(std::shared_ptr<const Reading> reading, ConfigurationId fill) {
  num_bytes_ += bytes_of(*reading) + automaton_.num_byte_classes * sizeof(ConfigurationId);
  works_.push_back(reading->work);
  readings_.push_back(std::move(reading));
  rows_.resize(rows_.size() + automaton_.num_byte_classes, fill);
}

ConfigurationId Configurations::find_next(ConfigurationId from, std::uint8_t byte) {
  stepper_.step(readings_[from]->threads, byte, kMaxDepth, stepped_);
  const auto to = stepped_.empty() ? kDead : intern(make_reading(stepped_));
  rows_[row_of(from) + automaton_.byte_class[byte]] = to;
  return to;
}

}  // namespace fathom::grammar
