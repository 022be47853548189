// What the engine takes of the device's memory: the arithmetic of src/footprint, and what is
// measured.
#pragma once

#include <cstddef>

#include "footprint/kv_cache.h"
#include "footprint/ledger.h"

namespace fathom::engine {

using footprint::kBlockTokens;
using footprint::MemoryLedger;

// Private memory of this process in bytes, without files that it maps; 0 if the system does not
// say.
std::size_t private_memory_bytes();

}  // namespace fathom::engine
