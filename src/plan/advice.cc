// One rule a function; each adds a sentence where it applies.
#include "plan/advice.h"

#include <fmt/format.h>

#include <algorithm>

#include "footprint/kv_cache.h"
#include "footprint/weights.h"
#include "plan/split.h"

namespace fathom::plan {
namespace {

double gib(std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

using Sentences = std::vector<std::string>;

void say_what_is_not_computed(const Configuration& c, Sentences& out) {
  if (!supports(c.device, c.weights)) {
    out.push_back(fmt::format("{} does not compute in {}: that takes a GPU of sm_89 or later",
                              c.device.title, name(c.weights)));
  }
  if (!supports(c.device, c.kv)) {
    out.push_back(
        fmt::format("{} has no {} KV cache: that takes a GPU of sm_89 or later; int8 is "
                    "as small",
                    c.device.title, name(c.kv)));
  }
}

// The next thing to do where memory is missing.
void say_what_is_missing(const Demand& demand, const Configuration& c, Sentences& out) {
  if (c.fits() || !c.is_supported) return;
  out.push_back(fmt::format(
      "{:.2f} GiB are missing: weights {:.2f}, KV cache {:.2f} ({} x {} tokens), workspace {:.2f}, "
      "runtime {:.2f} of {:.2f} GiB",
      gib(-c.ledger.free_bytes), gib(c.ledger.weights_bytes), gib(c.ledger.kv_bytes), c.batch,
      c.context_tokens, gib(c.ledger.workspace_bytes + c.ledger.logits_bytes),
      gib(c.ledger.runtime_bytes + c.ledger.kept_bytes), gib(c.ledger.memory_bytes)));
  if (c.max_context_at_batch_1 >= 16) {
    out.push_back(fmt::format("one sequence of at most {} tokens fits", c.max_context_at_batch_1));
  }
  for (const Weights narrower : {Weights::kFp8, Weights::kInt8, Weights::kInt4}) {
    if (narrower <= c.weights || !supports(c.device, narrower)) continue;
    Placement placement = c.placement(demand.spec);
    placement.weights = narrower;
    if (!device_ledger(placement, c.batch, c.context_tokens).fits()) continue;
    out.push_back(fmt::format("--weights {} fits", name(narrower)));
    return;
  }
}

void say_what_is_not_served(const Configuration& c, Sentences& out) {
  if (!is_served(c.weights)) {
    out.push_back(fmt::format("{} weights are planned; serve of this build cannot load them yet",
                              name(c.weights)));
  }
  if (c.split == Split::kTensor) {
    out.push_back("tensor parallelism is planned; serve of this build runs one GPU a process");
  }
}

void say_how_types_differ(const Configuration& c, Sentences& out) {
  if (c.device.is_cpu) return;
  if (c.device.architecture < 80) {
    out.push_back(
        fmt::format("{} has no bf16: fp16 is computed, sums and residual in f32", c.device.title));
  }
  if (c.weights == Weights::kFp8) {
    out.push_back("fp8 is made while loading: the files on disk have two bytes a weight");
  }
}

void say_how_devices_share(const Configuration& c, Sentences& out) {
  if (c.num_devices == 1) return;
  const bool is_linked = c.device.link_gb_per_s && c.num_devices <= c.device.link_gpus;
  if (c.split == Split::kTensor && !is_linked) {
    out.push_back(fmt::format(
        "{} GPUs of this kind share no NVLink: 2 all-reduces a layer go through the host; "
        "replicas give more for the same money",
        c.num_devices));
  }
  if (c.split == Split::kReplica) {
    out.push_back(
        "each GPU holds the whole model and answers its own requests: latency is that of one");
  } else {
    out.push_back("memory is not pooled: each GPU holds a part of every layer and of the KV cache");
  }
  if (c.device.link_gpus == 2 && c.device.link_gb_per_s) {
    out.push_back(
        "DistributedDataParallel is for training: it would hold the model on each GPU "
        "to average gradients");
  }
  if (c.num_devices == 4 && c.device.architecture == 80) {
    out.push_back(
        "the 4-GPU A100 board has NVLink without NVSwitch (the 8-GPU board has it): "
        "tensor parallelism buys latency, replicas buy throughput");
  }
}

void say_how_it_divides(const Demand& demand, const Configuration& c, Sentences& out) {
  if (c.split != Split::kTensor) return;
  if (c.weights == Weights::kInt4) {
    const std::int64_t groups = demand.spec.intermediate_size / footprint::kGroupInputs;
    const std::vector<std::int64_t> parts = share(groups, c.ranks());
    if (parts.front() != parts.back()) {
      out.push_back(
          fmt::format("the {} groups of {} columns are shared as {}: the largest part "
                      "decides memory and time",
                      groups, demand.spec.intermediate_size, fmt::join(parts, ", ")));
    }
  }
  if (demand.spec.num_heads % c.ranks() != 0 || demand.spec.num_kv_heads % c.ranks() != 0) {
    out.push_back(
        fmt::format("{} heads and {} KV heads do not divide by {}: the largest part "
                    "decides memory and time",
                    demand.spec.num_heads, demand.spec.num_kv_heads, c.ranks()));
  }
}

void say_what_nobody_verified(const Configuration& c, Sentences& out) {
  const std::vector<std::string> names = c.device.unverified();
  if (!names.empty()) {
    out.push_back(fmt::format("not verified: {}", fmt::join(names, ", ")));
  }
}

}  // namespace

Sentences reasons_of(const Demand& demand, const Configuration& c) {
  Sentences out;
  say_what_is_not_computed(c, out);
  say_what_is_missing(demand, c, out);
  say_what_is_not_served(c, out);
  say_how_types_differ(c, out);
  say_how_devices_share(c, out);
  say_how_it_divides(demand, c, out);
  say_what_nobody_verified(c, out);
  return out;
}

Sentences model_notes(const Demand& demand) {
  const spec::ModelSpec& spec = demand.spec;
  const auto giga = [](std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; };
  const auto packed = [&spec](footprint::MatrixFormat format, bool has_wide_head) {
    const bool is_f32 = format == footprint::MatrixFormat::kF32;
    return footprint::packed_weight_bytes(
        spec, {.matrices = format,
               .has_wide_head = has_wide_head,
               .others = is_f32 ? tensor::DType::kF32 : tensor::DType::kBF16});
  };
  using footprint::MatrixFormat;
  const std::int64_t token_bytes = footprint::kv_block_bytes(spec, {}) / footprint::kBlockTokens;
  return {
      fmt::format("Weights: fp16 {:.2f} GB, fp8 {:.2f}, int8 {:.2f}, int4 {:.2f} (fp32 would be "
                  "{:.1f}).",
                  giga(packed(MatrixFormat::kBF16, false)),
                  giga(packed(MatrixFormat::kF8E4M3, false)), giga(packed(MatrixFormat::kI8, true)),
                  giga(packed(MatrixFormat::kI4Group, true)),
                  giga(packed(MatrixFormat::kF32, false))),
      fmt::format("The KV cache is added to them, {} KiB a token in fp16, half of it in 8 bits; it "
                  "does not double the weights.",
                  token_bytes >> 10)};
}

}  // namespace fathom::plan
