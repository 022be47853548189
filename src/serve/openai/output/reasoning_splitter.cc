// A small state machine over the text that is held back.
#include "serve/openai/output/reasoning_splitter.h"

#include <algorithm>
#include <utility>

namespace fathom::serve {
namespace {

constexpr std::string_view kBegin = "<think>";
constexpr std::string_view kEnd = "</think>";

}  // namespace

std::size_t partial_match(std::string_view text, std::string_view tag) {
  for (std::size_t size = std::min(text.size(), tag.size() - 1); size > 0; --size) {
    if (text.ends_with(tag.substr(0, size))) return size;
  }
  return 0;
}

ReasoningSplitter::Split ReasoningSplitter::push(std::string_view text) {
  Split split;
  held_ += text;
  while (step(split)) {
  }
  return split;
}

// True if the state changed and there may be more to do.
bool ReasoningSplitter::step(Split& split) {
  switch (state_) {
    case State::kStart:
      return start(split);
    case State::kReasoningStart:
      return skip_newlines(State::kReasoning);
    case State::kReasoning:
      return reason(split);
    case State::kContentStart:
      return skip_newlines(State::kContent);
    case State::kContent:
      split.content += std::exchange(held_, {});
      return false;
  }
  return false;
}

bool ReasoningSplitter::start(Split&) {
  const std::size_t first = std::min(held_.find_first_not_of(" \n"), held_.size());
  const std::string_view rest = std::string_view(held_).substr(first);
  if (rest.starts_with(kBegin)) {
    held_.erase(0, first + kBegin.size());
    state_ = State::kReasoningStart;
    return true;
  }
  if (kBegin.starts_with(rest)) return false;
  state_ = State::kContent;
  return true;
}

bool ReasoningSplitter::skip_newlines(State next) {
  const std::size_t first = held_.find_first_not_of('\n');
  held_.erase(0, std::min(first, held_.size()));
  if (held_.empty()) return false;
  state_ = next;
  return true;
}

bool ReasoningSplitter::reason(Split& split) {
  const std::size_t end = held_.find(kEnd);
  const bool is_over = end != std::string::npos;
  std::size_t size = is_over ? end : held_.size() - partial_match(held_, kEnd);
  while (size > 0 && held_[size - 1] == '\n') --size;
  split.reasoning += held_.substr(0, size);
  held_.erase(0, is_over ? end + kEnd.size() : size);
  if (is_over) state_ = State::kContentStart;
  return is_over;
}

ReasoningSplitter::Split ReasoningSplitter::finish() {
  Split split;
  if (state_ == State::kStart) split.content = std::exchange(held_, {});
  if (state_ == State::kReasoning) split.reasoning = std::exchange(held_, {});
  return split;
}

}  // namespace fathom::serve
