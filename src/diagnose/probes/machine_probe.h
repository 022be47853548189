// Reads the facts of all GPUs and of the ways between them.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "base/result.h"
#include "base/system_files.h"
#include "diagnose/facts/facts.h"
#include "diagnose/probes/nvml_api.h"

namespace fathom::diagnose {

struct GpuReport {
  DriverFacts driver;
  std::vector<GpuFacts> gpus;
  std::vector<LinkFacts> links;
};

using NvmlLoader = std::function<base::Result<NvmlApi>()>;

// Values that NVML cannot give, or that cannot be true, stay without a value. Gives up when the
// driver does not answer within `timeout`; the thread that waits for it is left behind. Takes under
// a second for a machine of eight GPUs.
GpuReport probe_gpus(const base::SystemFiles& files, const NvmlLoader& load = load_nvml,
                     std::chrono::milliseconds timeout = std::chrono::seconds(20));

// NVML kept open, to read the same GPU again and again. One thread.
class NvmlSession {
 public:
  // Fails with a code of nvml_problem as the error's `where`.
  static base::Result<NvmlSession> open(const NvmlLoader& load);
  NvmlSession(NvmlSession&& other) noexcept;
  NvmlSession& operator=(NvmlSession&&) = delete;
  NvmlSession(const NvmlSession&) = delete;
  NvmlSession& operator=(const NvmlSession&) = delete;
  ~NvmlSession();

  const NvmlApi& api() const { return api_; }
  base::Result<std::int64_t> count() const;
  // kUnavailable with NVML's words: that GPU does not answer.
  base::Result<nvml::Device> device(std::int64_t index) const;

 private:
  explicit NvmlSession(NvmlApi api) : api_(std::move(api)) {}
  std::string text_of(nvml::Status status) const;

  NvmlApi api_;
  bool is_open_ = false;
};

}  // namespace fathom::diagnose
