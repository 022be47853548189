// Reads HostFacts: from /proc, /sys, /dev and the environment.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/system_files.h"
#include "diagnose/facts/facts.h"

namespace fathom::diagnose {

// A folder to look at, absolute and without links.
struct StorageQuestion {
  std::string purpose;  // see StorageFacts
  std::filesystem::path path;
  std::optional<std::int64_t> model_files_bytes;
};

struct HostQuestion {
  std::filesystem::path root = "/";
  std::vector<std::string> environment;  // "NAME=value"
  std::vector<StorageQuestion> storage;
};

// The environment of this process.
std::vector<std::string> own_environment();

// What cannot be read stays without a value. Takes milliseconds, unless a file system hangs: then
// its facts are missing after five seconds.
HostFacts probe_host(const HostQuestion& question);

// The parts of it.
PlatformFacts probe_platform(const base::SystemFiles& files,
                             const std::vector<std::string>& environment);
MemoryFacts probe_memory(const base::SystemFiles& files);
ProcessorFacts probe_processor(const base::SystemFiles& files);
LimitFacts probe_limits(const base::SystemFiles& files);
StorageFacts probe_storage(const base::SystemFiles& files, const StorageQuestion& question);

// Xids of the kernel's log by PCI address "0000:1b:00"; nothing if the log cannot be read.
std::optional<std::map<std::string, std::vector<XidFacts>>> probe_xids(
    const base::SystemFiles& files);
// "00000000:1B:00.0" as "0000:1b:00"; as it is if it has another form.
std::string short_pci_address(const std::string& bus_id);

}  // namespace fathom::diagnose
