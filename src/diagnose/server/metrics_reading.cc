// A parser of lines "name{label=\"value\",...} number [time]", and sums over them.
#include "diagnose/server/metrics_reading.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

namespace fathom::diagnose {

using base::ErrorCode;
using base::fail;
using base::Result;

namespace {

constexpr std::size_t kMaxSamples = 200'000;
constexpr std::array<std::string_view, 3> kPrefixes{"fathom_", "vllm:", "vllm_"};

// One line, from left to right.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : rest_(line) {}

  bool read(MetricSample& sample) {
    sample.name = name();
    if (sample.name.empty()) return false;
    if (take('{') && !read_labels(sample)) return false;
    skip_spaces();
    const std::size_t end = rest_.find_first_of(" \t");
    return read_value(rest_.substr(0, end), sample.value);
  }

 private:
  void skip_spaces() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t'))
      rest_.remove_prefix(1);
  }

  bool take(char expected) {
    skip_spaces();
    if (rest_.empty() || rest_.front() != expected) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string name() {
    skip_spaces();
    std::size_t size = 0;
    while (size < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[size])) != 0 ||
                                   rest_[size] == '_' || rest_[size] == ':')) {
      ++size;
    }
    const std::string found(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return found;
  }

  bool read_labels(MetricSample& sample) {
    while (!take('}')) {
      const std::string label = name();
      if (label.empty() || !take('=') || !take('"')) return false;
      std::string value;
      if (!read_quoted(value)) return false;
      sample.labels.emplace(label, std::move(value));
      take(',');
    }
    return true;
  }

  // Up to the closing quote; \n, \" and \\ are escapes.
  bool read_quoted(std::string& value) {
    while (!rest_.empty()) {
      char next = rest_.front();
      rest_.remove_prefix(1);
      if (next == '"') return true;
      if (next == '\\') {
        if (rest_.empty()) return false;
        next = rest_.front() == 'n' ? '\n' : rest_.front();
        rest_.remove_prefix(1);
      }
      value += next;
    }
    return false;
  }

  static bool read_value(std::string_view text, double& value) {
    if (text == "+Inf" || text == "-Inf" || text == "NaN") {
      value = text == "+Inf" ? std::numeric_limits<double>::infinity() : 0.0;
      return true;
    }
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size();
  }

  std::string_view rest_;
};

// False: not of an engine.
bool take_prefix(std::string& name) {
  for (const std::string_view prefix : kPrefixes) {
    if (!name.starts_with(prefix)) continue;
    name.erase(0, prefix.size());
    return true;
  }
  return false;
}

std::optional<double> bound_of(const std::string& text) {
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  double bound = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bound);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return bound;
}

}  // namespace

Result<MetricsReading> MetricsReading::parse(std::string_view text) {
  MetricsReading reading;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    MetricSample sample;
    if (!LineReader(line).read(sample)) {
      return fail(ErrorCode::kInvalidArgument, "/metrics",
                  "line {} is not of Prometheus's text format", number);
    }
    if (!take_prefix(sample.name)) continue;
    if (reading.samples_.size() == kMaxSamples) {
      return fail(ErrorCode::kInvalidArgument, "/metrics", "more than {} samples", kMaxSamples);
    }
    reading.samples_.push_back(std::move(sample));
  }
  return reading;
}

std::optional<double> MetricsReading::sum(std::string_view name) const {
  std::optional<double> total;
  for (const MetricSample& sample : samples_) {
    if (sample.name == name) total = total.value_or(0) + sample.value;
  }
  return total;
}

std::map<std::string, double> MetricsReading::sums_by(std::string_view name,
                                                      std::string_view label) const {
  std::map<std::string, double> sums;
  for (const MetricSample& sample : samples_) {
    if (sample.name != name) continue;
    const auto found = sample.labels.find(std::string(label));
    if (found != sample.labels.end()) sums[found->second] += sample.value;
  }
  return sums;
}

std::optional<std::string> MetricsReading::label(std::string_view name,
                                                 std::string_view label) const {
  for (const MetricSample& sample : samples_) {
    if (sample.name != name) continue;
    const auto found = sample.labels.find(std::string(label));
    if (found != sample.labels.end()) return found->second;
  }
  return std::nullopt;
}

bool MetricsReading::is_known() const { return sum("num_requests_running").has_value(); }

std::optional<double> HistogramChange::quantile(double share) const {
  if (count <= 0) return std::nullopt;
  for (const auto& [bound, counted] : counts) {
    if (counted < share * count) continue;
    return std::isfinite(bound) ? std::optional(bound) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<HistogramChange> change_of(const MetricsReading& before, const MetricsReading& after,
                                         std::string_view name) {
  const std::string buckets = std::string(name) + "_bucket";
  const auto old_count = before.sum(std::string(name) + "_count");
  const auto new_count = after.sum(std::string(name) + "_count");
  if (!old_count || !new_count) return std::nullopt;
  HistogramChange change;
  change.count = *new_count - *old_count;
  change.sum = after.sum(std::string(name) + "_sum").value_or(0) -
               before.sum(std::string(name) + "_sum").value_or(0);
  const auto old_buckets = before.sums_by(buckets, "le");
  for (const auto& [text, counted] : after.sums_by(buckets, "le")) {
    const auto bound = bound_of(text);
    if (!bound) continue;
    const auto old_one = old_buckets.find(text);
    change.counts[*bound] = counted - (old_one == old_buckets.end() ? 0.0 : old_one->second);
  }
  return change;
}

}  // namespace fathom::diagnose
