// One reader for rope_scaling and rope_parameters: the second is the first with theta inside.
#include "checkpoint/rope_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <string>

namespace fathom::checkpoint {
namespace {

using base::Result;
using spec::RopeSpec;

constexpr Range<double> kThetas{1.0, 1e12};
constexpr Range<double> kFactors{1.0, 4096.0};

constexpr std::array<std::string_view, 8> kScalingFields = {"type",
                                                            "rope_type",
                                                            "rope_theta",
                                                            "factor",
                                                            "low_freq_factor",
                                                            "high_freq_factor",
                                                            "partial_rotary_factor",
                                                            "original_max_position_embeddings"};

// The other kinds' fields (attention_factor, beta_fast, mscale, long_factor, ...) would do nothing.
Result<void> refuse_unknown_fields(const ConfigFields& scaling) {
  for (const auto& field : scaling.object()) {
    const std::string_view name(field.key().data(), field.key().size());
    if (!field.value().is_null() &&
        std::ranges::find(kScalingFields, name) == kScalingFields.end()) {
      return scaling.bad(name, "not implemented");
    }
  }
  if (TRY(scaling.number_or("partial_rotary_factor", {0.0, 1.0}, 1.0)) != 1.0) {
    return scaling.bad("partial_rotary_factor", "only 1 is implemented");
  }
  return {};
}

Result<std::string> scaling_type(const ConfigFields& scaling) {
  const std::string type = TRY(scaling.string_or("type", ""));
  std::string rope_type = TRY(scaling.string_or("rope_type", ""));
  if (!type.empty() && !rope_type.empty() && type != rope_type) {
    return scaling.bad("rope_type", fmt::format("'{}', but type is '{}'", rope_type, type));
  }
  if (!rope_type.empty()) return rope_type;
  return type.empty() ? std::string("default") : type;
}

Result<void> read_scaling(const ConfigFields& scaling, std::int64_t max_context_tokens,
                          RopeSpec& rope) {
  const std::string type = TRY(scaling_type(scaling));
  if (type != "default" && type != "linear" && type != "llama3") {
    return scaling.bad("rope_type",
                       fmt::format("'{}' is not implemented; linear and llama3 are", type));
  }
  TRY(refuse_unknown_fields(scaling));
  if (type == "default") {
    if (TRY(scaling.number_or("factor", kFactors, 1.0)) == 1.0) return {};
    return scaling.bad("rope_type", "none that scales, although there is a factor");
  }
  if (scaling.find("factor") == nullptr) return scaling.bad("factor", "missing");
  rope.factor = TRY(scaling.number_or("factor", kFactors, 1.0));
  if (type == "linear") {
    rope.scaling = RopeSpec::Scaling::kLinear;
    return {};
  }
  rope.scaling = RopeSpec::Scaling::kLlama3;
  for (const char* field :
       {"low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}) {
    if (scaling.find(field) == nullptr) return scaling.bad(field, "missing");
  }
  rope.low_freq_factor = TRY(scaling.number_or("low_freq_factor", {1e-3, 1e3}, 1.0));
  rope.high_freq_factor = TRY(scaling.number_or("high_freq_factor", {1e-3, 1e3}, 4.0));
  if (rope.high_freq_factor <= rope.low_freq_factor) {
    return scaling.bad("high_freq_factor", "not above low_freq_factor");
  }
  rope.original_max_position =
      TRY(scaling.integer("original_max_position_embeddings", {1, max_context_tokens}));
  return {};
}

}  // namespace

Result<RopeSpec> read_rope(const ConfigFields& config, std::int64_t max_context_tokens) {
  RopeSpec rope;
  rope.theta = TRY(config.number_or("rope_theta", kThetas, rope.theta));
  for (const char* field : {"rope_scaling", "rope_parameters"}) {
    const boost::json::value* value = config.find(field);
    if (value == nullptr) continue;
    if (!value->is_object()) return config.bad(field, "not an object");
    const ConfigFields scaling(value->get_object(), config.where() + ": " + field);
    const double theta = TRY(scaling.number_or("rope_theta", kThetas, rope.theta));
    if (config.find("rope_theta") != nullptr && theta != rope.theta) {
      return scaling.bad("rope_theta", fmt::format("{}, but {} outside", theta, rope.theta));
    }
    RopeSpec found;
    found.theta = theta;
    TRY(read_scaling(scaling, max_context_tokens, found));
    if (rope.scaling != RopeSpec::Scaling::kNone && found != rope) {
      return config.bad(field, "differs from rope_scaling");
    }
    rope = found;
  }
  return rope;
}

}  // namespace fathom::checkpoint
