// Theme: the checks of one subject, pure functions of facts.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/facts/facts.h"
#include "diagnose/finding.h"
#include "diagnose/model_bytes.h"

namespace fathom::diagnose {

using Findings = std::vector<Finding>;

// What the checks look at. The model is not there if the user named none.
struct CheckInput {
  const Facts& facts;
  const ModelBytes* model = nullptr;
};

// A check reads no file and asks no device; facts that are missing raise nothing.
struct Theme {
  std::string_view name;  // for the docs: "GPU memory"
  std::span<const FindingKind> kinds;
  void (*check)(const CheckInput& input, Findings& findings);
};

// One for each file of this folder.
const Theme& driver_theme();
const Theme& gpu_memory_theme();
const Theme& gpu_health_theme();
const Theme& gpu_clocks_theme();
const Theme& links_theme();
const Theme& platform_theme();
const Theme& host_memory_theme();
const Theme& processor_theme();
const Theme& limits_theme();
const Theme& storage_theme();
const Theme& environment_theme();
const Theme& server_theme();
const Theme& server_limit_theme();
const Theme& measured_theme();

}  // namespace fathom::diagnose
