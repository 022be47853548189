// Enqueues copy, forward pass, sampling and copy back; waits once.
#include "engine/runner.h"

#include <cstddef>
#include <utility>

#include "base/checked.h"
#include "kernels/sample/sample.h"

namespace fathom::engine {

using tensor::DType;

// Where the sampler's arrays of `capacity` rows lie: in both buffers, the same offsets.
struct Runner::SamplingLayout {
  explicit SamplingLayout(std::int64_t capacity) {
    const auto place = [this, capacity](std::size_t element_bytes) {
      const std::size_t offset = size_bytes;
      size_bytes +=
          base::ceil_div(static_cast<std::size_t>(capacity) * element_bytes, std::size_t{64}) * 64;
      return offset;
    };
    seeds = place(8);
    counters = place(8);
    temperature = place(4);
    top_k = place(4);
    top_p = place(4);
    min_p = place(4);
    parameters_end = size_bytes;
    tokens = place(4);
    logprobs = place(4);
  }
  std::size_t size_bytes = 0;
  std::size_t seeds, counters, temperature, top_k, top_p, min_p, parameters_end, tokens, logprobs;
};

base::Result<Runner> Runner::create(std::shared_ptr<const model::Weights> weights,
                                    device::Device& device, const RunnerOptions& options) {
  const spec::ModelSpec& spec = weights->spec();
  const model::DecoderLimits& limits = options.limits;
  auto kv_cache = TRY(model::KvCache::allocate(spec, options.kv, device));
  auto buffers = TRY(StepBuffers::create(device, limits, options.kv.block_tokens));
  auto decoder = TRY(model::Decoder::create(std::move(weights), device, limits));
  Runner runner(std::move(decoder), std::move(kv_cache), std::move(buffers));
  runner.stream_ = TRY(device.create_stream());
  runner.num_valid_tokens_ = options.num_valid_tokens;
  const SamplingLayout layout(limits.max_logit_rows);
  runner.host_sampling_.resize(layout.size_bytes);
  const auto scratch_floats = static_cast<std::size_t>(
      kernels::sample_workspace_floats(limits.max_logit_rows, spec.vocab_rows, device));
  runner.sampling_ = TRY(device.allocate(layout.size_bytes + scratch_floats * sizeof(float)));
  return runner;
}

base::Result<std::vector<SampledToken>> Runner::run(std::span<const ScheduledChunk> chunks) {
  std::vector<SequenceChunk> inputs;
  std::vector<SampledToken> sampled;
  for (const ScheduledChunk& chunk : chunks) {
    Sequence& sequence = *chunk.sequence;
    const bool completes = chunk.num_tokens == sequence.num_pending();
    inputs.push_back({.tokens = std::span(sequence.tokens)
                                    .subspan(static_cast<std::size_t>(sequence.num_computed),
                                             static_cast<std::size_t>(chunk.num_tokens)),
                      .first_position = sequence.num_computed,
                      .blocks = sequence.blocks,
                      .wanted = completes ? WantedLogits::kLast : WantedLogits::kNone});
    if (completes) sampled.push_back({.sequence = &sequence});
  }
  const model::StepInputs step = buffers_.fill(inputs, *stream_);
  const tensor::View logits = decoder_.forward(step, kv_cache_, *stream_);
  enqueue_sampling(logits, sampled);
  TRY(stream_->synchronize());
  for (const ScheduledChunk& chunk : chunks) chunk.sequence->num_computed += chunk.num_tokens;
  const SamplingLayout layout(decoder_.limits().max_logit_rows);
  const auto* tokens = reinterpret_cast<const std::int32_t*>(&host_sampling_[layout.tokens]);
  const auto* logprobs = reinterpret_cast<const float*>(&host_sampling_[layout.logprobs]);
  for (std::size_t i = 0; i < sampled.size(); ++i) {
    sampled[i].token = base::TokenId{tokens[i]};
    sampled[i].logprob = logprobs[i];
  }
  return sampled;
}

void Runner::enqueue_sampling(const tensor::View& logits, std::span<const SampledToken> rows) {
  if (rows.empty()) return;
  const SamplingLayout layout(decoder_.limits().max_logit_rows);
  std::byte* const host = host_sampling_.data();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Sequence& sequence = *rows[i].sequence;
    const SamplingParameters& asked = sequence.request.sampling;
    reinterpret_cast<std::int64_t*>(host + layout.seeds)[i] = sequence.seed;
    reinterpret_cast<std::int64_t*>(host + layout.counters)[i] = sequence.num_tokens();
    reinterpret_cast<float*>(host + layout.temperature)[i] = asked.temperature;
    reinterpret_cast<std::int32_t*>(host + layout.top_k)[i] = asked.top_k;
    reinterpret_cast<float*>(host + layout.top_p)[i] = asked.top_p;
    reinterpret_cast<float*>(host + layout.min_p)[i] = asked.min_p;
  }
  auto* const device = static_cast<std::byte*>(sampling_.data());
  stream_->copy_to_device(device, host, layout.parameters_end);
  const tensor::Shape shape{std::ssize(rows)};
  const auto view = [&](std::size_t offset, DType dtype) {
    return tensor::MutableView{device + offset, dtype, shape};
  };
  const std::int64_t scratch_floats =
      static_cast<std::int64_t>((sampling_.size_bytes() - layout.size_bytes) / sizeof(float));
  kernels::sample({.logits = logits,
                   .num_valid_tokens = num_valid_tokens_,
                   .temperature = view(layout.temperature, DType::kF32),
                   .top_k = view(layout.top_k, DType::kI32),
                   .top_p = view(layout.top_p, DType::kF32),
                   .min_p = view(layout.min_p, DType::kF32),
                   .seeds = view(layout.seeds, DType::kI64),
                   .counters = view(layout.counters, DType::kI64),
                   .workspace = {device + layout.size_bytes, DType::kF32, {scratch_floats}},
                   .tokens = view(layout.tokens, DType::kI32),
                   .logprobs = view(layout.logprobs, DType::kF32)},
                  *stream_);
  stream_->copy_to_host(host + layout.tokens, device + layout.tokens,
                        layout.size_bytes - layout.tokens);
}

}  // namespace fathom::engine
