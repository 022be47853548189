// The catalogue of accelerators: what each has and costs, every figure with its source.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/efficiency.h"

namespace fathom::plan {

// Of a configuration.
inline constexpr int kMaxDevices = 64;

struct Figure {
  double value = 0;
  std::string source;  // for people
  std::string date;    // "2026-11"
  bool is_verified = false;
};

// US dollars for an hour of one accelerator.
struct Price {
  double low = 0;
  double high = 0;
  std::string source;
  std::string date;
  bool is_verified = false;

  double likely() const { return (low + high) / 2; }
};

struct Accelerator {
  std::string name;                       // "rtx4090"
  std::string title;                      // "NVIDIA GeForce RTX 4090"
  std::vector<std::string> driver_names;  // what drivers call it, where that is not the title
  bool is_cpu = false;
  bool shares_host_memory = false;  // a GPU without memory of its own
  int architecture = 0;             // 89 for sm_89; 0: a CPU
  Figure memory_gib;                // that programs see
  Figure bandwidth_gb_per_s;        // peak
  Figure fp16_tflops;  // dense products, sums in f32; on a CPU in its best two-byte type
  std::optional<Figure> int8_tops;
  std::optional<Figure> fp8_tflops;
  Figure multiprocessors;
  std::optional<Figure> watts;
  Figure host_link_gb_per_s;  // copies from host memory
  // A link between GPUs, both directions together, and how many it joins.
  std::optional<Figure> link_gb_per_s;
  int link_gpus = 1;
  std::vector<int> table_counts;  // rows of the overview
  std::optional<Efficiency> efficiency;
  std::optional<Price> price;

  // Whether a driver means it by this name.
  bool is_called(std::string_view driver_name) const;
  // Figures that nobody verified, by name.
  std::vector<std::string> unverified() const;
};

struct Catalogue {
  std::vector<Accelerator> accelerators;

  const Accelerator* find(std::string_view name) const;
  // "t4, rtx3090, ...".
  std::string names() const;
};

// `where` names the source in errors, which name the accelerator and the field.
base::Result<Catalogue> parse_catalogue(std::string_view json, std::string_view where);
// Replaces the prices of the accelerators that the file names.
base::Result<void> apply_prices(Catalogue& catalogue, std::string_view json,
                                std::string_view where);

// What is known of the processor that this program runs on.
struct CpuFacts {
  std::string title;
  std::string isa;  // "avx512_bf16"
  int num_cores = 1;
  double memory_gib = 0;
  // Another processor than the one at hand.
  bool is_guess = false;
};

// A row "cpu". Its bandwidth and rates are estimates, and say so, until they are measured.
Accelerator cpu_row(const CpuFacts& facts);

}  // namespace fathom::plan
