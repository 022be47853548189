// SameFacts: lets one list of fields serve both reading and writing a struct of facts.
#pragma once

#include <concepts>
#include <type_traits>

namespace fathom::diagnose {

// visit_fields(facts, visit) calls visit("name", facts.name) for every field, in order; facts may
// be const. The names are those of the JSON that --record writes and --facts reads.
template <typename Given, typename Facts>
concept SameFacts = std::same_as<std::remove_const_t<Given>, Facts>;

}  // namespace fathom::diagnose
