// Every path of the API.
#include "serve/openai/routes.h"

#include <array>

#include "serve/openai/endpoints/endpoints.h"

namespace fathom::serve {
namespace {

constexpr RouteMethod kGet = RouteMethod::kGet;
constexpr RouteMethod kPost = RouteMethod::kPost;

constexpr std::array kRoutes = {
    Route{"/v1/chat/completions", kPost, answer_chat},
    Route{"/v1/completions", kPost, answer_completion},
    Route{"/v1/responses", kPost, answer_response},
    Route{"/v1/embeddings", kPost, answer_embedding},
    Route{"/tokenize", kPost, answer_tokenize},
    Route{"/detokenize", kPost, answer_detokenize},
    Route{"/apply-template", kPost, answer_apply_template},
    Route{"/v1/models", kGet},
    Route{"/v1/models/{model}", kGet},
    Route{"/health", kGet},
    Route{"/livez", kGet},
    Route{"/readyz", kGet},
    Route{"/version", kGet},
};

bool matches(std::string_view pattern, std::string_view path) {
  const std::size_t brace = pattern.find('{');
  if (brace == std::string_view::npos) return pattern == path;
  return path.size() > brace && path.starts_with(pattern.substr(0, brace));
}

}  // namespace

const Route* find_route(std::string_view path) {
  for (const Route& route : kRoutes) {
    if (matches(route.path, path)) return &route;
  }
  return nullptr;
}

std::span<const Route> routes() { return kRoutes; }

}  // namespace fathom::serve
