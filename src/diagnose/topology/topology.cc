// Draws with plain characters.
#include "diagnose/topology/topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "diagnose/facts/fact_json.h"
#include "diagnose/quantity_text.h"
#include "diagnose/report.h"

namespace fathom::diagnose {
namespace {

namespace json = boost::json;

// Of GPUs by their place in Facts::gpus, not by NVML's index.
using Group = std::vector<std::size_t>;

const LinkFacts* link_between(const Facts& facts, std::int64_t one, std::int64_t other) {
  const auto found = std::ranges::find_if(facts.links, [&](const LinkFacts& link) {
    return (link.gpu_a == one && link.gpu_b == other) || (link.gpu_a == other && link.gpu_b == one);
  });
  return found == facts.links.end() ? nullptr : &*found;
}

// GPUs behind one PCIe switch stand together, in the order of their numbers.
std::vector<Group> switch_groups(const Facts& facts, const Group& gpus) {
  std::vector<Group> groups;
  for (const std::size_t gpu : gpus) {
    const auto joined = std::ranges::find_if(groups, [&](const Group& group) {
      const LinkFacts* const link =
          link_between(facts, facts.gpus[group.front()].index, facts.gpus[gpu].index);
      return link != nullptr && link->path == "PIX";
    });
    if (joined == groups.end()) {
      groups.push_back({gpu});
    } else {
      joined->push_back(gpu);
    }
  }
  return groups;
}

std::string gpu_text(const GpuFacts& gpu) {
  std::string text = fmt::format("GPU {}  {}", gpu.index, gpu.name.value_or("name not supported"));
  if (gpu.memory.total_bytes) text += ", " + bytes_text(*gpu.memory.total_bytes);
  if (gpu.pcie.max_generation && gpu.pcie.max_width) {
    text += fmt::format(", PCIe {} x{}", *gpu.pcie.max_generation, *gpu.pcie.max_width);
  }
  if (gpu.pci_bus_id) text += ", " + *gpu.pci_bus_id;
  return text;
}

std::string branch(std::string_view indent, const std::string& text) {
  return wrapped(indent, indent.size(), text);
}

std::string gpus_text(const Facts& facts, const Group& gpus) {
  std::string out;
  for (const Group& group : switch_groups(facts, gpus)) {
    if (group.size() == 1) {
      out += branch("  +-- ", gpu_text(facts.gpus[group.front()]));
      continue;
    }
    out += "  +-- PCIe switch\n";
    for (const std::size_t gpu : group) out += branch("  |     +-- ", gpu_text(facts.gpus[gpu]));
  }
  return out;
}

std::string node_text(const NumaNodeFacts& node) {
  const auto bytes = [](const std::optional<std::int64_t>& value) {
    return value ? bytes_text(*value) : std::string("not supported");
  };
  const std::string cpus = node.cpus.value_or("not supported");
  return branch("", fmt::format("NUMA node {}: processors {}, memory {} ({} free)", node.node,
                                cpus.empty() ? "none" : cpus, bytes(node.memory_total_bytes),
                                bytes(node.memory_free_bytes)));
}

std::string tree_text(const Facts& facts) {
  std::map<std::int64_t, Group> of_node;
  Group elsewhere;
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) {
    const auto& node = facts.gpus[i].numa_node;
    (node ? of_node[*node] : elsewhere).push_back(i);
  }
  std::string out;
  for (const NumaNodeFacts& node :
       facts.host.processor.numa_nodes.value_or(std::vector<NumaNodeFacts>{})) {
    out += node_text(node);
    out += gpus_text(facts, of_node[node.node]);
    of_node.erase(node.node);
  }
  if (out.empty()) out = "NUMA nodes: not supported\n";
  for (const auto& [node, gpus] : of_node) {
    out += fmt::format("NUMA node {}: not readable\n", node) + gpus_text(facts, gpus);
  }
  if (!elsewhere.empty()) {
    out += "NUMA node: not supported\n" + gpus_text(facts, elsewhere);
  }
  return out;
}

// Nothing where NVLink cannot be read, or is not there.
std::string nvlink_text(const Facts& facts) {
  std::string out;
  for (const GpuFacts& gpu : facts.gpus) {
    const auto to_switch = std::ranges::count_if(
        gpu.nvlinks.value_or(std::vector<NvLinkFacts>{}), [](const NvLinkFacts& link) {
          return link.is_active.value_or(false) && link.remote_type == "switch";
        });
    if (to_switch > 0) out += fmt::format("  GPU {} == {} == NVSwitch\n", gpu.index, to_switch);
  }
  const bool has_switches = !out.empty();
  for (const LinkFacts& link : facts.links) {
    if (has_switches || link.num_nvlinks.value_or(0) <= 0) continue;
    out += fmt::format("  GPU {} == {} == GPU {}\n", link.gpu_a, *link.num_nvlinks, link.gpu_b);
  }
  return out.empty() ? out : "\nNVLink, with the number of active links\n" + out;
}

std::string cell_text(const Facts& facts, const GpuFacts& row, const GpuFacts& column) {
  if (row.index == column.index) return "X";
  const LinkFacts* const link = link_between(facts, row.index, column.index);
  if (link == nullptr) return "?";
  if (link->num_nvlinks.value_or(0) > 0) return fmt::format("NV{}", *link->num_nvlinks);
  return link->path.value_or("?");
}

struct PathMeaning {
  const char* word;
  const char* text;
};
constexpr std::array kMeanings{
    PathMeaning{"NV", "so many NVLinks"},
    PathMeaning{"BOARD", "on one board"},
    PathMeaning{"PIX", "through one PCIe switch"},
    PathMeaning{"PXB", "through several PCIe switches"},
    PathMeaning{"PHB", "through the processor's PCIe host bridge"},
    PathMeaning{"NODE", "through several host bridges of one NUMA node"},
    PathMeaning{"SYS", "through the link between NUMA nodes"},
    PathMeaning{"?", "not supported"},
};

// Columns in blocks that fit 80 columns.
std::string matrix_text(const Facts& facts) {
  constexpr std::size_t kColumns = 12;
  std::set<std::string> used;
  std::string out;
  for (std::size_t first = 0; first < facts.gpus.size(); first += kColumns) {
    const std::size_t last = std::min(first + kColumns, facts.gpus.size());
    out += "\n      ";
    for (std::size_t column = first; column < last; ++column) {
      out += fmt::format("{:>6}", fmt::format("GPU{}", facts.gpus[column].index));
    }
    out += "\n";
    for (const GpuFacts& row : facts.gpus) {
      out += fmt::format("{:<6}", fmt::format("GPU{}", row.index));
      for (std::size_t column = first; column < last; ++column) {
        const std::string cell = printable(cell_text(facts, row, facts.gpus[column])).substr(0, 5);
        used.insert(cell.starts_with("NV") ? "NV" : cell);
        out += fmt::format("{:>6}", cell);
      }
      out += "\n";
    }
  }
  out += "\n";
  for (const PathMeaning& each : kMeanings) {
    if (used.contains(each.word)) out += fmt::format("  {:<5} {}\n", each.word, each.text);
  }
  return out + "The kind of a path is not its health: nvidia-smi nvlink -s, and fathom doctor.\n";
}

std::string distances_text(const std::vector<NumaNodeFacts>& nodes) {
  std::string out = "\nDistances between NUMA nodes; 10: itself\n";
  for (const NumaNodeFacts& node : nodes) {
    std::string row;
    for (const std::int64_t distance : node.distances.value_or(std::vector<std::int64_t>{})) {
      row += fmt::format("{} ", distance);
    }
    out += wrapped(fmt::format("  node {:<3}", node.node), 12, row.empty() ? "not supported" : row);
  }
  return out;
}

}  // namespace

