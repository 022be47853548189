// Answers of /v1/embeddings.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::serve {

// Scales to length 1; zeros stay zeros.
void normalize(std::span<float> values);

std::string to_base64(std::span<const unsigned char> bytes);

struct EmbeddingsText {
  std::string_view model;
  std::int64_t prompt_tokens = 0;
  bool is_base64 = false;  // little-endian float32; else a list of numbers
};
// OpenAI's list object.
std::string embeddings_json(std::span<const std::vector<float>> embeddings,
                            const EmbeddingsText& text);

}  // namespace fathom::serve
