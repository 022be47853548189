// Demands and configurations that the tests share.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "plan/embedded_data.h"
#include "plan/planner.h"
#include "spec/known_models.h"

namespace fathom::plan {

inline Catalogue whole_catalogue() {
  Catalogue catalogue = *parse_catalogue(embedded_catalogue(), "catalogue");
  EXPECT_TRUE(apply_prices(catalogue, embedded_prices(), "prices"));
  catalogue.accelerators.push_back(cpu_row({.title = "a processor",
                                            .isa = "avx512_bf16",
                                            .num_cores = 2,
                                            .memory_gib = 24,
                                            .is_guess = true}));
  return catalogue;
}

inline Demand demand_for(const std::string& model = "deepseek-llm-7b") {
  Demand demand;
  demand.model_name = model;
  demand.spec = *spec::known_shape(model);
  demand.catalogue = whole_catalogue();
  demand.disk_gb_per_s = 2;
  return demand;
}

inline Configuration configure_one(const Demand& demand, const std::string& gpu,
                                   Weights weights = Weights::kFp16, KvType kv = KvType::kFp16,
                                   int num_devices = 1, Split split = Split::kReplica) {
  return configure(demand, {.device = demand.catalogue.find(gpu),
                            .num_devices = num_devices,
                            .split = split,
                            .weights = weights,
                            .kv = kv});
}

inline bool has_reason(const Configuration& configuration, std::string_view text) {
  for (const std::string& reason : configuration.reasons) {
    if (reason.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace fathom::plan
