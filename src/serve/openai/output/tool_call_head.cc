// Compares piece by piece, white space allowed between.
#include "serve/openai/output/tool_call_head.h"

#include <algorithm>

namespace fathom::serve {
namespace {

class HeadReader {
 public:
  explicit HeadReader(std::string_view text) : text_(text) {}

  CallHead read() {
    literal("{");
    literal("\"name\"");
    literal(":");
    name();
    literal(",");
    if (head_.state == kOn) skip_space();
    const bool is_llama = text_.substr(at_).starts_with("\"p");
    literal(is_llama ? "\"parameters\"" : "\"arguments\"");
    literal(":");
    literal("{");
    if (head_.state != kOn || !is_on_) return head_;
    head_.state = CallHead::State::kWhole;
    head_.arguments_at = at_ - 1;
    return head_;
  }

 private:
  static constexpr auto kOn = CallHead::State::kIncomplete;

  void skip_space() { at_ = std::min(text_.find_first_not_of(" \n\t\r", at_), text_.size()); }

  void literal(std::string_view expected) {
    if (!is_on_) return;
    skip_space();
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with(expected)) {
      at_ += expected.size();
      return;
    }
    is_on_ = false;
    if (!expected.starts_with(rest)) head_.state = CallHead::State::kOther;
  }

  // Names have no escapes; one that has is read with the whole call.
  void name() {
    literal("\"");
    if (!is_on_) return;
    const std::size_t end = text_.find_first_of("\"\\", at_);
    is_on_ = end != std::string_view::npos;
    if (!is_on_) return;
    if (text_[end] == '\\') {
      is_on_ = false;
      head_.state = CallHead::State::kOther;
      return;
    }
    head_.name = text_.substr(at_, end - at_);
    at_ = end + 1;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool is_on_ = true;
  CallHead head_;
};

}  // namespace

CallHead read_call_head(std::string_view text) { return HeadReader(text).read(); }

}  // namespace fathom::serve
