// Lines and objects.
#include "diagnose/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>
#include <sstream>

#include "diagnose/facts/fact_json.h"
#include "diagnose/quantity_text.h"

namespace fathom::diagnose {
namespace {

namespace json = boost::json;

constexpr std::size_t kWidth = 80;
constexpr const char* kUnknown = "not supported";

// Characters of UTF-8, each counted as one column.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char each) { return (static_cast<unsigned char>(each) & 0xC0) != 0x80; }));
}

std::string text_of(const std::optional<std::string>& text) { return text.value_or(kUnknown); }

std::string bytes_of(const std::optional<std::int64_t>& bytes) {
  return bytes ? bytes_text(*bytes) : std::string(kUnknown);
}

std::string number_of(const std::optional<std::int64_t>& number) {
  return number ? std::to_string(*number) : std::string("?");
}

std::string line(std::string_view title, const std::string& text) {
  constexpr std::size_t kTitle = 11;
  return wrapped(title, kTitle, text);
}

std::string build_line(const BuildFacts& build) {
  std::string text = "fathom " + build.version.value_or("of unknown version");
  if (!build.cuda_version) return line("build", text + ", without CUDA");
  return line(
      "build",
      fmt::format(
          "{}, CUDA {} for sm_{}", text, *build.cuda_version,
          fmt::join(build.cuda_architectures.value_or(std::vector<std::string>{"?"}), " ")));
}

std::string swap_text(const MemoryFacts& memory) {
  if (memory.swap_total_bytes == 0) return "no swap";
  return fmt::format("swap: {} of {} used", bytes_of(memory.swap_used_bytes),
                     bytes_of(memory.swap_total_bytes));
}

std::string host_lines(const HostFacts& host) {
  const PlatformFacts& platform = host.platform;
  const ProcessorFacts& processor = host.processor;
  const MemoryFacts& memory = host.memory;
  const std::string container = platform.container.value_or(kUnknown);
  std::string out =
      line("machine", fmt::format("Linux {}, {}, {}{}", text_of(platform.kernel_release),
                                  text_of(platform.machine),
                                  container == "none" ? "no container" : "container: " + container,
                                  platform.is_wsl.value_or(false) ? ", WSL2" : ""));
  out += line("processor", fmt::format("{}, {} online, {} allowed, {}", text_of(processor.model),
                                       number_of(processor.num_online), text_of(processor.allowed),
                                       text_of(processor.instruction_set)));
  const bool has_limit = memory.cgroup_limit_bytes && *memory.cgroup_limit_bytes != kUnlimited;
  out += line(
      "memory",
      fmt::format("{}, {} available; {}; limit of the control group: {}",
                  bytes_of(memory.total_bytes), bytes_of(memory.available_bytes), swap_text(memory),
                  has_limit || !memory.cgroup_limit_bytes ? bytes_of(memory.cgroup_limit_bytes)
                                                          : std::string("none")));
  for (const StorageFacts& storage : host.storage) {
    out += line("disk",
                fmt::format("{} ({}): {}, kind: {}, {} of {} left", storage.path, storage.purpose,
                            text_of(storage.file_system), text_of(storage.kind),
                            bytes_of(storage.available_bytes), bytes_of(storage.total_bytes)));
  }
  return out;
}

std::string nvlink_text(const GpuFacts& gpu) {
  if (!gpu.nvlinks) return kUnknown;
  if (gpu.nvlinks->empty()) return "none";
  const auto active = std::ranges::count_if(
      *gpu.nvlinks, [](const NvLinkFacts& link) { return link.is_active.value_or(false); });
  return fmt::format("{} of {} active", active, gpu.nvlinks->size());
}

std::string gpu_line(const GpuFacts& gpu) {
  const std::string title = fmt::format("GPU {}", gpu.index);
  if (gpu.problem) return line(title, fmt::format("does not answer: {}", *gpu.problem));
  const auto celsius = [](const std::optional<double>& value) {
    return value ? fmt::format("{:.0f} C", *value) : std::string("temperature not supported");
  };
  const auto watt = [](const std::optional<double>& value) {
    return value ? fmt::format("{:.0f}", *value) : std::string("?");
  };
  std::string ecc = "not supported";
  if (gpu.health.ecc_enabled) ecc = *gpu.health.ecc_enabled ? "on" : "off";
  return line(
      title,
      fmt::format("{}, sm_{}, {} used of {}, {}, {} of {} W, {} of {} MHz, utilization {}; PCIe {} "
                  "x{} of {} x{}; NVLink: {}; ECC: {}; NUMA node {}",
                  text_of(gpu.name), number_of(gpu.architecture), bytes_of(gpu.memory.used_bytes),
                  bytes_of(gpu.memory.total_bytes), celsius(gpu.health.temperature_c),
                  watt(gpu.health.power_w), watt(gpu.health.power_limit_w),
                  number_of(gpu.health.sm_clock_mhz), number_of(gpu.health.max_sm_clock_mhz),
                  gpu.utilization_percent ? fmt::format("{:.0f} %", *gpu.utilization_percent)
                                          : std::string(kUnknown),
                  number_of(gpu.pcie.generation), number_of(gpu.pcie.width),
                  number_of(gpu.pcie.max_generation), number_of(gpu.pcie.max_width),
                  nvlink_text(gpu), ecc, number_of(gpu.numa_node)));
}

std::string server_line(const ServerFacts& server) {
  if (server.problem) return line("server", fmt::format("{}: {}", server.url, *server.problem));
  const auto rate = [](const std::optional<double>& value) {
    return value ? fmt::format("{:.1f}", *value) : std::string(kUnknown);
  };
  return line("server",
              fmt::format("{}: {} (version {}); running {}, waiting {}, KV cache {} % full, "
                          "tokens/s {} in, {} out; connect {} ms, /health {} ms",
                          server.url, text_of(server.model), text_of(server.version),
                          rate(server.running), rate(server.waiting), rate(server.kv_usage_percent),
                          rate(server.prompt_tokens_per_s), rate(server.generation_tokens_per_s),
                          rate(server.connect_ms), rate(server.health_ms)));
}

std::string measured_lines(const MeasuredFacts& measured) {
  const auto rate = [](const std::optional<double>& value) {
    if (!value) return std::string(kUnknown);
    return *value < 100 ? fmt::format("{:.3g}", *value) : fmt::format("{:.0f}", *value);
  };
  std::string out;
  if (measured.disk_gb_per_s) {
    out += line("measured", fmt::format("disk: {} GB/s", rate(measured.disk_gb_per_s)));
  }
  for (const DeviceRateFacts& device : measured.devices) {
    out += line("measured",
                fmt::format("{}; GB/s: to it {}, from it {}, its memory {}; products {} TFLOP/s",
                            device.device, rate(device.host_to_device_gb_per_s),
                            rate(device.device_to_host_gb_per_s), rate(device.read_gb_per_s),
                            rate(device.dot_tflop_per_s)));
    if (device.decode_shape) {
      out += line("", fmt::format("{}: {} tokens/s; the limit is {}", *device.decode_shape,
                                  rate(device.decode_tokens_per_s),
                                  rate(device.decode_limit_tokens_per_s)));
    }
    if (device.samples && !device.samples->empty()) {
      const SampleFacts& last = device.samples->back();
      out += line("", fmt::format("under load for {:.0f} s: reads {} GB/s at first, {} at last",
                                  last.second, rate(device.samples->front().read_gb_per_s),
                                  rate(last.read_gb_per_s)));
    }
  }
  for (const PeerCopyFacts& copy : measured.peer_copies) {
    out += line(
        "", fmt::format("GPU {} to GPU {}: {} GB/s", copy.gpu_a, copy.gpu_b, rate(copy.gb_per_s)));
  }
  return out;
}

std::string driver_line(const DriverFacts& driver) {
  if (driver.problem) {
    return line("driver", "none read: " + driver.problem_text.value_or(*driver.problem));
  }
  return line("driver", fmt::format("{}, serves CUDA up to {}", text_of(driver.version),
                                    text_of(driver.cuda_version)));
}

std::string finding_text(const Finding& finding) {
  constexpr std::size_t kIndent = 13;
  std::string out = fmt::format("\n{}: {}\n", name(finding.severity), finding.id);
  out += wrapped("  evidence", kIndent, finding.evidence);
  out += wrapped("  means", kIndent, finding.consequence);
  out += wrapped("  fix", kIndent, finding.fix);
  if (!finding.next_command.empty()) out += wrapped("  next", kIndent, finding.next_command);
  return out;
}

std::string counts_text(const Findings& findings) {
  const auto count = [&](Severity severity) {
    return std::ranges::count(findings, severity, &Finding::severity);
  };
  const auto plural = [](std::ptrdiff_t number, const char* noun) {
    return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
  };
  return fmt::format("{}, {}, {} for information.\n", plural(count(Severity::kError), "error"),
                     plural(count(Severity::kWarning), "warning"), count(Severity::kInfo));
}

}  // namespace

