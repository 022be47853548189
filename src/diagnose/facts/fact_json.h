// Facts as JSON and back: what `fathom doctor --record` writes, and `--facts` reads.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "diagnose/facts/facts.h"

namespace fathom::diagnose {

// Every field is there; null: it could not be read.
boost::json::object json_of(const Facts& facts);

// Fields may be missing, which is as null. An error names the field: one that nobody knows, or of
// another type; more than 4096 elements of an array or 64 GPUs; whole numbers beyond 2^53.
base::Result<Facts> facts_from_json(std::string_view text, std::string_view where);

// One fact for people: its place, "gpus[0].pcie.width", and its value or "not supported".
struct FactLine {
  std::string name;
  std::string value;
};
std::vector<FactLine> fact_lines(const Facts& facts);

}  // namespace fathom::diagnose
