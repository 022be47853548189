// Facts files and /metrics are strangers' bytes: whatever they hold, every check and report runs.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "diagnose/checks/checks.h"
#include "diagnose/facts/fact_json.h"
#include "diagnose/report.h"
#include "diagnose/server/metrics_reading.h"
#include "diagnose/server/server_rates.h"
#include "diagnose/topology/topology.h"
#include "spec/known_models.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fathom;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const diagnose::ModelBytes model =
      diagnose::model_bytes(*spec::known_shape("deepseek-llm-7b"), "deepseek-llm-7b");
  if (const auto facts = diagnose::facts_from_json(text, "facts")) {
    const auto findings = diagnose::check({.facts = *facts, .model = &model});
    diagnose::report_text(*facts, findings, 1);
    diagnose::facts_text(*facts);
    diagnose::topology_text(*facts);
  }
  // The first half of the bytes is one reading, all of them another.
  const auto before = diagnose::MetricsReading::parse(text.substr(0, size / 2));
  const auto after = diagnose::MetricsReading::parse(text);
  if (before && after) {
    diagnose::Facts facts;
    diagnose::add_rates(*before, *after, 1.0, facts.servers.emplace_back());
    diagnose::report_text(facts, diagnose::check({.facts = facts}), 1);
  }
  return 0;
}
