// The shapes are vLLM's and llama.cpp's.
#include "serve/openai/request/token_request.h"

#include <boost/json.hpp>

#include "serve/openai/request/field_reader.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using base::Result;

constexpr std::size_t kMaxTokens = std::size_t{4} << 20;  // more than a body holds

Result<TemplateRequest> read_template_request(FieldReader& fields) {
  TemplateRequest request;
  request.conversation.messages = TRY(read_messages(fields));
  TRY(read_tools(fields, request.conversation));
  request.options = TRY(read_template_options(fields));
  return request;
}

}  // namespace

Result<TokenizeRequest> parse_tokenize_request(std::string_view body) {
  const json::value root = TRY(parse_body(body));
  FieldReader fields(root.get_object());
  TokenizeRequest request;
  request.model = TRY(fields.text("model"));
  request.return_token_strings = TRY(fields.boolean("return_token_strs"));
  const json::value* const prompt = fields.find("prompt");
  const bool has_messages = fields.find("messages") != nullptr;
  if ((prompt != nullptr) == has_messages) {
    return fields.bad("prompt", "give either prompt or messages");
  }
  if (has_messages) {
    request.chat = TRY(read_template_request(fields));
  } else {
    request.prompt = TRY(fields.text("prompt"));
    request.add_special_tokens = TRY(fields.boolean("add_special_tokens", true));
  }
  TRY(fields.refuse_rest(harmless_fields()));
  return request;
}

Result<DetokenizeRequest> parse_detokenize_request(std::string_view body) {
  const json::value root = TRY(parse_body(body));
  FieldReader fields(root.get_object());
  DetokenizeRequest request;
  request.model = TRY(fields.text("model"));
  if (fields.find("tokens") == nullptr) return fields.bad("tokens", "missing");
  request.tokens = TRY(fields.tokens("tokens", kMaxTokens));
  TRY(fields.refuse_rest(harmless_fields()));
  return request;
}

Result<TemplateRequest> parse_template_request(std::string_view body) {
  const json::value root = TRY(parse_body(body));
  FieldReader fields(root.get_object());
  TemplateRequest request = TRY(read_template_request(fields));
  request.model = TRY(fields.text("model"));
  TRY(fields.refuse_rest(harmless_fields()));
  return request;
}

}  // namespace fathom::serve
