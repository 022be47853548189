// Xids: the driver's lines in the kernel's log, "NVRM: Xid (PCI:0000:1b:00): 79, ...".
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>

#include "diagnose/probes/host_probe.h"

namespace fathom::diagnose {
namespace {

constexpr std::size_t kMaxLogBytes = std::size_t{16} << 20;
constexpr std::string_view kMark = "NVRM: Xid (PCI:";

// /dev/kmsg gives one record a read, and EAGAIN at its end; a plain file is read to its end.
std::optional<std::string> read_log(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return std::nullopt;
  std::string log;
  std::array<char, 8192> record{};
  bool is_readable = true;
  while (log.size() < kMaxLogBytes) {
    const ssize_t size = ::read(descriptor, record.data(), record.size());
    // EPIPE: this record was overwritten meanwhile; the next read goes on behind it.
    if (size < 0 && (errno == EINTR || errno == EPIPE)) continue;
    if (size < 0) is_readable = errno == EAGAIN || !log.empty();
    if (size <= 0) break;
    log.append(record.data(), static_cast<std::size_t>(size));
  }
  ::close(descriptor);
  if (!is_readable) return std::nullopt;
  return log;
}

}  // namespace

std::string short_pci_address(const std::string& bus_id) {
  std::string address = bus_id.substr(0, bus_id.rfind('.'));
  const std::size_t colon = address.find(':');
  if (colon != std::string::npos && colon > 4) address.erase(0, colon - 4);
  std::ranges::transform(address, address.begin(),
                         [](unsigned char each) { return std::tolower(each); });
  return address;
}

std::optional<std::map<std::string, std::vector<XidFacts>>> probe_xids(
    const base::SystemFiles& files) {
  const auto log = read_log(files.at("/dev/kmsg"));
  if (!log) return std::nullopt;
  std::map<std::string, std::vector<XidFacts>> xids;
  for (const std::string& line : base::lines_of(*log)) {
    const std::size_t mark = line.find(kMark);
    if (mark == std::string::npos) continue;
    const std::size_t start = mark + kMark.size();
    const std::size_t end = line.find("): ", start);
    if (end == std::string::npos) continue;
    std::int64_t code = 0;
    const auto [rest, error] =
        std::from_chars(line.data() + end + 3, line.data() + line.size(), code);
    if (error != std::errc{}) continue;
    auto& of_gpu = xids[short_pci_address(line.substr(start, end - start))];
    auto known = std::ranges::find(of_gpu, code, &XidFacts::code);
    if (known == of_gpu.end()) {
      of_gpu.push_back({.code = code});
      known = of_gpu.end() - 1;
    }
    ++known->count;
    known->last_text = line.substr(mark);
  }
  return xids;
}

}  // namespace fathom::diagnose