std::string wrapped(std::string_view first, std::size_t indent, std::string_view text) {
  std::string out(first);
  if (out.size() >= indent && !out.empty() && !out.ends_with(' ')) out += ' ';
  out.resize(std::max(out.size(), indent), ' ');
  std::size_t at = columns(out);
  bool is_empty = true;
  std::istringstream words(printable(text));
  for (std::string word; words >> word;) {
    const std::size_t width = columns(word);
    if (!is_empty && at + 1 + width > kWidth) {
      out += "\n" + std::string(indent, ' ');
      at = indent;
      is_empty = true;
    }
    if (!is_empty) {
      out += ' ';
      ++at;
    }
    out += word;
    at += width;
    is_empty = false;
  }
  return out + "\n";
}

std::string report_text(const Facts& facts, const Findings& findings, int level) {
  std::string out = fmt::format("fathom doctor, level {}\n\n", level);
  out += build_line(facts.build);
  out += host_lines(facts.host);
  out += driver_line(facts.driver);
  for (const GpuFacts& gpu : facts.gpus) out += gpu_line(gpu);
  for (const ServerFacts& server : facts.servers) out += server_line(server);
  if (facts.measured) out += measured_lines(*facts.measured);
  for (const Finding& finding : findings) out += finding_text(finding);
  return out + "\n" + counts_text(findings);
}

std::string facts_text(const Facts& facts) {
  std::string out;
  for (const FactLine& each : fact_lines(facts)) out += wrapped(each.name + ":", 4, each.value);
  return out;
}

json::object report_json(const Facts& facts, const Findings& findings, int level) {
  json::array all;
  for (const Finding& each : findings) {
    all.push_back(json::object{{"id", json::string_view(each.id.data(), each.id.size())},
                               {"severity", std::string(name(each.severity))},
                               {"evidence", printable(each.evidence)},
                               {"consequence", printable(each.consequence)},
                               {"fix", printable(each.fix)},
                               {"next_command", printable(each.next_command)}});
  }
  return {{"level", level}, {"facts", json_of(facts)}, {"findings", std::move(all)}};
}

}  // namespace fathom::diagnose
