// The topology of a machine: which GPUs, processors and memory hang together, and how.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "diagnose/facts/facts.h"

namespace fathom::diagnose {

// A tree of NUMA nodes, PCIe switches and GPUs; NVLinks; the matrix of paths, in the words of
// nvidia-smi, with what they mean. Lines of at most 80 columns. Without GPUs: nodes, processors,
// memory, distances.
std::string topology_text(const Facts& facts);

// {"numa_nodes": [...], "gpus": [{"index", "name", "pci_bus_id", "numa_node", "near_cpus"}],
// "links": [...]}, in the form of the facts.
boost::json::object topology_json(const Facts& facts);

}  // namespace fathom::diagnose