std::string topology_text(const Facts& facts) {
  const std::vector<NumaNodeFacts> nodes =
      facts.host.processor.numa_nodes.value_or(std::vector<NumaNodeFacts>{});
  std::string out = branch(
      "", fmt::format("processor: {}", facts.host.processor.model.value_or("not supported")));
  out += tree_text(facts);
  if (facts.gpus.empty()) {
    const std::string reason = facts.driver.problem_text.value_or("NVML finds none");
    out += branch("", fmt::format("no GPU: {}", reason));
  }
  out += nvlink_text(facts);
  if (facts.gpus.size() > 1) out += matrix_text(facts);
  if (nodes.size() > 1) out += distances_text(nodes);
  return out;
}

json::object topology_json(const Facts& facts) {
  const json::object all = json_of(facts);
  json::array gpus;
  for (const json::value& gpu : all.at("gpus").as_array()) {
    json::object shown;
    for (const char* const name : {"index", "name", "pci_bus_id", "numa_node", "near_cpus"}) {
      shown.emplace(name, gpu.as_object().at(name));
    }
    gpus.push_back(std::move(shown));
  }
  return {{"numa_nodes", all.at("host").at("processor").at("numa_nodes")},
          {"gpus", std::move(gpus)},
          {"links", all.at("links")}};
}

}  // namespace fathom::diagnose
