// Written as text directly: a million numbers need no tree of values.
#include "serve/openai/answer/embedding_answer.h"

#include <fmt/format.h>

#include <bit>
#include <boost/json.hpp>
#include <cmath>
#include <iterator>

namespace fathom::serve {

namespace {

std::string float_bytes_base64(std::span<const float> values) {
  std::vector<unsigned char> bytes;
  bytes.reserve(values.size() * sizeof(float));
  for (const float value : values) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (unsigned shift = 0; shift < 32; shift += 8) {
      bytes.push_back(static_cast<unsigned char>(bits >> shift));
    }
  }
  return to_base64(bytes);
}

}  // namespace

void normalize(std::span<float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  if (!(sum > 0) || !std::isfinite(sum)) return;
  const double scale = 1.0 / std::sqrt(sum);
  for (float& value : values) value = static_cast<float>(value * scale);
}

std::string to_base64(std::span<const unsigned char> bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(bytes.size() - i, 3);
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) bits = bits << 8U | (j < count ? bytes[i + j] : 0U);
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= count ? kDigits[bits >> (18 - 6 * j) & 63U] : '=';
    }
  }
  return text;
}

std::string embeddings_json(std::span<const std::vector<float>> embeddings,
                            const EmbeddingsText& text) {
  std::string json = R"({"object":"list","data":[)";
  auto out = std::back_inserter(json);
  for (std::size_t i = 0; i < embeddings.size(); ++i) {
    if (i > 0) json += ',';
    fmt::format_to(out, R"({{"object":"embedding","index":{},"embedding":)", i);
    if (text.is_base64) {
      fmt::format_to(out, "\"{}\"}}", float_bytes_base64(embeddings[i]));
      continue;
    }
    char separator = '[';
    for (const float value : embeddings[i]) {
      fmt::format_to(out, "{}{}", separator, value);
      separator = ',';
    }
    json += "]}";
  }
  fmt::format_to(out, R"(],"model":{},"usage":{{"prompt_tokens":{},"total_tokens":{}}}}})",
                 boost::json::serialize(boost::json::string(text.model)), text.prompt_tokens,
                 text.prompt_tokens);
  return json;
}

}  // namespace fathom::serve
