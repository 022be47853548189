// A state machine over the text that is held back: what may be a part of a mark or of a head.
#include "serve/openai/output/tool_call_parser.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

#include "base/json.h"
#include "serve/openai/output/reasoning_splitter.h"
#include "serve/openai/output/tool_call_head.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using Kind = OutputPiece::Kind;

constexpr std::string_view kCallBegin = "<tool_call>";
constexpr std::string_view kCallEnd = "</tool_call>";
constexpr std::string_view kMarkedCallsBegin = "<｜tool▁calls▁begin｜>";
constexpr std::string_view kMarkedCallsEnd = "<｜tool▁calls▁end｜>";
constexpr std::string_view kMarkedCallBegin = "<｜tool▁call▁begin｜>";
constexpr std::string_view kMarkedCallEnd = "<｜tool▁call▁end｜>";
constexpr std::string_view kMarkedSeparator = "<｜tool▁sep｜>";
constexpr std::array<std::string_view, 4> kMarks = {kCallBegin, kMarkedCallsBegin, kMarkedCallsEnd,
                                                    kMarkedCallBegin};
constexpr std::string_view kSpace = " \n\t\r";
constexpr std::size_t kMaxHeadBytes = 1024;

}  // namespace

void append_piece(std::vector<OutputPiece>& pieces, Kind kind, std::string_view text) {
  if (kind != Kind::kToolCall && !pieces.empty() && pieces.back().kind == kind) {
    pieces.back().text += text;
  } else {
    pieces.push_back({kind, std::string(text)});
  }
}

ObjectScanner::End ObjectScanner::feed(char c) {
  if (is_in_string_) {
    if (is_escaped_) {
      is_escaped_ = false;
    } else if (c == '\\') {
      is_escaped_ = true;
    } else if (c == '"') {
      is_in_string_ = false;
    }
    return End::kNotYet;
  }
  if (c == '"') is_in_string_ = true;
  if (c == '<' || c == '`') return End::kBroken;
  if (c == '{' || c == '[') ++depth_;
  if (c == '}' || c == ']') --depth_;
  return depth_ <= 0 ? End::kHere : End::kNotYet;
}

void ToolCallParser::push(std::string_view text, std::vector<OutputPiece>& pieces) {
  if (format_ == ToolFormat::kNone) return append_piece(pieces, Kind::kContent, text);
  held_ += text;
  while (step(pieces)) {
  }
}

// True if there may be more to do.
bool ToolCallParser::step(std::vector<OutputPiece>& pieces) {
  switch (state_) {
    case State::kText:
      return read_text(pieces);
    case State::kCallHead:
      return read_head(pieces);
    case State::kCallWhole:
      return read_whole(pieces);
    case State::kMarkedHead:
      return read_marked_head(pieces);
    case State::kArguments:
      return read_arguments(pieces);
    case State::kCallTail:
      return read_tail();
    case State::kDone:
      held_.clear();
      return false;
  }
  return false;
}

bool ToolCallParser::read_text(std::vector<OutputPiece>& pieces) {
  std::size_t at = std::string::npos;
  std::string_view mark;
  std::size_t partial = 0;
  for (const std::string_view each : kMarks) {
    const std::size_t found = held_.find(each);
    if (found < at) {
      at = found;
      mark = each;
    }
    partial = std::max(partial, partial_match(held_, each));
  }
  const bool is_marked = at != std::string::npos;
  // White space before a mark or after a call is no content; it waits until that is known.
  std::string_view content(held_.data(), is_marked ? at : held_.size() - partial);
  const std::size_t last = content.find_last_not_of(kSpace);
  content = content.substr(0, last == std::string_view::npos ? 0 : last + 1);
  const std::size_t taken = content.size();
  if (follows_call_ && taken > 0) content.remove_prefix(content.find_first_not_of(kSpace));
  if (taken > 0) {
    append_piece(pieces, Kind::kContent, content);
    follows_call_ = false;
  }
  held_.erase(0, is_marked ? at + mark.size() : taken);
  if (!is_marked) return false;
  if (mark == kCallBegin) {
    state_ = State::kCallHead;
    end_mark_ = kCallEnd;
  } else if (mark == kMarkedCallBegin) {
    state_ = State::kMarkedHead;
    end_mark_ = kMarkedCallEnd;
  } else {
    follows_call_ = true;
  }
  return true;
}

