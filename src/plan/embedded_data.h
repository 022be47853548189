// The data files that are built into the program.
#pragma once

#include <string_view>

namespace fathom::plan {

// The JSON of src/plan/data.
std::string_view embedded_catalogue();
std::string_view embedded_prices();

}  // namespace fathom::plan
