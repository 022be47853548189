// Names and links of the cache.
#include "checkpoint/hub_cache.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/file.h"

namespace fathom::checkpoint {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::filesystem::path hub_home() {
  if (const std::string home = environment("HF_HOME"); !home.empty()) return home;
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) {
    return std::filesystem::path(cache) / "huggingface";
  }
  return std::filesystem::path(environment("HOME")) / ".cache" / "huggingface";
}

}  // namespace

HubOptions with_environment(HubOptions options) {
  if (options.endpoint.empty()) options.endpoint = environment("HF_ENDPOINT");
  if (options.endpoint.empty()) options.endpoint = "https://huggingface.co";
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  if (options.token.empty()) options.token = environment("HF_TOKEN");
  if (options.token.empty()) {
    if (auto token = base::read_file(hub_home() / "token", 4096)) options.token = *token;
  }
  std::erase_if(options.token, [](char c) { return std::isspace(static_cast<unsigned char>(c)); });
  if (options.cache.empty()) options.cache = environment("HF_HUB_CACHE");
  if (options.cache.empty()) options.cache = hub_home() / "hub";
  return options;
}

HubCache::HubCache(const std::filesystem::path& cache, std::string_view model_name) {
  std::string folder = "models--";
  for (const char c : model_name) folder += c == '/' ? std::string("--") : std::string(1, c);
  root_ = cache / folder;
}

Result<std::string> HubCache::commit_of(const std::string& revision) const {
  if (is_commit(revision)) return revision;
  std::string commit = TRY(base::read_file(ref(revision), 256));
  while (!commit.empty() && std::isspace(static_cast<unsigned char>(commit.back()))) {
    commit.pop_back();
  }
  if (!is_commit(commit)) {
    return fail(ErrorCode::kDataLoss, ref(revision).native(), "not a commit; pull the model again");
  }
  return commit;
}

Result<void> HubCache::link(const std::string& commit, const std::string& file,
                            const std::string& etag) const {
  const std::filesystem::path path = snapshot(commit) / file;
  std::error_code code;
  std::filesystem::create_directories(path.parent_path(), code);
  // Relative, so that the cache may be moved.
  const std::filesystem::path target =
      std::filesystem::relative(blob(etag), path.parent_path(), code);
  // Its own name for each process: another one may be linking the same file.
  const std::filesystem::path temporary = path.native() + ".partial-" + std::to_string(::getpid());
  std::filesystem::remove(temporary, code);
  std::filesystem::create_symlink(target, temporary, code);
  if (!code) std::filesystem::rename(temporary, path, code);
  if (code) return fail(ErrorCode::kUnknown, path.native(), "cannot link: {}", code.message());
  return {};
}

bool is_inner_path(std::string_view path) {
  if (path.empty() || path.size() > 1024 || path.front() == '/') return false;
  if (std::ranges::any_of(path, [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\';
      })) {
    return false;
  }
  const std::filesystem::path parts(path);
  return std::ranges::none_of(parts, [](const std::filesystem::path& part) {
    return part == ".." || part == "." || part.empty();
  });
}

bool is_commit(std::string_view text) {
  return text.size() == 40 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace fathom::checkpoint
