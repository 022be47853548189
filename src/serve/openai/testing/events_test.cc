// Splits a stream at its empty lines.
#include <boost/json.hpp>

#include "serve/openai/testing/events_test_data.h"

namespace fathom::serve {

std::vector<boost::json::value> events_of(std::string_view body) {
  std::vector<boost::json::value> events;
  std::size_t at = 0;
  while ((at = body.find("data: {", at)) != std::string_view::npos) {
    const std::size_t end = body.find("\n\n", at);
    events.push_back(boost::json::parse(body.substr(at + 6, end - at - 6)));
    at = end;
  }
  return events;
}

std::vector<std::string> event_names(std::string_view body) {
  std::vector<std::string> names;
  std::size_t at = 0;
  while ((at = body.find("event: ", at)) != std::string_view::npos) {
    const std::size_t end = body.find('\n', at);
    names.emplace_back(body.substr(at + 7, end - at - 7));
    at = end;
  }
  return names;
}

}  // namespace fathom::serve
