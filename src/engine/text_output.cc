// Holds back what may become a stop string.
#include "engine/text_output.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace fathom::engine {

TextOutput::TextOutput(std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                       TextOutputOptions options)
    : decoder_(std::move(tokenizer), {.skip_special = options.skip_special}),
      options_(std::move(options)) {}

std::string TextOutput::push(base::TokenId token) {
  if (stopped()) return {};
  held_ += decoder_.push(token);
  return release();
}

std::string TextOutput::finish() {
  if (stopped()) return {};
  held_ += decoder_.finish();
  std::string text = release();
  return stopped() ? text : text + std::exchange(held_, {});
}

std::string TextOutput::release() {
  std::size_t first_stop = std::string::npos;
  std::size_t keep = 0;  // bytes at the end of held_ that may begin a stop string
  for (const std::string& stop : options_.stop) {
    const std::size_t found = held_.find(stop);
    if (found < first_stop) {
      first_stop = found;
      stop_text_ = stop;
    }
    for (std::size_t size = std::min(stop.size() - 1, held_.size()); size > keep; --size) {
      if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, size))) keep = size;
    }
  }
  if (first_stop != std::string::npos) {
    if (options_.include_stop) first_stop += stop_text_.size();
    return std::exchange(held_, {}).substr(0, first_stop);
  }
  std::string text = held_.substr(0, held_.size() - keep);
  held_.erase(0, text.size());
  return text;
}

}  // namespace fathom::engine
