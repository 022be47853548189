// Where the hub's files lie on this machine.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "checkpoint/hub.h"

namespace fathom::checkpoint {

// Options with what the environment says filled in.
HubOptions with_environment(HubOptions options);

// The folder of one model in the cache.
class HubCache {
 public:
  HubCache(const std::filesystem::path& cache, std::string_view model_name);

  std::filesystem::path blob(const std::string& etag) const { return root_ / "blobs" / etag; }
  std::filesystem::path snapshot(const std::string& commit) const {
    return root_ / "snapshots" / commit;
  }
  std::filesystem::path ref(const std::string& revision) const { return root_ / "refs" / revision; }
  const std::filesystem::path& root() const { return root_; }

  // The commit that a revision stood for when it was last pulled.
  base::Result<std::string> commit_of(const std::string& revision) const;
  // Links snapshot/COMMIT/FILE to the blob; replaces what is there.
  base::Result<void> link(const std::string& commit, const std::string& file,
                          const std::string& etag) const;

 private:
  std::filesystem::path root_;
};

// A path inside its folder: no "..", nothing absolute, no control characters.
bool is_inner_path(std::string_view path);

// 40 hexadecimal digits.
bool is_commit(std::string_view text);

}  // namespace fathom::checkpoint
