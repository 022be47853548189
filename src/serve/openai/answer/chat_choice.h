// ChatChoice: one of the n answers of a chat, put together or streamed.
#pragma once

#include <boost/json/fwd.hpp>
#include <memory>
#include <string>
#include <vector>

#include "serve/openai/answer/answer.h"
#include "serve/openai/answer/chat_answer.h"
#include "serve/openai/answer/progress.h"
#include "serve/openai/output/output_parser.h"

namespace fathom::serve {

// Calls of the answer, with ids made here. `function.name` before `function.arguments`.
struct AnsweredCall {
  std::string id;
  std::string name;
  std::string arguments;
};

// "stop", "length", or "tool_calls" when a call is what ended the answer.
std::string chat_finish_reason(engine::FinishReason finish, bool has_calls);

class ChatChoice {
 public:
  ChatChoice(const AnswerContext& context, const ChatAnswerOptions& options, std::size_t index);
  ~ChatChoice();
  ChatChoice(ChatChoice&&) noexcept;
  ChatChoice& operator=(ChatChoice&&) = delete;

  // What the delta adds, as the choices of a stream's events; for a whole answer these may be
  // thrown away.
  std::vector<boost::json::object> take(const engine::GenerationDelta& delta,
                                        const Progress& progress);
  // The choice of a whole answer.
  boost::json::object whole(const Progress& progress) const;
  bool is_in_reasoning() const { return parser_.is_in_reasoning(); }

 private:
  boost::json::object delta_of(const OutputPiece& piece);
  boost::json::object event(boost::json::object delta);

  const AnswerContext& context_;
  std::size_t index_;
  OutputParser parser_;
  std::string content_;
  std::string reasoning_;
  std::vector<AnsweredCall> calls_;
  struct Lists;  // what waits for the next event, or for the whole answer
  std::unique_ptr<Lists> lists_;
};

}  // namespace fathom::serve
