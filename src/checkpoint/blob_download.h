// BlobDownload: one file of the hub into the cache, resumed and checked.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "checkpoint/hub.h"
#include "checkpoint/hub_cache.h"
#include "net/http_client.h"

namespace fathom::checkpoint {

// What the hub says of a file.
struct RemoteFile {
  std::string name;
  std::string url;
  std::string etag;  // SHA-256 of large files, git's SHA-1 of small ones
  std::int64_t size_bytes = 0;
};

class BlobDownload {
 public:
  // `on_bytes` gets the change in what is on disk: negative when a useless beginning is dropped.
  BlobDownload(const HubCache& cache, const HubOptions& options,
               std::function<void(std::int64_t)> on_bytes, std::function<bool()> is_cancelled)
      : cache_(cache),
        options_(options),
        on_bytes_(std::move(on_bytes)),
        is_cancelled_(std::move(is_cancelled)) {}

  // Size, etag and final place of a file, by a request for its headers.
  base::Result<RemoteFile> look_up(net::HttpClient& client, const std::string& url,
                                   const std::string& name) const;

  // Brings the blob to blobs/ETAG unless it is there. Tries again when a connection breaks.
  // Returns the bytes fetched.
  base::Result<std::int64_t> fetch(net::HttpClient& client, const RemoteFile& file,
                                   const std::function<void(std::string)>& on_note) const;

 private:
  base::Result<std::int64_t> attempt(net::HttpClient& client, const RemoteFile& file,
                                     const std::filesystem::path& partial) const;
  base::Result<void> verify(const RemoteFile& file, const std::filesystem::path& partial) const;

  const HubCache& cache_;
  const HubOptions& options_;
  std::function<void(std::int64_t)> on_bytes_;
  std::function<bool()> is_cancelled_;
};

}  // namespace fathom::checkpoint
