// POSIX files behind Result.
#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

namespace fathom::base {
namespace {

Error errno_error(const std::filesystem::path& path, std::string_view action) {
  const int number = errno;
  return fail(errno_code(number), path.native(), "cannot {}: {}", action, errno_text(number));
}

// Closes on destruction.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

// O_NONBLOCK: opening a FIFO must fail the regular-file check, not wait for a writer.
Result<int> open_regular(const std::filesystem::path& path, std::uint64_t& size_bytes) {
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.number() < 0) return errno_error(path, "open");
  struct stat status{};
  if (::fstat(descriptor.number(), &status) != 0) return errno_error(path, "stat");
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, path.native(), "not a regular file");
  }
  size_bytes = static_cast<std::uint64_t>(status.st_size);
  return descriptor.release();
}

Result<void> write_all(int descriptor, std::string_view content,
                       const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno_error(path, "write");
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  std::uint64_t size_bytes = 0;
  Descriptor descriptor(TRY(open_regular(path, size_bytes)));
  if (size_bytes > max_bytes) {
    return fail(ErrorCode::kInvalidArgument, path.native(),
                "the file has {} bytes; at most {} are read", size_bytes, max_bytes);
  }
  std::string content(size_bytes, '\0');
  std::size_t filled = 0;
  while (filled < content.size()) {
    const ssize_t got =
        ::read(descriptor.number(), content.data() + filled, content.size() - filled);
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno_error(path, "read");
    }
    if (got == 0) {
      return fail(ErrorCode::kDataLoss, path.native(), "the file became shorter while being read");
    }
    filled += static_cast<std::size_t>(got);
  }
  return content;
}

Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::path temporary = path;
  temporary += ".partial-" + std::to_string(::getpid());
  {
    Descriptor descriptor(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (descriptor.number() < 0) return errno_error(temporary, "create");
    auto written = write_all(descriptor.number(), content, temporary);
    if (written && ::fsync(descriptor.number()) != 0) written = errno_error(temporary, "sync");
    if (!written) {
      ::unlink(temporary.c_str());
      return std::move(written).error();
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const Error error = errno_error(path, "rename to");
    ::unlink(temporary.c_str());
    return error;
  }
  return {};
}

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  MappedFile file;
  file.path_ = path;
  std::uint64_t size_bytes = 0;
  file.descriptor_ = TRY(open_regular(path, size_bytes));
  if (size_bytes == 0) return file;
  void* data = ::mmap(nullptr, size_bytes, PROT_READ, MAP_SHARED, file.descriptor_, 0);
  if (data == MAP_FAILED) return errno_error(path, "map");
  file.data_ = static_cast<const std::byte*>(data);
  file.size_bytes_ = size_bytes;
  return file;
}

Result<void> MappedFile::size_unchanged() const {
  struct stat status{};
  if (::fstat(descriptor_, &status) != 0) return errno_error(path_, "stat");
  if (static_cast<std::uint64_t>(status.st_size) != size_bytes_) {
    return fail(ErrorCode::kDataLoss, path_.native(),
                "the file changed from {} to {} bytes while in use", size_bytes_,
                static_cast<std::uint64_t>(status.st_size));
  }
  return {};
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    close();
    path_ = std::move(other.path_);
    data_ = std::exchange(other.data_, nullptr);
    size_bytes_ = std::exchange(other.size_bytes_, 0);
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

MappedFile::~MappedFile() { close(); }

void MappedFile::close() noexcept {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_bytes_);
  if (descriptor_ >= 0) ::close(descriptor_);
}

void forget_mapped_pages(const void* data, std::size_t num_bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* first = const_cast<void*>(data);
  std::size_t rest = num_bytes;
  // A refusal costs memory only.
  if (std::align(page, page, first, rest) != nullptr) {
    ::madvise(first, rest / page * page, MADV_DONTNEED);
  }
}

}  // namespace fathom::base
