// Disks: room for the model, and whether it can be loaded in 10 seconds.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "diagnose/checks/theme.h"
#include "diagnose/quantity_text.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kSpace{"disk-space-low", Severity::kWarning,
                             "the disk has no room for the download, or under 1 GiB"};
constexpr FindingKind kSlow{"storage-slow", Severity::kWarning,
                            "this kind of disk cannot load the model in 10 seconds"};
constexpr FindingKind kMemory{"storage-in-memory", Severity::kInfo,
                              "the model's files lie in memory"};
constexpr std::array kKinds{kSpace, kSlow, kMemory};

constexpr std::int64_t kLeastBytes = std::int64_t{1} << 30;
constexpr double kLoadSeconds = 10;

struct DiskRate {
  const char* kind;
  double gb_per_s;  // the most that its interface gives
  const char* text;
};

// Round figures of the interfaces; level 2 measures.
constexpr std::array kRates{
    DiskRate{"sata ssd", 0.55, "SATA gives at most 0.55 GB/s"},
    DiskRate{"hard disk", 0.25, "a hard disk gives at most about 0.25 GB/s"},
    DiskRate{"network", 1.2, "a network of 10 Gbit/s gives at most 1.2 GB/s"},
    DiskRate{"windows drive", 0.3, "Windows' drives under /mnt are slow in WSL2"},
};

// Measured rates speak for themselves: see the measured theme.
bool was_measured(const Facts& facts) {
  return facts.measured && facts.measured->disk_gb_per_s.has_value();
}

void check_speed(const CheckInput& input, const StorageFacts& storage, Findings& findings) {
  if (input.model == nullptr || storage.purpose != "model" || was_measured(input.facts)) return;
  const auto rate =
      std::ranges::find_if(kRates, [&](const DiskRate& each) { return storage.kind == each.kind; });
  if (rate == kRates.end()) return;
  const double gigabytes =
      static_cast<double>(storage.model_files_bytes.value_or(input.model->weights_16_bit)) * 1e-9;
  const double needed = gigabytes / kLoadSeconds;
  if (needed <= rate->gb_per_s) return;
  findings.push_back(make_finding(
      kSlow,
      {.evidence = fmt::format("{} lies on a {} ({}); {}.", storage.path, *storage.kind,
                               storage.device.value_or("device unknown"), rate->text),
       .consequence = fmt::format("{:.1f} GB in {:.0f} s need {:.1f} GB/s; here a cold start "
                                  "takes {:.0f} s or more. A second start reads the page "
                                  "cache, if memory holds the model.",
                                  gigabytes, kLoadSeconds, needed, gigabytes / rate->gb_per_s),
       .fix = "Put the model on an NVMe disk. First compare what is reached with what the "
              "disk and the copy to the GPU give: level 2 measures both.",
       .next_command = fmt::format("fathom doctor --level 2 --model {}", storage.path)}));
}

void check_space(const CheckInput& input, const StorageFacts& storage, Findings& findings) {
  if (!storage.available_bytes || storage.purpose != "downloads") return;
  const bool is_there = std::ranges::any_of(input.facts.host.storage, [](const auto& each) {
    return each.purpose == "model" && each.model_files_bytes.value_or(0) > 0;
  });
  const std::int64_t needed =
      input.model != nullptr && !is_there ? input.model->weights_16_bit : kLeastBytes;
  if (*storage.available_bytes >= needed) return;
  findings.push_back(make_finding(
      kSpace,
      {.evidence =
           fmt::format("{} has {} left.", storage.path, bytes_text(*storage.available_bytes)),
       .consequence = needed > kLeastBytes ? fmt::format("The download of {} needs {}.",
                                                         input.model->name, bytes_text(needed))
                                           : std::string("Logs and downloads fail soon."),
       .fix = "Free space, or point HF_HOME to a larger disk.",
       .next_command = fmt::format("df -h {}", storage.path)}));
}

void check(const CheckInput& input, Findings& findings) {
  for (const StorageFacts& storage : input.facts.host.storage) {
    check_space(input, storage, findings);
    check_speed(input, storage, findings);
    if (storage.purpose == "model" && storage.kind == "memory") {
      findings.push_back(make_finding(
          kMemory, {.evidence = fmt::format("{} lies in memory ({}).", storage.path,
                                            storage.file_system.value_or("tmpfs")),
                    .consequence = "The files take host memory for as long as they lie there; "
                                   "loading is fast.",
                    .fix = "Nothing, if the memory is there.",
                    .next_command = fmt::format("df -h {}", storage.path)}));
    }
  }
}

}  // namespace

const Theme& storage_theme() {
  static constexpr Theme kTheme{"Storage", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
