// The model hub: downloads in Hugging Face's API and cache layout, so that the files are shared
// with other tools.
//
//   $HF_HUB_CACHE, or $HF_HOME/hub, or ~/.cache/huggingface/hub
//     models--ORG--NAME/blobs/ETAG                  the files' bytes
//     models--ORG--NAME/refs/REVISION               the commit that a name stands for
//     models--ORG--NAME/snapshots/COMMIT/FILE       links into blobs
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fathom::checkpoint {

struct HubOptions {
  std::string endpoint;         // empty: $HF_ENDPOINT, or https://huggingface.co
  std::string token;            // empty: $HF_TOKEN, or the file $HF_HOME/token
  std::filesystem::path cache;  // empty: as above
  int num_downloads = 4;        // files at a time
  int max_attempts = 6;         // of a file whose connection breaks
};

// What a download is doing; called from several threads, one at a time.
struct PullProgress {
  std::int64_t done_bytes = 0;
  std::int64_t total_bytes = 0;
  std::int64_t done_files = 0;
  std::int64_t total_files = 0;
  std::string note;  // "connection lost, trying again"; mostly empty
};

struct PullRequest {
  std::string name;               // "deepseek-ai/deepseek-llm-7b-chat"
  std::string revision = "main";  // branch, tag or commit
  std::function<void(const PullProgress&)> on_progress;
  std::function<bool()> is_cancelled;
};

struct PullResult {
  std::filesystem::path folder;  // the snapshot, ready to open
  std::string commit;
  std::int64_t downloaded_bytes = 0;
  std::int64_t total_bytes = 0;
  std::int64_t num_files = 0;
};

// Fetches configuration, tokenizer and safetensors files. A file appears under its name only when
// its size and its SHA-256 (or git's SHA-1 for small files) are right; a broken download goes on
// where it stopped, also in a later call and in another process.
base::Result<PullResult> pull(const PullRequest& request, const HubOptions& options = {});

// A folder as it is, or the snapshot of a name that was pulled. Nothing is downloaded.
base::Result<std::filesystem::path> resolve_model(const std::string& name_or_folder,
                                                  const HubOptions& options = {});

// The name that a snapshot folder of the cache was pulled by; empty for any other folder.
std::string snapshot_name(const std::filesystem::path& folder);

// "org/name" or "name" of letters, digits, '.', '_' and '-', as the hub allows.
bool is_model_name(std::string_view name);

// Which of a repository's files a model needs: a pure function of their names.
std::vector<std::string> wanted_files(const std::vector<std::string>& files);

}  // namespace fathom::checkpoint
