// Configurations of hardware for a model: memory, speed, cost, and what is to be said about each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plan/catalogue.h"
#include "plan/memory.h"
#include "plan/precision.h"
#include "plan/range.h"
#include "plan/split.h"
#include "spec/model_spec.h"

namespace fathom::plan {

// The context at which batches are compared, where a model has so much.
inline constexpr std::int64_t kCompareContextTokens = 4096;
inline constexpr std::int64_t kDefaultInputTokens = 512;
inline constexpr std::int64_t kDefaultOutputTokens = 256;

struct Demand {
  std::string model_name;
  spec::ModelSpec spec;
  Catalogue catalogue;      // with this machine's rows
  std::string gpu;          // a name of the catalogue; empty: all
  std::optional<int> gpus;  // devices together
  std::optional<Weights> weights;
  std::optional<KvType> kv;
  std::optional<std::int64_t> context_tokens;
  std::optional<std::int64_t> batch;
  std::int64_t input_tokens = kDefaultInputTokens;
  std::int64_t output_tokens = kDefaultOutputTokens;
  // Targets.
  std::optional<double> requests_per_s;
  std::optional<double> ttft_ms;
  std::optional<double> tpot_ms;
  std::string machine;       // what this one is, for people; may be empty
  double disk_gb_per_s = 0;  // reads of this machine's disk
  bool disk_is_measured = false;

  bool has_target() const { return requests_per_s || ttft_ms || tpot_ms; }
  std::int64_t context() const;          // asked for, or what batches are compared at
  std::int64_t compare_context() const;  // 4096, or the model's
};

// Of the machine that holds the devices.
struct HostPlan {
  std::int64_t process_bytes = 0;     // of all instances, without mapped files
  std::int64_t staging_bytes = 0;     // page-locked, while weights are on their way to GPUs
  std::int64_t page_cache_bytes = 0;  // the checkpoint: must stay for a CPU, makes restarts warm
  std::int64_t disk_bytes = 0;
  double load_seconds_cold = 0;  // from the disk, one instance after the other reading the cache
  double load_seconds_warm = 0;
  bool disk_is_measured = false;
};

struct Configuration {
  Accelerator device;
  int num_devices = 1;
  Split split = Split::kReplica;
  Weights weights = Weights::kFp16;
  KvType kv = KvType::kFp16;
  std::int64_t batch = 1;           // what TPOT and the ledger are for
  std::int64_t context_tokens = 0;  // the same
  DeviceLedger ledger;
  std::int64_t max_context_at_batch_1 = 0;
  std::int64_t max_batch_at_4096 = 0;  // of one device, or of all that share a model
  std::int64_t throughput_batch = 0;   // what tokens_per_s is for, of one instance
  // Nothing where it does not fit.
  std::optional<Range> ttft_ms;
  std::optional<Range> tpot_ms;
  std::optional<Range> tokens_per_s;  // of all instances
  std::optional<Range> usd_per_million_tokens;
  std::optional<double> usd_per_hour;
  std::optional<double> watts;
  HostPlan host;
  bool is_supported = true;  // the device computes in these types
  bool is_served = false;    // by this build
  std::optional<bool> meets_target;
  std::vector<std::string> reasons;

  bool fits() const { return is_supported && ledger.fits(); }
  int num_instances() const { return split == Split::kReplica ? num_devices : 1; }
  int ranks() const { return split == Split::kTensor ? num_devices : 1; }
  Placement placement(const spec::ModelSpec& spec) const {
    return {.spec = spec, .device = device, .ranks = ranks(), .weights = weights, .kv = kv};
  }
};

// The choices of a configuration.
struct Choice {
  const Accelerator* device = nullptr;
  int num_devices = 1;
  Split split = Split::kReplica;
  Weights weights = Weights::kFp16;
  KvType kv = KvType::kFp16;
};

// Memory, speed and cost of one choice at the demand's batch and context.
Configuration configure(const Demand& demand, const Choice& choice);

// Replaces the batch, and what follows from it.
void set_batch(const Demand& demand, std::int64_t batch, std::int64_t context_tokens,
               Configuration& configuration);

// Errors name the flag.
base::Result<void> check(const Demand& demand);

// The overview, one device's formats, or - with a target - every configuration, those that meet it
// first, cheapest first.
base::Result<std::vector<Configuration>> plan(const Demand& demand);

}  // namespace fathom::plan
