// Files: whole reads, read-only memory maps, and writes that are whole or not there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fathom::base {

// The content of a regular file of at most max_bytes.
Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

// Writes to a temporary name beside `path`, syncs, renames: readers see the old or the new
// content, never a part, even after a crash.
Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content);

// A read-only map of a whole regular file. The file must not be shortened while it is mapped:
// the kernel would answer a read past the new end with SIGBUS. size_unchanged() tells.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_bytes_}; }
  const std::filesystem::path& path() const { return path_; }

  // Whether the file still has the size it had when it was opened.
  Result<void> size_unchanged() const;

 private:
  MappedFile() = default;
  void close() noexcept;

  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_bytes_ = 0;
  int descriptor_ = -1;
};

// Lets the system take back the pages of a map that lie wholly inside: they are read again from
// the file if they are touched again.
void forget_mapped_pages(const void* data, std::size_t num_bytes);

}  // namespace fathom::base
