// The course of a pull: list, look up, fetch several at a time, link, name.
#include "checkpoint/hub.h"

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/blob_download.h"
#include "checkpoint/hub_cache.h"

namespace fathom::checkpoint {
namespace {

namespace json = boost::json;
using base::Error;
using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::size_t kMaxListBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxFiles = 10'000;

struct Listing {
  std::string commit;
  std::vector<std::string> files;
};

Result<Listing> list_files(net::HttpClient& client, const PullRequest& request,
                           const HubOptions& options) {
  const std::string url = options.endpoint + "/api/models/" + request.name + "/revision/" +
                          net::url_segment(request.revision);
  const auto [reply, body] =
      TRY(client.get_text({.url = url, .bearer_token = options.token}, kMaxListBytes));
  if (reply.status == 401 || reply.status == 403) {
    return fail(ErrorCode::kPermissionDenied, request.name,
                "no such model, or it wants a login (status {}); check the name, or set HF_TOKEN",
                reply.status);
  }
  if (reply.status == 404) {
    return fail(ErrorCode::kNotFound, request.name, "the hub has no such model or revision '{}'",
                request.revision);
  }
  if (reply.status != 200) {
    return fail(ErrorCode::kUnavailable, url, "the hub answers with status {}", reply.status);
  }
  const json::value root = TRY(base::parse_json(body, url, {.max_bytes = kMaxListBytes}));
  const json::value* sha = root.is_object() ? root.get_object().if_contains("sha") : nullptr;
  const json::value* siblings =
      root.is_object() ? root.get_object().if_contains("siblings") : nullptr;
  if (sha == nullptr || !sha->is_string() || !is_commit(sha->get_string()) || siblings == nullptr ||
      !siblings->is_array() || siblings->get_array().size() > kMaxFiles) {
    return fail(ErrorCode::kUnknown, url, "the hub's answer has no commit or list of files");
  }
  Listing listing{std::string(sha->get_string()), {}};
  for (const json::value& sibling : siblings->get_array()) {
    const json::value* name =
        sibling.is_object() ? sibling.get_object().if_contains("rfilename") : nullptr;
    if (name == nullptr || !name->is_string() || !is_inner_path(name->get_string())) {
      return fail(ErrorCode::kInvalidArgument, url, "a file's name leads out of its folder");
    }
    listing.files.emplace_back(name->get_string());
  }
  return listing;
}

// Runs job(client, index) for every index on some threads; the first error ends the others.
class Workers {
 public:
  template <typename Job>
  static Result<void> run(int num_threads, std::size_t num_jobs, Job&& job) {
    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    std::optional<Error> error;
    const auto work = [&] {
      net::HttpClient client;
      while (true) {
        const std::size_t index = next.fetch_add(1);
        if (index >= num_jobs) return;
        if (Result<void> done = job(client, index); !done) {
          const std::lock_guard lock(mutex);
          if (!error) error = done.error();
          next = num_jobs;
        }
      }
    };
    std::vector<std::thread> threads;
    const auto count = std::min(num_jobs, static_cast<std::size_t>(std::max(num_threads, 1)));
    for (std::size_t i = 0; i < count; ++i) threads.emplace_back(work);
    for (std::thread& thread : threads) thread.join();
    if (error) return *error;
    return {};
  }
};

// Sums what the threads tell, and passes it on one at a time.
class Progress {
 public:
  explicit Progress(const PullRequest& request) : request_(request) {}

  template <typename Change>
  void update(Change&& change) {
    const std::lock_guard lock(mutex_);
    change(progress_);
    if (request_.on_progress) request_.on_progress(progress_);
    progress_.note.clear();
  }

 private:
  const PullRequest& request_;
  std::mutex mutex_;
  PullProgress progress_;
};

Result<void> check_disk(const HubCache& cache, std::int64_t needed_bytes) {
  std::error_code code;
  const auto space = std::filesystem::space(cache.root(), code);
  if (code || static_cast<std::int64_t>(space.available) >= needed_bytes) return {};
  return fail(
      ErrorCode::kResourceExhausted, cache.root().native(),
      "{} MiB are needed, but only {} MiB of the disk are free; set HF_HOME to a larger one",
      needed_bytes >> 20, static_cast<std::int64_t>(space.available) >> 20);
}

Result<void> check_request(const PullRequest& request) {
  if (!is_model_name(request.name)) {
    return fail(ErrorCode::kInvalidArgument, request.name,
                "not a model name; they look like deepseek-ai/deepseek-llm-7b-chat");
  }
  if (!is_inner_path(request.revision)) {
    return fail(ErrorCode::kInvalidArgument, "--revision", "'{}' is not a revision",
                request.revision);
  }
  return {};
}

// The files of one commit, brought into the cache.
class SnapshotPull {
 public:
  SnapshotPull(const PullRequest& request, const HubOptions& options, const HubCache& cache,
               std::string commit)
      : request_(request),
        options_(options),
        cache_(cache),
        commit_(std::move(commit)),
        progress_(request),
        download_(
            cache, options,
            [this](std::int64_t count) {
              progress_.update([&](PullProgress& state) { state.done_bytes += count; });
            },
            request.is_cancelled) {}

