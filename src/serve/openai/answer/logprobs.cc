// Tokens are bytes; JSON wants characters.
#include "serve/openai/answer/logprobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <utility>

namespace fathom::serve {
namespace {

namespace json = boost::json;

// JSON has no infinity; OpenAI writes this for what cannot come.
double finite(float logprob) { return std::isfinite(logprob) ? logprob : -9999.0; }

json::object token_json(const tokenizer::Tokenizer& tokenizer, const engine::LikelyToken& likely) {
  json::array bytes;
  for (const unsigned char byte : tokenizer.bytes_of(likely.token)) bytes.emplace_back(byte);
  return {{"token", token_text(tokenizer, likely.token)},
          {"logprob", finite(likely.logprob)},
          {"bytes", std::move(bytes)}};
}

// Distinct tokens have distinct keys.
std::string token_key(const tokenizer::Tokenizer& tokenizer, base::TokenId token) {
  const std::string_view bytes = tokenizer.bytes_of(token);
  std::string text = token_text(tokenizer, token);
  if (text == bytes) return text;
  std::string key = "bytes:";
  for (const unsigned char byte : bytes) key += fmt::format("\\x{:02x}", byte);
  return key;
}

}  // namespace

std::string token_text(const tokenizer::Tokenizer& tokenizer, base::TokenId token) {
  const std::array<base::TokenId, 1> one = {token};
  return tokenizer.decode(one, {.skip_special = false}).value_or("");
}

void append_chat_logprobs(const tokenizer::Tokenizer& tokenizer,
                          std::span<const engine::TokenLogprobs> logprobs, json::array& list) {
  for (const engine::TokenLogprobs& each : logprobs) {
    json::object entry = token_json(tokenizer, each.chosen);
    json::array top;
    for (const engine::LikelyToken& likely : each.top) top.push_back(token_json(tokenizer, likely));
    entry["top_logprobs"] = std::move(top);
    list.push_back(std::move(entry));
  }
}

json::array prompt_logprobs_json(const tokenizer::Tokenizer& tokenizer,
                                 std::span<const engine::TokenLogprobs> logprobs) {
  json::array list{nullptr};
  for (const engine::TokenLogprobs& each : logprobs) {
    json::object entry;
    const auto add = [&](const engine::LikelyToken& likely, std::int32_t rank) {
      const std::string key = std::to_string(base::index(likely.token));
      if (entry.contains(key)) return;
      entry[key] = json::object{{"logprob", finite(likely.logprob)},
                                {"rank", rank},
                                {"decoded_token", token_text(tokenizer, likely.token)}};
    };
    add(each.chosen, each.rank);
    std::int32_t rank = 0;
    for (const engine::LikelyToken& likely : each.top) add(likely, ++rank);
    list.push_back(std::move(entry));
  }
  return list;
}

struct CompletionLogprobs::Lists {
  json::array tokens;
  json::array token_logprobs;
  json::array top_logprobs;
  json::array text_offset;
};

CompletionLogprobs::CompletionLogprobs(const tokenizer::Tokenizer& tokenizer, bool has_top,
                                       bool skips_special)
    : tokenizer_(tokenizer),
      has_top_(has_top),
      skips_special_(skips_special),
      lists_(std::make_unique<Lists>()) {}

CompletionLogprobs::~CompletionLogprobs() = default;
CompletionLogprobs::CompletionLogprobs(CompletionLogprobs&&) noexcept = default;

void CompletionLogprobs::add_token(base::TokenId token) {
  lists_->tokens.emplace_back(token_key(tokenizer_, token));
  lists_->text_offset.emplace_back(offset_);
  if (skips_special_ && tokenizer_.is_special(token)) return;
  offset_ += std::ranges::count_if(tokenizer_.bytes_of(token), [](unsigned char byte) {
    return (byte & 0xC0U) != 0x80U;  // the first byte of a character
  });
}

void CompletionLogprobs::add_first(base::TokenId token) {
  add_token(token);
  lists_->token_logprobs.emplace_back(nullptr);
  lists_->top_logprobs.emplace_back(nullptr);
}

void CompletionLogprobs::add(std::span<const engine::TokenLogprobs> logprobs) {
  for (const engine::TokenLogprobs& each : logprobs) {
    add_token(each.chosen.token);
    lists_->token_logprobs.emplace_back(finite(each.chosen.logprob));
    json::object top;
    for (const engine::LikelyToken& likely : each.top) {
      top[token_key(tokenizer_, likely.token)] = finite(likely.logprob);
    }
    top[token_key(tokenizer_, each.chosen.token)] = finite(each.chosen.logprob);
    lists_->top_logprobs.push_back(std::move(top));
  }
}

bool CompletionLogprobs::empty() const { return lists_->tokens.empty(); }

json::object CompletionLogprobs::take() {
  Lists lists = std::exchange(*lists_, {});
  json::value top = nullptr;
  if (has_top_) top = std::move(lists.top_logprobs);
  return {{"tokens", std::move(lists.tokens)},
          {"token_logprobs", std::move(lists.token_logprobs)},
          {"top_logprobs", std::move(top)},
          {"text_offset", std::move(lists.text_offset)}};
}

}  // namespace fathom::serve
