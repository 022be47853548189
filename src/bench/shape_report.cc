// The table.
#include "bench/shape_report.h"

#include <fmt/format.h>

namespace fathom::bench {
namespace {

// Four significant digits, and no more than a rate deserves.
std::string rate_text(double rate) {
  if (rate < 10) return fmt::format("{:.3f}", rate);
  if (rate < 100) return fmt::format("{:.2f}", rate);
  return fmt::format("{:.{}f}", rate, rate < 1000 ? 1 : 0);
}

std::string row_text(std::string_view phase, std::int64_t batch, std::int64_t tokens, double ms,
                     double rate, double limit, double percent) {
  return fmt::format("{:<8} {:>6} {:>8} {:>12.3f} {:>12} {:>12} {:>10.1f} %\n", phase, batch,
                     tokens, ms, rate_text(rate), rate_text(limit), percent);
}

}  // namespace

std::string table_text(const ShapeTitle& title, const ShapeReport& report) {
  std::string text = fmt::format("{}, {} with {} KV cache, random weights\n", title.model,
                                 title.dtype, title.kv_dtype);
  if (title.is_batch_invariant) text += "the same bits whatever else is in the batch\n";
  if (title.num_layers < title.model_layers) {
    text += fmt::format("NOT THE REAL MODEL: {} of its {} layers, and the limits of these\n",
                        title.num_layers, title.model_layers);
  }
  text += fmt::format("{}; {:.2f} GiB held\n", report.device,
                      static_cast<double>(report.resident_bytes) / (1 << 30));
  text +=
      fmt::format("measured in this run: read {:.1f} GB/s, dot {:.3f} TOP/s\n\n",
                  report.ceilings.read_bytes_per_s * 1e-9, report.ceilings.dot_flop_per_s * 1e-12);
  text += fmt::format("{:<8} {:>6} {:>8} {:>12} {:>12} {:>12} {:>12}\n", "phase", "batch", "tokens",
                      "ms", "tokens/s", "limit", "of limit");
  for (const DecodeRate& each : report.decode) {
    text += row_text("decode", each.batch, each.context_tokens, each.step_ms, each.tokens_per_s,
                     each.limit_tokens_per_s, each.percent_of_limit());
  }
  for (const PrefillRate& each : report.prefill) {
    text += row_text("prefill", 1, each.num_tokens, each.seconds * 1e3, each.tokens_per_s,
                     each.limit_tokens_per_s, each.percent_of_limit());
  }
  return text;
}

}  // namespace fathom::bench
