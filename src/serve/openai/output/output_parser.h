// OutputParser: a model's text, as it comes, to reasoning, content and tool calls.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "serve/openai/output/reasoning_splitter.h"
#include "serve/openai/output/tool_call_parser.h"

namespace fathom::serve {

struct OutputFormat {
  bool splits_reasoning = false;
  bool starts_in_reasoning = false;  // the prompt ended with <think>
  ToolFormat tools = ToolFormat::kNone;
  bool has_parallel_calls = true;  // otherwise what follows the first call is dropped
};

// One for each answer; not thread-safe. However the text is cut into pieces, what comes out is
// the same when neighbours of a kind are joined.
class OutputParser {
 public:
  explicit OutputParser(const OutputFormat& format)
      : reasoning_(format.splits_reasoning, format.starts_in_reasoning),
        tools_(format.tools, format.has_parallel_calls) {}

  // Neighbours in the result differ in kind.
  std::vector<OutputPiece> push(std::string_view text);
  // What was held back.
  std::vector<OutputPiece> finish();
  bool is_in_reasoning() const { return reasoning_.is_in_reasoning(); }

 private:
  void take(const ReasoningSplitter::Split& split, std::vector<OutputPiece>& pieces);

  ReasoningSplitter reasoning_;
  ToolCallParser tools_;
};

}  // namespace fathom::serve
