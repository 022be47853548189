// The route table: which paths there are, what they take and who answers.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "serve/openai/endpoints/backend.h"

namespace fathom::serve {

enum class RouteMethod { kGet, kPost };  // kGet takes HEAD too

struct Route {
  std::string_view path;  // a last part in braces stands for any text: "/v1/models/{model}"
  RouteMethod method = RouteMethod::kGet;
  // Of kPost: runs on a worker. An error is one that was not answered yet.
  base::Result<void> (*answer)(Backend&, const HttpTask&) = nullptr;
};

// nullptr if there is no such path. The one place where paths are compared: for authentication and
// metrics too, which need a bounded set of names.
const Route* find_route(std::string_view path);
std::span<const Route> routes();

}  // namespace fathom::serve
