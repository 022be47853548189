// Holds back what may become a stop string.
#include "engine/text_output.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace fathom::engine {

TextOutput::TextOutput(std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                       std::vector<std::string> stop)
    : decoder_(std::move(tokenizer)), stop_(std::move(stop)) {}

std::string TextOutput::push(base::TokenId token) {
  if (stopped_) return {};
  held_ += decoder_.push(token);
  return release();
}

std::string TextOutput::finish() {
  if (stopped_) return {};
  held_ += decoder_.finish();
  std::string text = release();
  return stopped_ ? text : text + std::exchange(held_, {});
}

std::string TextOutput::release() {
  std::size_t first_stop = std::string::npos;
  std::size_t keep = 0;  // bytes at the end of held_ that may begin a stop string
  for (const std::string& stop : stop_) {
    first_stop = std::min(first_stop, held_.find(stop));
    for (std::size_t size = std::min(stop.size() - 1, held_.size()); size > keep; --size) {
      if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, size))) keep = size;
    }
  }
  if (first_stop != std::string::npos) {
    stopped_ = true;
    return std::exchange(held_, {}).substr(0, first_stop);
  }
  std::string text = held_.substr(0, held_.size() - keep);
  held_.erase(0, text.size());
  return text;
}

}  // namespace fathom::engine
