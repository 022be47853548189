// SystemFiles: the kernel's text files below a root, which a test replaces by a folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::base {

class SystemFiles {
 public:
  explicit SystemFiles(std::filesystem::path root) : root_(std::move(root)) {}

  // `path` is absolute, as on the machine itself: "/proc/meminfo".
  std::filesystem::path at(std::string_view path) const;
  bool exists(std::string_view path) const;
  // At most a MiB; nothing if it cannot be read. Spaces and newlines at the end are cut.
  std::optional<std::string> text(std::string_view path) const;
  // A file that is one number.
  std::optional<std::int64_t> number(std::string_view path) const;
  // The number behind `key` in lines such as "MemTotal:  123 kB" or "oom_kill 3".
  std::optional<std::int64_t> number_after(std::string_view path, std::string_view key) const;
  // The text of the first line "key : value" whose key begins so.
  std::optional<std::string> value_after(std::string_view path, std::string_view key) const;
  // As number_after, in KiB, as bytes.
  std::optional<std::int64_t> kibibytes_after(std::string_view path, std::string_view key) const;
  // Names in a folder, sorted; nothing if it cannot be read.
  std::optional<std::vector<std::string>> names(std::string_view folder) const;

 private:
  std::filesystem::path root_;
};

std::vector<std::string> lines_of(std::string_view text);
std::vector<std::string> words_of(std::string_view text);
// The whole text must be the number.
std::optional<std::int64_t> whole_number(std::string_view text);
std::optional<double> decimal_number(const std::string& text);

}  // namespace fathom::base
