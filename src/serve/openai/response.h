// Answers of /v1/chat/completions and /v1/completions as JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/request.h"

namespace fathom::serve {

// Writes the answers to one request. The two endpoints differ in names only.
class ResponseWriter {
 public:
  ResponseWriter(bool is_chat, std::string id, std::string model);

  void set_prompt_tokens(std::int64_t count) { prompt_tokens_ = count; }
  void set_completion_tokens(std::int64_t count) { completion_tokens_ = count; }

  // The whole answer.
  std::string whole(std::string_view text, engine::FinishReason finish) const;
  // Server-sent events: chat's first, with the role; a piece of text, the last with the reason;
  // the usage; the end.
  std::string first_event() const;
  std::string text_event(std::string_view text, std::optional<engine::FinishReason> finish) const;
  std::string usage_event() const;
  static std::string done_event() { return "data: [DONE]\n\n"; }

 private:
  bool is_chat_;
  std::string id_;
  std::string model_;
  std::int64_t created_;
  std::int64_t prompt_tokens_ = 0;
  std::int64_t completion_tokens_ = 0;
};

}  // namespace fathom::serve
