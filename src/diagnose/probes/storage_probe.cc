// On what a folder lies: the mount from /proc/self/mountinfo, the disk from /sys.
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "diagnose/probes/host_probe.h"

namespace fathom::diagnose {
namespace {

struct Mount {
  std::string point;
  std::string device_number;  // "259:2"
  std::string file_system;
  std::string source;
};

// The kernel writes a space in a path as \040.
std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto is_octal = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(i + 1) && is_octal(i + 2) &&
        is_octal(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_below(const std::string& path, const std::string& point) {
  if (point == "/") return true;
  return path.starts_with(point) && (path.size() == point.size() || path[point.size()] == '/');
}

// "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw"
std::optional<Mount> mount_of(const base::SystemFiles& files, const std::string& path) {
  const auto text = files.text("/proc/self/mountinfo");
  if (!text) return std::nullopt;
  std::optional<Mount> found;
  for (const std::string& line : base::lines_of(*text)) {
    const std::vector<std::string> words = base::words_of(line);
    const auto dash = std::ranges::find(words, "-");
    if (words.size() < 6 || words.end() - dash < 3) continue;
    Mount mount{.point = unescaped(words[4]),
                .device_number = words[2],
                .file_system = *(dash + 1),
                .source = unescaped(*(dash + 2))};
    // Of several at one place the last hides the others.
    if (is_below(path, mount.point) && (!found || mount.point.size() >= found->point.size())) {
      found = std::move(mount);
    }
  }
  return found;
}

std::string device_name(const base::SystemFiles& files, const Mount& mount) {
  if (const auto event = files.text("/sys/dev/block/" + mount.device_number + "/uevent")) {
    for (const std::string& line : base::lines_of(*event)) {
      if (line.starts_with("DEVNAME=")) return line.substr(8);
    }
  }
  return mount.source.starts_with("/dev/") ? mount.source.substr(5) : std::string();
}

// A partition's disk: "sda2" is of "sda", "nvme0n1p2" of "nvme0n1".
std::string disk_of(const base::SystemFiles& files, std::string name) {
  const auto is_digit = [](char each) {
    return std::isdigit(static_cast<unsigned char>(each)) != 0;
  };
  while (!name.empty() && !files.exists("/sys/block/" + name) && is_digit(name.back())) {
    name.pop_back();
  }
  if (!files.exists("/sys/block/" + name) && name.ends_with('p')) name.pop_back();
  return name;
}

std::optional<std::string> disk_kind(const base::SystemFiles& files, std::string name) {
  // Encrypted, logical and RAID volumes stand on others; the first speaks for all.
  for (int depth = 0; depth < 8; ++depth) {
    name = disk_of(files, name);
    const auto below = files.names("/sys/block/" + name + "/slaves");
    if (!below || below->empty()) break;
    name = below->front();
  }
  const std::string folder = "/sys/block/" + name;
  if (name.starts_with("nvme")) return "nvme";
  if (name.starts_with("vd") || name.starts_with("xvd")) return "virtual disk";
  if (name.starts_with("zram") || name.starts_with("ram")) return "memory";
  if (!name.starts_with("sd")) return std::nullopt;
  // Virtual and SAS disks are named so, too; only disks on SATA call their maker so.
  if (!files.text(folder + "/device/vendor").value_or("").starts_with("ATA")) return std::nullopt;
  const auto rotates = files.number(folder + "/queue/rotational");
  if (!rotates) return std::nullopt;
  return *rotates == 0 ? "sata ssd" : "hard disk";
}

std::optional<std::string> kind_of(const base::SystemFiles& files, const Mount& mount) {
  constexpr std::array kNetwork{"nfs",    "nfs4", "cifs", "smb3",       "ceph",
                                "lustre", "gpfs", "afs",  "fuse.sshfs", "fuse.glusterfs"};
  if (mount.file_system == "tmpfs" || mount.file_system == "ramfs") return "memory";
  if (std::ranges::count(kNetwork, mount.file_system) > 0) return "network";
  if (mount.file_system == "drvfs" ||
      (mount.file_system == "9p" && mount.point.starts_with("/mnt/"))) {
    return "windows drive";
  }
  if (mount.file_system == "9p" || mount.file_system == "virtiofs") return "virtual disk";
  const std::string name = device_name(files, mount);
  return name.empty() ? std::nullopt : disk_kind(files, name);
}

}  // namespace

StorageFacts probe_storage(const base::SystemFiles& files, const StorageQuestion& question) {
  StorageFacts storage{.purpose = question.purpose,
                       .path = question.path.string(),
                       .model_files_bytes = question.model_files_bytes};
  if (const auto mount = mount_of(files, storage.path)) {
    storage.file_system = mount->file_system;
    storage.device = mount->source;
    storage.kind = kind_of(files, *mount);
  }
  struct statvfs space{};
  if (::statvfs(files.at(storage.path).c_str(), &space) == 0) {
    storage.total_bytes = static_cast<std::int64_t>(space.f_blocks * space.f_frsize);
    storage.available_bytes = static_cast<std::int64_t>(space.f_bavail * space.f_frsize);
  }
  return storage;
}

}  // namespace fathom::diagnose
