// Requests of /v1/embeddings: JSON text to checked values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/request.h"
#include "serve/openai/request/completion_request.h"

namespace fathom::serve {

struct EmbeddingsRequest {
  std::string model;
  std::vector<PromptInput> inputs;  // at least one, none empty
  engine::Pooling pooling = engine::Pooling::kMean;
  bool is_base64 = false;
  std::optional<std::int64_t> dimensions;
  std::optional<std::int64_t> truncate_prompt_tokens;  // keeps the last ones; -1: what fits
  bool add_special_tokens = true;
  std::int64_t priority = 0;
};

inline constexpr std::size_t kMaxEmbeddingInputs = 2048;

// Errors: kInvalidArgument, whose place is the field.
base::Result<EmbeddingsRequest> parse_embeddings_request(std::string_view body);

}  // namespace fathom::serve
