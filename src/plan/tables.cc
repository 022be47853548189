// Lays out the tables.
#include "plan/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "plan/advice.h"
#include "plan/text_layout.h"

namespace fathom::plan {
namespace {

constexpr std::size_t kMaxRanked = 24;

std::string gib_text(std::int64_t bytes) {
  return fmt::format("{:.2f}", static_cast<double>(bytes) / (1 << 30));
}

std::string split_text(const Configuration& c) {
  if (c.num_devices == 1) return "-";
  return c.split == Split::kReplica ? "rep" : "tp";
}

// "int4*": not served by this build.
std::string weights_text(const Configuration& c) {
  return std::string(name(c.weights)) + (c.is_served ? "" : "*");
}

std::string row_head(const Configuration& c) {
  return fmt::format("{:<9}{:>2} {:<3} {:<5} {:<4}", c.device.name, c.num_devices, split_text(c),
                     weights_text(c), name(c.kv));
}

std::string table_head() {
  return fmt::format("{:<9}{:>2} {:<3} {:<5} {:<4}", "GPU", "n", "", "W", "KV");
}

std::string model_text(const Demand& demand) {
  const spec::ModelSpec& spec = demand.spec;
  return fmt::format("{}: {:.2f} billion parameters, {} layers, context {}\n", demand.model_name,
                     static_cast<double>(spec.total_parameters()) / 1e9, spec.num_layers,
                     spec.max_context_tokens);
}

std::string seconds_text(double seconds) {
  return seconds >= 9.95 ? fmt::format("{:.0f}", seconds) : fmt::format("{:.1f}", seconds);
}

std::string memory_table(const Demand& demand, const std::vector<Configuration>& configurations) {
  std::string text = fmt::format("Memory of each device, GiB: {} x {} tokens\n",
                                 demand.batch.value_or(1), demand.context());
  text += table_head() + fmt::format(" {:>7} {:>6} {:>6} {:>7} {:>8} {:>6} {:>6}\n", "weights",
                                     "KV", "other", "free", "batch@4k", "ctx@1", "load s");
  for (const Configuration& c : configurations) {
    const std::int64_t other = c.ledger.workspace_bytes + c.ledger.logits_bytes +
                               c.ledger.runtime_bytes + c.ledger.kept_bytes;
    text += row_head(c) + fmt::format(" {:>7} {:>6} {:>6} {:>7} {:>8} {:>6} {:>6}\n",
                                      gib_text(c.ledger.weights_bytes), gib_text(c.ledger.kv_bytes),
                                      gib_text(other), gib_text(c.ledger.free_bytes),
                                      c.max_batch_at_4096, c.max_context_at_batch_1,
                                      seconds_text(c.host.load_seconds_cold));
  }
  return text;
}

std::string optional_text(const std::optional<double>& value) {
  return value ? number_text(*value) : "-";
}

std::string speed_row(const Configuration& c) {
  const auto cost = c.usd_per_million_tokens
                        ? std::optional<double>(c.usd_per_million_tokens->likely)
                        : std::nullopt;
  return row_head(c) +
         fmt::format(
             " {:>14} {:>14} {:>12} {:>4} {:>5}\n", range_text(c.ttft_ms), range_text(c.tpot_ms),
             c.tokens_per_s
                 ? fmt::format("{}@{}", number_text(c.tokens_per_s->likely), c.throughput_batch)
                 : "-",
             optional_text(c.watts), optional_text(cost));
}

std::string speed_table(const Demand& demand, const std::vector<Configuration>& configurations) {
  std::string text =
      fmt::format("Predicted speed, likely low-high: first token of {} tokens, ms per token\n",
                  demand.input_tokens);
  text += table_head() + fmt::format(" {:>14} {:>14} {:>12} {:>4} {:>5}\n", "TTFT ms", "TPOT ms",
                                     "tok/s@batch", "W", "$/Mt");
  for (const Configuration& c : configurations) {
    if (c.fits()) text += speed_row(c);
  }
  return text;
}

// Each sentence once, with the configurations that it is about.
std::string notes_text(const std::vector<Configuration>& configurations) {
  std::vector<std::pair<std::string, std::vector<std::string>>> notes;
  for (const Configuration& c : configurations) {
    std::string about = c.device.name;
    if (c.num_devices > 1) about += fmt::format(" x{} {}", c.num_devices, split_text(c));
    for (const std::string& reason : c.reasons) {
      // The price's and the figures' sources are told once for all.
      if (reason.starts_with("not verified")) continue;
      auto found = std::ranges::find(notes, reason, &decltype(notes)::value_type::first);
      if (found == notes.end()) {
        notes.push_back({reason, {}});
        found = std::prev(notes.end());
      }
      if (std::ranges::find(found->second, about) == found->second.end()) {
        found->second.push_back(about);
      }
    }
  }
  std::string text;
  for (const auto& [reason, about] : notes) {
    const std::string names = about.size() > 4 ? fmt::format("{} of these", about.size())
                                               : fmt::format("{}", fmt::join(about, ", "));
    text += paragraph("- ", names + ": " + reason + ".");
  }
  return text;
}

std::string unverified_text(const std::vector<Configuration>& configurations) {
  std::set<std::string> names;
  std::set<std::string> priced;
  for (const Configuration& c : configurations) {
    for (const std::string& figure : c.device.unverified()) {
      if (figure == "price") {
        priced.insert(fmt::format("{} {}", c.device.name, c.device.price->date));
      } else {
        names.insert(c.device.name);
      }
    }
  }
  std::string text;
  if (!names.empty()) {
    text += paragraph("- ", fmt::format("Figures that nobody verified: of {} (--json names them).",
                                        fmt::join(names, ", ")));
  }
  if (!priced.empty()) {
    text += paragraph("- ", fmt::format("Prices that nobody verified: {}; bring your own with "
                                        "--prices.",
                                        fmt::join(priced, ", ")));
  }
  return text;
}

std::string footnotes(const Demand& demand, const std::vector<Configuration>& configurations) {
  std::string text = "\nNotes\n";
  for (const std::string& note : model_notes(demand)) text += paragraph("- ", note);
  text += paragraph("- ",
                    "tok/s and $ are for the batch behind @, at most 256, on a CPU 16. "
                    "W is peak power; $/Mt dollars per million output tokens.");
  text +=
      paragraph("- ", fmt::format("Load time: {:.2f} GB/s of disk, {}.", demand.disk_gb_per_s,
                                  demand.disk_is_measured ? "as measured here"
                                                          : "assumed; --calibrate measures it"));
  const bool has_unserved =
      std::ranges::any_of(configurations, [](const Configuration& c) { return !c.is_served; });
  if (has_unserved) text += "- *: planned; serve of this build cannot run it yet.\n";
  text += unverified_text(configurations);
  text += notes_text(configurations);
  return text;
}

}  // namespace

std::string overview_text(const Demand& demand, const std::vector<Configuration>& configurations) {
  const bool is_everything = demand.gpu.empty() && !demand.machine.empty();
  const std::string machine = is_everything ? paragraph("This machine: ", demand.machine) : "";
  return model_text(demand) + machine + "\n" + memory_table(demand, configurations) + "\n" +
         speed_table(demand, configurations) + footnotes(demand, configurations);
}

namespace {

std::string asked_text(const Demand& demand) {
  std::vector<std::string> asked;
  if (demand.requests_per_s) {
    asked.push_back(fmt::format("{} requests/s", number_text(*demand.requests_per_s)));
  }
  if (demand.ttft_ms) {
    asked.push_back(fmt::format("first token in {} ms", number_text(*demand.ttft_ms)));
  }
  if (demand.tpot_ms) {
    asked.push_back(fmt::format("{} ms per token", number_text(*demand.tpot_ms)));
  }
  return paragraph("Asked: ", fmt::format("{}; {} + {} tokens a request", fmt::join(asked, ", "),
                                          demand.input_tokens, demand.output_tokens));
}

std::string ranked_row(std::size_t rank, const Configuration& c) {
  return fmt::format("{:>2} ", rank) + row_head(c) +
         fmt::format(
             " {:>6} {:>14} {:>14} {:>6} {:>6}\n", c.batch, range_text(c.ttft_ms),
             range_text(c.tpot_ms), optional_text(c.usd_per_hour),
             c.usd_per_million_tokens ? number_text(c.usd_per_million_tokens->likely) : "-");
}

// Of each device the cheapest configuration that this build serves, and one that it does not yet if
// that is cheaper still.
std::vector<Configuration> cheapest_of_each(const std::vector<Configuration>& configurations) {
  std::vector<Configuration> shown;
  std::set<std::string> done;
  std::set<std::string> has_unserved;
  for (const Configuration& c : configurations) {
    if (!c.meets_target.value_or(false) || done.contains(c.device.name)) continue;
    if (!c.is_served && !has_unserved.insert(c.device.name).second) continue;
    if (c.is_served) done.insert(c.device.name);
    if (shown.size() < kMaxRanked) shown.push_back(c);
  }
  return shown;
}

// Of the devices with no configuration that meets the target, what the nearest one lacks.
std::string failures_text(const std::vector<Configuration>& configurations) {
  std::set<std::string> met;
  for (const Configuration& c : configurations) {
    if (c.meets_target.value_or(false)) met.insert(c.device.name);
  }
  std::map<std::string, const Configuration*> nearest;
  for (const Configuration& c : configurations) {
    if (met.contains(c.device.name)) continue;
    const auto [at, is_new] = nearest.try_emplace(c.device.name, &c);
    const Configuration& known = *at->second;
    const bool is_nearer =
        c.fits() && (!known.fits() ||
                     (known.tpot_ms && c.tpot_ms && c.tpot_ms->likely < known.tpot_ms->likely));
    if (!is_new && is_nearer) at->second = &c;
  }
  std::string text;
  for (const auto& [name_of_device, c] : nearest) {
    text +=
        paragraph("- ", fmt::format("{} (nearest: x{} {}, {} weights, {} KV): {}.", name_of_device,
                                    c->num_devices, name(c->split), name(c->weights), name(c->kv),
                                    c->reasons.empty() ? "unknown" : c->reasons.front()));
  }
  return text;
}

}  // namespace

std::string target_text(const Demand& demand, const std::vector<Configuration>& configurations) {
  const std::vector<Configuration> met = cheapest_of_each(configurations);
  std::string text = model_text(demand) + asked_text(demand) + "\n";
  if (met.empty()) {
    text += "No configuration of the catalogue meets this.\n";
  } else {
    text += "Cheapest first; likely low-high\n";
    text += "   " + table_head() +
            fmt::format(" {:>6} {:>14} {:>14} {:>6} {:>6}\n", "batch", "TTFT ms", "TPOT ms", "$/h",
                        "$/Mt");
    for (std::size_t i = 0; i < met.size(); ++i) text += ranked_row(i + 1, met[i]);
  }
  const std::string failures = failures_text(configurations);
  if (!failures.empty()) text += "\nWhat the others lack\n" + failures;
  text += footnotes(demand, met);
  return text;
}

}  // namespace fathom::plan
