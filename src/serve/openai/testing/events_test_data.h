// Server-sent events, read back.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::serve {

// The JSON of each event; [DONE] is left out.
std::vector<boost::json::value> events_of(std::string_view body);
// The names of events that have one.
std::vector<std::string> event_names(std::string_view body);

}  // namespace fathom::serve
