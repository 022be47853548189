// ToolCallParser: calls of tools in a model's text, as it comes.
//
// Known are Qwen's form, which is ours too:   <tool_call>{"name": ..., "arguments":
// {...}}</tool_call> and DeepSeek R1's:
// <｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\n{...}\n```<｜tool▁call▁end｜>, within
// <｜tool▁calls▁begin｜> and <｜tool▁calls▁end｜> or without them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::serve {

struct OutputPiece {
  enum class Kind { kReasoning, kContent, kToolCall, kToolArguments };
  Kind kind = Kind::kContent;
  std::string text;  // kToolCall: the function's name, which opens a call
};

// Joins text to a last piece of the same kind; calls are never joined.
void append_piece(std::vector<OutputPiece>& pieces, OutputPiece::Kind kind, std::string_view text);

enum class ToolFormat {
  kNone,    // all is content
  kMarked,  // content, and calls between marks
  kWhole,   // the text is one call's JSON, as a grammar made it
};

// Finds where a JSON object ends, without recursion.
class ObjectScanner {
 public:
  enum class End { kNotYet, kHere, kBroken };
  // kBroken: what no JSON has outside of a string, so that the marks come next.
  End feed(char c);

 private:
  std::int64_t depth_ = 0;
  bool is_in_string_ = false;
  bool is_escaped_ = false;
};

// One for each answer; not thread-safe. Text that looks like a call and turns out not to be one
// is content. Arguments are passed on as the model writes them.
class ToolCallParser {
 public:
  ToolCallParser(ToolFormat format, bool has_parallel_calls)
      : format_(format),
        has_parallel_calls_(has_parallel_calls),
        state_(format == ToolFormat::kWhole ? State::kCallHead : State::kText) {}

  void push(std::string_view text, std::vector<OutputPiece>& pieces);
  void finish(std::vector<OutputPiece>& pieces);

 private:
  enum class State {
    kText,        // content, and marks
    kCallHead,    // of Qwen's form: up to the arguments
    kCallWhole,   // of Qwen's form, but not as expected: up to the end mark
    kMarkedHead,  // of R1's form: up to the arguments
    kArguments,
    kCallTail,  // up to the end mark
    kDone,      // the rest is dropped
  };

  bool step(std::vector<OutputPiece>& pieces);
  bool read_text(std::vector<OutputPiece>& pieces);
  bool read_head(std::vector<OutputPiece>& pieces);
  bool read_whole(std::vector<OutputPiece>& pieces);
  bool read_marked_head(std::vector<OutputPiece>& pieces);
  bool read_arguments(std::vector<OutputPiece>& pieces);
  bool read_tail();
  void open_call(std::string_view name, std::size_t arguments_at, std::vector<OutputPiece>& pieces);
  void end_call();
  // Whether `text`, an object, is a call; then it is appended.
  static bool append_call(std::string_view text, std::vector<OutputPiece>& pieces);

  const ToolFormat format_;
  const bool has_parallel_calls_;
  State state_;
  bool follows_call_ = false;  // white space there is not content
  std::string_view end_mark_;  // of the call that is open
  std::string held_;
  ObjectScanner scanner_;
};

}  // namespace fathom::serve
