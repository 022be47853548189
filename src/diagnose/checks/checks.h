// All checks, and the list of everything that they can find.
#pragma once

#include <span>

#include "diagnose/checks/theme.h"

namespace fathom::diagnose {

std::span<const Theme* const> themes();

// Runs every theme; errors first, then warnings, then information, each in the themes' order.
Findings check(const CheckInput& input);

}  // namespace fathom::diagnose
