// ReasoningSplitter: <think>...</think> at the beginning of an answer, apart from the rest.
#pragma once

#include <string>
#include <string_view>

namespace fathom::serve {

// Of the two templates that R1 models come with, one ends the prompt with <think> and the other
// leaves it to the model: an answer starts in reasoning, or finds out. Newlines around the tags
// belong to neither side. An answer that ends within is reasoning throughout.
class ReasoningSplitter {
 public:
  ReasoningSplitter(bool is_on, bool starts_in_reasoning)
      : state_(!is_on                ? State::kContent
               : starts_in_reasoning ? State::kReasoningStart
                                     : State::kStart) {}

  struct Split {
    std::string reasoning;
    std::string content;
  };
  // Holds back what may be a part of a tag.
  Split push(std::string_view text);
  Split finish();
  bool is_in_reasoning() const {
    return state_ == State::kReasoningStart || state_ == State::kReasoning;
  }

 private:
  enum class State { kStart, kReasoningStart, kReasoning, kContentStart, kContent };

  bool step(Split& split);
  bool start(Split& split);
  bool reason(Split& split);
  bool skip_newlines(State next);

  State state_;
  std::string held_;
};

// How many bytes at the text's end are a beginning, but not the whole, of `tag`.
std::size_t partial_match(std::string_view text, std::string_view tag);

}  // namespace fathom::serve