bool ToolCallParser::read_head(std::vector<OutputPiece>& pieces) {
  // Decided by positions alone, so that it does not matter how much has come at once.
  const std::size_t end = end_mark_.empty() ? std::string::npos : held_.find(end_mark_);
  const std::size_t limit = std::min(end, kMaxHeadBytes);
  const CallHead head = read_call_head(std::string_view(held_).substr(0, limit));
  if (head.state == CallHead::State::kIncomplete && held_.size() < limit) return false;
  if (head.state == CallHead::State::kWhole) {
    open_call(head.name, head.arguments_at, pieces);
  } else {
    state_ = State::kCallWhole;
  }
  return true;
}

bool ToolCallParser::read_marked_head(std::vector<OutputPiece>& pieces) {
  const std::size_t separator = held_.find(kMarkedSeparator);
  const std::size_t end = held_.find(end_mark_);
  const std::size_t brace =
      separator == std::string::npos ? std::string::npos : held_.find('{', separator);
  if (brace < std::min(end, kMaxHeadBytes)) {
    const std::size_t begin = separator + kMarkedSeparator.size();
    const std::size_t newline = std::min(held_.find('\n', begin), brace);
    open_call(std::string_view(held_).substr(begin, newline - begin), brace, pieces);
    return true;
  }
  if (end == std::string::npos && held_.size() < kMaxHeadBytes) return false;
  state_ = State::kCallWhole;
  return true;
}

void ToolCallParser::open_call(std::string_view name, std::size_t arguments_at,
                               std::vector<OutputPiece>& pieces) {
  append_piece(pieces, Kind::kToolCall, name);
  held_.erase(0, arguments_at);
  scanner_ = {};
  state_ = State::kArguments;
}

bool ToolCallParser::read_arguments(std::vector<OutputPiece>& pieces) {
  std::size_t size = 0;
  auto end = ObjectScanner::End::kNotYet;
  while (size < held_.size() && end == ObjectScanner::End::kNotYet) {
    end = scanner_.feed(held_[size]);
    if (end != ObjectScanner::End::kBroken) ++size;
  }
  if (size > 0) append_piece(pieces, Kind::kToolArguments, held_.substr(0, size));
  held_.erase(0, size);
  if (end == ObjectScanner::End::kNotYet) return false;
  state_ = State::kCallTail;
  return true;
}

bool ToolCallParser::read_tail() {
  if (end_mark_.empty()) {  // a whole text: only a brace is left
    held_.clear();
    return false;
  }
  const std::size_t end = held_.find(end_mark_);
  if (end == std::string::npos) {
    held_.erase(0, held_.size() - partial_match(held_, end_mark_));
    return false;
  }
  held_.erase(0, end + end_mark_.size());
  end_call();
  return true;
}

void ToolCallParser::end_call() {
  follows_call_ = true;
  state_ = has_parallel_calls_ ? State::kText : State::kDone;
}

// A call whose fields come in another order, or no call at all.
bool ToolCallParser::read_whole(std::vector<OutputPiece>& pieces) {
  const std::size_t end = end_mark_.empty() ? std::string::npos : held_.find(end_mark_);
  if (end == std::string::npos) return false;
  const std::string text = held_.substr(0, end);
  held_.erase(0, end + end_mark_.size());
  if (append_call(text, pieces)) {
    end_call();
    return true;
  }
  append_piece(pieces, Kind::kContent, text);
  state_ = State::kText;
  return true;
}

bool ToolCallParser::append_call(std::string_view text, std::vector<OutputPiece>& pieces) {
  const auto call = base::parse_json(text, "");
  if (!call || !call->is_object()) return false;
  const json::object& fields = call->get_object();
  const json::value* const name = fields.if_contains("name");
  const json::value* arguments = fields.if_contains("arguments");
  if (arguments == nullptr) arguments = fields.if_contains("parameters");
  if (name == nullptr || !name->is_string()) return false;
  append_piece(pieces, Kind::kToolCall, std::string_view(name->get_string()));
  if (arguments == nullptr || arguments->is_null()) {
    append_piece(pieces, Kind::kToolArguments, "{}");
  } else if (arguments->is_string()) {
    append_piece(pieces, Kind::kToolArguments, std::string_view(arguments->get_string()));
  } else {
    append_piece(pieces, Kind::kToolArguments, json::serialize(*arguments));
  }
  return true;
}

void ToolCallParser::finish(std::vector<OutputPiece>& pieces) {
  const bool is_in_call =
      state_ == State::kCallHead || state_ == State::kCallWhole || state_ == State::kMarkedHead;
  // The end token may stand in place of the end mark.
  if (is_in_call && append_call(held_, pieces)) {
    held_.clear();
    state_ = State::kDone;
  }
  if (!held_.empty() && state_ != State::kCallTail && state_ != State::kDone && !follows_call_) {
    append_piece(pieces, Kind::kContent, held_);
  }
  held_.clear();
}

}  // namespace fathom::serve
