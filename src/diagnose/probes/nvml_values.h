// NvmlReader: NVML's answers as optional values; what cannot be true counts as not supported.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "diagnose/probes/nvml_api.h"

namespace fathom::diagnose {

// One device. Not thread-safe.
class NvmlReader {
 public:
  NvmlReader(const NvmlApi& api, nvml::Device device) : api_(api), device_(device) {}

  // `function` may be null; `arguments` stand between the device and the result. Results over
  // `max` are dropped.
  template <typename Function, typename... Arguments>
  std::optional<std::int64_t> number(Function function, std::int64_t max,
                                     Arguments... arguments) const {
    unsigned int value = 0;
    if (function == nullptr || function(device_, arguments..., &value) != nvml::kSuccess) {
      return std::nullopt;
    }
    return in_range(value, max);
  }

  template <typename Function, typename... Arguments>
  std::optional<std::int64_t> large_number(Function function, std::int64_t max,
                                           Arguments... arguments) const {
    unsigned long long value = 0;
    if (function == nullptr || function(device_, arguments..., &value) != nvml::kSuccess) {
      return std::nullopt;
    }
    return in_range(value, max);
  }

  std::optional<bool> flag(NvmlApi::Number function) const {
    const auto value = number(function, 1);
    return value ? std::optional(*value == 1) : std::nullopt;
  }

  // The first of a function's two results: what is, not what will be after a reset.
  std::optional<bool> current(NvmlApi::TwoNumbers function) const {
    unsigned int now = 0;
    unsigned int later = 0;
    if (function == nullptr || function(device_, &now, &later) != nvml::kSuccess || now > 1) {
      return std::nullopt;
    }
    return now == 1;
  }

  std::optional<std::string> text(NvmlApi::Text function) const;

  static std::optional<std::int64_t> in_range(unsigned long long value, std::int64_t max) {
    return value <= static_cast<unsigned long long>(max)
               ? std::optional(static_cast<std::int64_t>(value))
               : std::nullopt;
  }

  const NvmlApi& api() const { return api_; }
  nvml::Device device() const { return device_; }

 private:
  const NvmlApi& api_;
  nvml::Device device_;
};

}  // namespace fathom::diagnose