  Result<PullResult> fetch(const std::vector<std::string>& names) {
    std::vector<RemoteFile> files = TRY(look_up(names));
    PullResult result{.folder = cache_.snapshot(commit_), .commit = commit_};
    std::int64_t missing_bytes = 0;
    for (const RemoteFile& file : files) {
      result.total_bytes += file.size_bytes;
      if (!std::filesystem::exists(cache_.blob(file.etag))) missing_bytes += file.size_bytes;
    }
    result.num_files = std::ssize(files);
    TRY(check_disk(cache_, missing_bytes));
    progress_.update([&](PullProgress& state) {
      state.total_bytes = result.total_bytes;
      state.total_files = result.num_files;
    });
    // Large files first: the small ones fill the gaps at the end.
    std::ranges::sort(files, std::greater<>{}, &RemoteFile::size_bytes);
    std::atomic<std::int64_t> downloaded{0};
    TRY(Workers::run(options_.num_downloads, files.size(),
                     [&](net::HttpClient& client, std::size_t i) -> Result<void> {
                       downloaded += TRY(fetch_one(client, files[i]));
                       return {};
                     }));
    result.downloaded_bytes = downloaded;
    return result;
  }

 private:
  Result<std::vector<RemoteFile>> look_up(const std::vector<std::string>& names) {
    std::vector<RemoteFile> files(names.size());
    const std::string base_url =
        options_.endpoint + "/" + request_.name + "/resolve/" + commit_ + "/";
    TRY(Workers::run(options_.num_downloads, names.size(),
                     [&](net::HttpClient& client, std::size_t i) -> Result<void> {
                       files[i] = TRY(download_.look_up(
                           client, base_url + net::url_segment(names[i]), names[i]));
                       return {};
                     }));
    return files;
  }

  Result<std::int64_t> fetch_one(net::HttpClient& client, const RemoteFile& file) {
    const auto on_note = [this](std::string note) {
      progress_.update([&](PullProgress& state) { state.note = std::move(note); });
    };
    const std::int64_t fetched = TRY(download_.fetch(client, file, on_note));
    TRY(cache_.link(commit_, file.name, file.etag));
    progress_.update([](PullProgress& state) { ++state.done_files; });
    return fetched;
  }

  const PullRequest& request_;
  const HubOptions& options_;
  const HubCache& cache_;
  std::string commit_;
  Progress progress_;
  BlobDownload download_;
};

}  // namespace

bool is_model_name(std::string_view name) {
  const auto is_part = [](std::string_view part) {
    return !part.empty() && part.size() <= 96 && part.front() != '.' && part.front() != '-' &&
           part.find("..") == std::string_view::npos && part.find("--") == std::string_view::npos &&
           std::ranges::all_of(part, [](char c) {
             return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' ||
                    c == '-';
           });
  };
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return is_part(name);
  return is_part(name.substr(0, slash)) && is_part(name.substr(slash + 1));
}

std::string snapshot_name(const std::filesystem::path& folder) {
  const std::filesystem::path snapshots = folder.parent_path();
  std::string name = snapshots.parent_path().filename().string();
  if (!is_commit(folder.filename().native()) || snapshots.filename() != "snapshots" ||
      !name.starts_with("models--")) {
    return "";
  }
  name.erase(0, std::string_view("models--").size());
  if (const std::size_t dashes = name.find("--"); dashes != std::string::npos) {
    name.replace(dashes, 2, "/");
  }
  return name;
}

std::vector<std::string> wanted_files(const std::vector<std::string>& files) {
  std::vector<std::string> wanted;
  for (const std::string& file : files) {
    // Only of the top folder: others hold the same model in other formats.
    if (file.find('/') != std::string::npos) continue;
    const bool is_weight =
        file.ends_with(".safetensors") || file.ends_with(".safetensors.index.json");
    const bool is_config = file.ends_with(".json") || file.ends_with(".jinja") ||
                           file == "LICENSE" || file == "README.md";
    const bool is_other_format =
        file.ends_with(".bin.index.json") || file.starts_with("consolidated");
    if ((is_weight || is_config) && !is_other_format) wanted.push_back(file);
  }
  return wanted;
}

Result<PullResult> pull(const PullRequest& request, const HubOptions& given) {
  TRY(check_request(request));
  const HubOptions options = with_environment(given);
  const HubCache cache(options.cache, request.name);
  net::HttpClient client;
  const Listing listing = TRY(list_files(client, request, options));
  const std::vector<std::string> names = wanted_files(listing.files);
  if (std::ranges::none_of(names,
                           [](const auto& name) { return name.ends_with(".safetensors"); })) {
    return fail(ErrorCode::kFailedPrecondition, request.name,
                "this model has no weights in safetensors format at revision '{}'; look for a "
                "revision or a conversion that has",
                request.revision);
  }
  std::error_code code;
  std::filesystem::create_directories(cache.root() / "blobs", code);
  if (code) return fail(ErrorCode::kUnknown, cache.root().native(), "{}", code.message());
  PullResult result = TRY(SnapshotPull(request, options, cache, listing.commit).fetch(names));
  // Last: a name only ever stands for a snapshot that is whole.
  std::filesystem::create_directories(cache.ref(request.revision).parent_path(), code);
  TRY(base::write_file_atomically(cache.ref(request.revision), listing.commit));
  return result;
}

Result<std::filesystem::path> resolve_model(const std::string& name_or_folder,
                                            const HubOptions& given) {
  std::error_code code;
  if (std::filesystem::exists(name_or_folder, code)) return std::filesystem::path(name_or_folder);
  if (!is_model_name(name_or_folder)) {
    return fail(ErrorCode::kNotFound, name_or_folder, "no such folder");
  }
  const HubOptions options = with_environment(given);
  const HubCache cache(options.cache, name_or_folder);
  const auto commit = cache.commit_of("main");
  if (commit && std::filesystem::exists(cache.snapshot(*commit), code)) {
    return cache.snapshot(*commit);
  }
  return fail(ErrorCode::kNotFound, name_or_folder,
              "neither a folder nor a model on this machine; get it with: fathom pull {}",
              name_or_folder);
}

}  // namespace fathom::checkpoint
