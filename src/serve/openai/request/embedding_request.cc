// OpenAI's fields, and pooling.
#include "serve/openai/request/embedding_request.h"

#include <boost/json.hpp>

#include "serve/openai/request/field_reader.h"

namespace fathom::serve {

namespace json = boost::json;
using base::Result;

Result<EmbeddingsRequest> parse_embeddings_request(std::string_view body) {
  const json::value root = TRY(parse_body(body));
  FieldReader fields(root.get_object());
  EmbeddingsRequest request;
  request.model = TRY(fields.text("model"));
  if (request.model.empty()) return fields.bad("model", "missing");
  request.inputs = TRY(read_prompts(fields, "input", kMaxEmbeddingInputs));
  for (const PromptInput& input : request.inputs) {
    if (input.text.empty() && input.tokens.empty()) return fields.bad("input", "an input is empty");
  }
  const std::string format = TRY(fields.text("encoding_format"));
  if (!format.empty() && format != "float" && format != "base64") {
    return fields.bad("encoding_format", "must be float or base64");
  }
  request.is_base64 = format == "base64";
  const std::string pooling = TRY(fields.text("pooling"));
  if (!pooling.empty() && pooling != "mean" && pooling != "last") {
    return fields.bad("pooling", "must be mean or last");
  }
  request.pooling = pooling == "last" ? engine::Pooling::kLast : engine::Pooling::kMean;
  request.dimensions = TRY(fields.integer("dimensions", 1, INT32_MAX));
  request.truncate_prompt_tokens = TRY(fields.integer("truncate_prompt_tokens", -1, INT32_MAX));
  if (request.truncate_prompt_tokens == 0) {
    return fields.bad("truncate_prompt_tokens", "must be -1 or at least 1");
  }
  request.add_special_tokens = TRY(fields.boolean("add_special_tokens", true));
  request.priority = TRY(fields.integer("priority", -1'000'000'000, 1'000'000'000))
  .value_or(0);
  TRY(fields.refuse_rest(harmless_fields()));
  return request;
}

}  // namespace fathom::serve
