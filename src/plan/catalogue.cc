// Reads the catalogue and the prices.
#include "plan/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/json.h"
#include "plan/json_fields.h"

namespace fathom::plan {
namespace {

namespace json = boost::json;
using base::ErrorCode;
using base::fail;
using base::Result;

// One JSON file: its root, and the texts that its figures name as sources.
class DataFile {
 public:
  static Result<DataFile> parse(std::string_view text, std::string_view where) {
    DataFile file(std::string{where}, TRY(base::parse_json(text, where)));
    if (!file.root_.is_object()) return fail(ErrorCode::kInvalidArgument, where, "not an object");
    TRY(file.root().object("sources"));
    return file;
  }

  JsonFields root() const { return {root_.get_object(), where_}; }
  Result<std::string> source(const JsonFields& figure) const {
    const std::string key = TRY(figure.text("source"));
    const JsonFields sources = TRY(root().object("sources"));
    if (!sources.has(key)) {
      return fail(ErrorCode::kInvalidArgument, figure.path(), "source '{}' is not among 'sources'",
                  key);
    }
    return sources.text(key);
  }

 private:
  DataFile(std::string where, json::value root)
      : where_(std::move(where)), root_(std::move(root)) {}

  std::string where_;
  json::value root_;
};

Result<Figure> read_figure(const DataFile& file, const JsonFields& gpu, std::string_view key) {
  const JsonFields fields = TRY(gpu.object(key));
  TRY(fields.only({"value", "source", "date", "verified"}));
  Figure figure;
  figure.value = TRY(fields.positive("value"));
  figure.source = TRY(file.source(fields));
  figure.date = TRY(fields.text("date"));
  figure.is_verified = TRY(fields.flag("verified"));
  return figure;
}

Result<std::optional<Figure>> read_optional(const DataFile& file, const JsonFields& gpu,
                                            std::string_view key) {
  if (!gpu.has(key)) return std::optional<Figure>();
  return std::optional<Figure>(TRY(read_figure(file, gpu, key)));
}

Result<Range> read_range(const JsonFields& fields, std::string_view key) {
  const std::vector<double> values = TRY(fields.numbers(key));
  if (values.size() != 3 || !std::ranges::is_sorted(values)) {
    return fail(ErrorCode::kInvalidArgument, fields.path(), "field '{}' is not [low, likely, high]",
                key);
  }
  return Range{values[0], values[1], values[2]};
}

Result<Efficiency> read_efficiency(const DataFile& file, const JsonFields& fields) {
  Efficiency efficiency;
  efficiency.memory_wide = TRY(read_range(fields, "memory_wide"));
  efficiency.memory_narrow = TRY(read_range(fields, "memory_narrow"));
  efficiency.compute_wide = TRY(read_range(fields, "compute_wide"));
  efficiency.compute_narrow = TRY(read_range(fields, "compute_narrow"));
  efficiency.launch_us = TRY(read_range(fields, "launch_us"));
  efficiency.source = TRY(file.source(fields));
  efficiency.is_measured = TRY(fields.flag("verified"));
  return efficiency;
}

Result<Accelerator> read_accelerator(const DataFile& file, const JsonFields& fields) {
  TRY(fields.only({"name", "title", "architecture", "table_counts", "memory_gib",
                   "bandwidth_gb_per_s", "fp16_tflops", "int8_tops", "fp8_tflops",
                   "multiprocessors", "watts", "host_link_gb_per_s", "link_gb_per_s", "link_gpus",
                   "shares_host_memory", "driver_names", "efficiency"}));
  Accelerator gpu;
  gpu.name = TRY(fields.text("name"));
  gpu.title = TRY(fields.text("title"));
  gpu.architecture = static_cast<int>(TRY(fields.positive("architecture")));
  gpu.memory_gib = TRY(read_figure(file, fields, "memory_gib"));
  gpu.bandwidth_gb_per_s = TRY(read_figure(file, fields, "bandwidth_gb_per_s"));
  gpu.fp16_tflops = TRY(read_figure(file, fields, "fp16_tflops"));
  gpu.int8_tops = TRY(read_optional(file, fields, "int8_tops"));
  gpu.fp8_tflops = TRY(read_optional(file, fields, "fp8_tflops"));
  gpu.multiprocessors = TRY(read_figure(file, fields, "multiprocessors"));
  gpu.watts = TRY(read_optional(file, fields, "watts"));
  gpu.host_link_gb_per_s = TRY(read_figure(file, fields, "host_link_gb_per_s"));
  gpu.link_gb_per_s = TRY(read_optional(file, fields, "link_gb_per_s"));
  if (fields.has("link_gpus")) {
    gpu.link_gpus = static_cast<int>(TRY(fields.positive("link_gpus")));
  }
  if (fields.has("shares_host_memory")) {
    gpu.shares_host_memory = TRY(fields.flag("shares_host_memory"));
  }
  if (fields.has("driver_names")) gpu.driver_names = TRY(fields.texts("driver_names"));
  for (const double count : TRY(fields.numbers("table_counts"))) {
    if (count > kMaxDevices) {
      return fail(ErrorCode::kInvalidArgument, fields.path(), "field 'table_counts' is over {}",
                  kMaxDevices);
    }
    gpu.table_counts.push_back(static_cast<int>(count));
  }
  if (fields.has("efficiency")) {
    const JsonFields shares = TRY(fields.object("efficiency"));
    gpu.efficiency = TRY(read_efficiency(file, shares));
  }
  return gpu;
}

}  // namespace

const Accelerator* Catalogue::find(std::string_view name) const {
  const auto found = std::ranges::find(accelerators, name, &Accelerator::name);
  return found == accelerators.end() ? nullptr : &*found;
}

std::string Catalogue::names() const {
  std::vector<std::string> names;
  for (const Accelerator& each : accelerators) names.push_back(each.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

bool Accelerator::is_called(std::string_view driver_name) const {
  return title == driver_name || std::ranges::find(driver_names, driver_name) != driver_names.end();
}

std::vector<std::string> Accelerator::unverified() const {
  std::vector<std::string> names;
  const auto look = [&names](std::string_view name, const Figure& figure) {
    if (!figure.is_verified) names.emplace_back(name);
  };
  const auto look_if = [&look](std::string_view name, const std::optional<Figure>& figure) {
    if (figure) look(name, *figure);
  };
  look("memory", memory_gib);
  look("bandwidth", bandwidth_gb_per_s);
  look("FP16 rate", fp16_tflops);
  look_if("INT8 rate", int8_tops);
  look_if("FP8 rate", fp8_tflops);
  look_if("watts", watts);
  look("host link", host_link_gb_per_s);
  look_if("GPU link", link_gb_per_s);
  if (price && !price->is_verified) names.emplace_back("price");
  return names;
}

Result<Catalogue> parse_catalogue(std::string_view text, std::string_view where) {
  const DataFile file = TRY(DataFile::parse(text, where));
  const JsonFields root = file.root();
  TRY(root.only({"about", "sources", "gpus"}));
  Catalogue catalogue;
  for (const JsonFields& fields : TRY(root.objects("gpus"))) {
    Accelerator gpu = TRY(read_accelerator(file, fields));
    if (catalogue.find(gpu.name) != nullptr || gpu.name == "cpu") {
      return fail(ErrorCode::kInvalidArgument, fields.path(), "the name '{}' is taken", gpu.name);
    }
    catalogue.accelerators.push_back(std::move(gpu));
  }
  if (catalogue.accelerators.empty()) {
    return fail(ErrorCode::kInvalidArgument, where, "field 'gpus' is empty");
  }
  return catalogue;
}

Result<void> apply_prices(Catalogue& catalogue, std::string_view text, std::string_view where) {
  const DataFile file = TRY(DataFile::parse(text, where));
  const JsonFields root = file.root();
  TRY(root.only({"about", "sources", "prices"}));
  for (const JsonFields& fields : TRY(root.objects("prices"))) {
    TRY(fields.only({"gpu", "low", "high", "source", "date", "verified"}));
    const std::string name = TRY(fields.text("gpu"));
    const auto found = std::ranges::find(catalogue.accelerators, name, &Accelerator::name);
    if (found == catalogue.accelerators.end()) {
      return fail(ErrorCode::kInvalidArgument, fields.path(), "'{}' is none of {}", name,
                  catalogue.names());
    }
    Price price;
    price.low = TRY(fields.positive("low"));
    price.high = TRY(fields.positive("high"));
    price.source = TRY(file.source(fields));
    price.date = TRY(fields.text("date"));
    price.is_verified = TRY(fields.flag("verified"));
    if (price.low > price.high) {
      return fail(ErrorCode::kInvalidArgument, fields.path(), "field 'low' is above 'high'");
    }
    found->price = price;
  }
  return {};
}

}  // namespace fathom::plan
