// Reads what is there, and says nothing about what is not.
#include "base/system_files.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <system_error>

namespace fathom::base {

std::filesystem::path SystemFiles::at(std::string_view path) const {
  while (path.starts_with('/')) path.remove_prefix(1);
  return root_ / path;
}

bool SystemFiles::exists(std::string_view path) const {
  std::error_code error;
  return std::filesystem::exists(at(path), error);
}

std::optional<std::string> SystemFiles::text(std::string_view path) const {
  constexpr std::size_t kMaxBytes = 1 << 20;
  std::ifstream file(at(path), std::ios::binary);
  if (!file) return std::nullopt;
  std::string content;
  std::array<char, 4096> part{};
  while (content.size() < kMaxBytes) {
    file.read(part.data(), part.size());
    content.append(part.data(), static_cast<std::size_t>(file.gcount()));
    if (!file) break;
  }
  // A folder can be opened, but not read.
  if (file.bad() || (content.empty() && !file.eof())) return std::nullopt;
  while (!content.empty() && (content.back() == '\n' || content.back() == ' ')) content.pop_back();
  return content;
}

std::optional<std::int64_t> SystemFiles::number(std::string_view path) const {
  const auto content = text(path);
  return content ? whole_number(*content) : std::nullopt;
}

std::optional<std::int64_t> SystemFiles::number_after(std::string_view path,
                                                      std::string_view key) const {
  const auto content = text(path);
  if (!content) return std::nullopt;
  for (const std::string& line : lines_of(*content)) {
    const std::vector<std::string> words = words_of(line);
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      if (words[i] == key) return whole_number(words[i + 1]);
    }
  }
  return std::nullopt;
}

std::optional<std::string> SystemFiles::value_after(std::string_view path,
                                                    std::string_view key) const {
  const auto content = text(path);
  if (!content) return std::nullopt;
  for (const std::string& line : lines_of(*content)) {
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? std::string() : line.substr(start);
  }
  return std::nullopt;
}

std::optional<std::int64_t> SystemFiles::kibibytes_after(std::string_view path,
                                                         std::string_view key) const {
  const auto kibibytes = number_after(path, key);
  if (!kibibytes || *kibibytes < 0 ||
      *kibibytes > std::numeric_limits<std::int64_t>::max() / 1024) {
    return std::nullopt;
  }
  return *kibibytes * 1024;
}

std::optional<std::vector<std::string>> SystemFiles::names(std::string_view folder) const {
  std::error_code error;
  std::filesystem::directory_iterator entry(at(folder), error);
  if (error) return std::nullopt;
  std::vector<std::string> names;
  for (; entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (error) return std::nullopt;
    names.push_back(entry->path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream stream{std::string(text)};
  for (std::string line; std::getline(stream, line);) lines.push_back(std::move(line));
  return lines;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::istringstream stream{std::string(text)};
  for (std::string word; stream >> word;) words.push_back(std::move(word));
  return words;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> decimal_number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || end != text.c_str() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

}  // namespace fathom::base
