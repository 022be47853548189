// MetricsReading: the samples of one answer of /metrics, in Prometheus's text format.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fathom::diagnose {

struct MetricSample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

class MetricsReading {
 public:
  // Comments are skipped. kInvalidArgument: a line is not of the format, or there are more than
  // 200,000 samples.
  static base::Result<MetricsReading> parse(std::string_view text);

  // Over all series of the name; nothing if there is none. Names come without the engine's prefix:
  // "num_requests_running" is "fathom_num_requests_running" or "vllm:num_requests_running".
  std::optional<double> sum(std::string_view name) const;
  // The same for each value of a label.
  std::map<std::string, double> sums_by(std::string_view name, std::string_view label) const;
  // A label of the first series of the name.
  std::optional<std::string> label(std::string_view name, std::string_view label) const;
  // Whether it is of an engine whose names are known.
  bool is_known() const;

 private:
  std::vector<MetricSample> samples_;  // of an engine, with the prefix taken off
};

// A histogram between two readings: counts of its buckets, by upper bound.
struct HistogramChange {
  std::map<double, double> counts;  // cumulative; infinity is the last
  double count = 0;
  double sum = 0;

  // The upper bound of the bucket that holds the quantile; nothing beyond the last finite one.
  std::optional<double> quantile(double share) const;
};

// Nothing if a reading lacks it; a count below 0 where it began anew in between.
std::optional<HistogramChange> change_of(const MetricsReading& before, const MetricsReading& after,
                                         std::string_view name);

}  // namespace fathom::diagnose
