// GenerationOptions: what requests for text have in common, whichever endpoint they go to.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "engine/request.h"
#include "serve/openai/request/field_reader.h"
#include "serve/openai/request/structured_output.h"

namespace fathom::serve {

inline constexpr std::int64_t kMaxAnswers = 16;
inline constexpr std::int64_t kMaxMaxTokens = std::int64_t{1} << 31;

struct GenerationOptions {
  std::string model;
  std::string request_id;  // part of the answer's id; empty: one is made
  engine::SamplingParameters sampling;
  engine::StopConditions stop;  // but for bad_words, which still are text
  std::vector<std::string> bad_words;
  std::vector<base::TokenId> allowed_tokens;  // empty: all
  StructuredOutput structured;
  std::int64_t num_answers = 1;  // of each prompt
  std::optional<std::int32_t> top_logprobs;
  std::optional<std::int32_t> prompt_logprobs;
  std::optional<std::int64_t> truncate_prompt_tokens;  // keeps the last ones; -1: what fits
  std::int64_t priority = 0;
  bool skip_special_tokens = true;
  bool stream = false;
  bool include_usage = false;     // in an event of its own
  bool continuous_usage = false;  // in every event
  bool return_token_ids = false;
  bool timings = false;
};

// Reads the fields of this struct that chat and completions spell alike: all but max_tokens and
// logprobs. Errors: kInvalidArgument, whose place is the field.
base::Result<GenerationOptions> read_generation_options(FieldReader& fields);

// Fields that change nothing here: they are for others' books.
std::span<const std::string_view> harmless_fields();

}  // namespace fathom::serve
