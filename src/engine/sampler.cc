// Fills the sampling kernels' arrays from the requests, and reads their results.
#include "engine/sampler.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/checked.h"
#include "kernels/count_tokens/count_tokens.h"
#include "kernels/device_shape.h"
#include "kernels/feed_tokens/feed_tokens.h"
#include "kernels/sample/sample.h"
#include "kernels/top_logprobs/top_logprobs.h"

namespace fathom::engine {

using tensor::DType;
using tensor::MutableView;
using tensor::Shape;

namespace {

static_assert(footprint::kMaxTopLogprobs == kernels::kMaxTopLogprobs);

constexpr float kBan = -std::numeric_limits<float>::infinity();

}  // namespace

base::Result<Sampler> Sampler::create(device::Device& device, const SamplerLimits& limits) {
  Sampler sampler;
  sampler.limits_ = limits;
  sampler.workspace_floats_ =
      kernels::sample_workspace_floats(limits.max_rows, limits.vocab_rows, device);
  const footprint::SamplerDemand demand{.max_rows = limits.max_rows,
                                        .max_slots = limits.max_slots,
                                        .max_step_tokens = limits.max_step_tokens,
                                        .vocab_rows = limits.vocab_rows};
  sampler.layout_ = footprint::sampler_arrays(demand, kernels::device_shape(device));
  sampler.count_layout_ = footprint::count_arrays(demand);
  const auto allocate = [&device](std::int64_t num_bytes, device::Place place) {
    return device.allocate(static_cast<std::size_t>(num_bytes), place);
  };
  sampler.host_ = TRY(allocate(sampler.layout_.mirrored_end, device::Place::kHost));
  sampler.memory_ = TRY(allocate(sampler.layout_.end, device::Place::kDevice));
  for (auto& host : sampler.count_hosts_) {
    host = TRY(allocate(sampler.count_layout_.end, device::Place::kHost));
  }
  sampler.count_memory_ = TRY(allocate(sampler.count_layout_.end, device::Place::kDevice));
  return sampler;
}

MutableView Sampler::view(std::int64_t offset, DType dtype, const Shape& shape) const {
  return {static_cast<std::byte*>(memory_.data()) + offset, dtype, shape};
}

void Sampler::enqueue_counts(const ScheduledStep& step, device::Stream& stream) {
  if (step.new_slots.empty() && step.counts.empty()) return;
  auto* const host = static_cast<std::byte*>(count_hosts_[num_counts_++ % 2].data());
  auto* const device = static_cast<std::byte*>(count_memory_.data());
  const auto host_array = [host](std::int64_t offset) {
    return reinterpret_cast<std::int32_t*>(host + offset);
  };
  std::ranges::copy(step.new_slots, host_array(count_layout_.clear_slots));
  std::int64_t size = 0;
  for (const ScheduledCount& count : step.counts) {
    const Sequence& sequence = *count.sequence;
    for (std::int64_t i = 0; i < count.num_tokens; ++i, ++size) {
      const std::int64_t position = count.first_position + i;
      host_array(count_layout_.slots)[size] = sequence.slot;
      host_array(count_layout_.tokens)[size] =
          base::index(sequence.tokens[static_cast<std::size_t>(position)]);
      host_array(count_layout_.is_prompt)[size] = position < sequence.num_prompt_tokens() ? 1 : 0;
    }
  }
  stream.copy_to_device(device, host, static_cast<std::size_t>(count_layout_.end));
  const auto device_array = [device](std::int64_t offset, std::int64_t count) {
    return tensor::View{device + offset, DType::kI32, {count}};
  };
  const MutableView counts =
      view(layout_.token_counts, DType::kI32, {limits_.max_slots, limits_.vocab_rows});
  kernels::clear_counts(
      {.slots = device_array(count_layout_.clear_slots, std::ssize(step.new_slots)),
       .token_counts = counts},
      stream);
  kernels::count_tokens({.slots = device_array(count_layout_.slots, size),
                         .tokens = device_array(count_layout_.tokens, size),
                         .is_prompt = device_array(count_layout_.is_prompt, size),
                         .token_counts = counts},
                        stream);
}

void Sampler::enqueue_feed(const tensor::View& feed_slots, const MutableView& ids,
                           device::Stream& stream) const {
  kernels::feed_tokens({.sources = feed_slots,
                        .last_tokens = view(layout_.last_tokens, DType::kI32, {limits_.max_slots}),
                        .ids = ids},
                       stream);
}

// Enters the row's biases and bans from entry `at` on; returns where they end.
std::int64_t Sampler::fill_biases(const LogitRow& row, std::span<const TokenId> end_tokens,
                                  std::int64_t at) {
  const Sequence& sequence = *row.sequence;
  const StopConditions& stop = sequence.request.stop;
  const std::int64_t limit = at + kMaxBiasesPerRow;
  const auto add = [&](TokenId token, float value) {
    CHECK(at < limit, "a row has more than {} biases", kMaxBiasesPerRow);
    host<std::int32_t>(layout_.bias_tokens)[at] = base::index(token);
    host<float>(layout_.bias_values)[at++] = value;
  };
  for (const TokenBias& bias : sequence.request.sampling.logit_bias) add(bias.token, bias.bias);
  // A grammar alone says where its text may end.
  if (!sequence.matcher && row.position - sequence.num_prompt_tokens() < stop.min_tokens) {
    if (!stop.ignore_eos) {
      for (const TokenId token : end_tokens) add(token, kBan);
    }
    for (const TokenId token : stop.token_ids) add(token, kBan);
  }
  for (const std::vector<TokenId>& words : stop.bad_words) {
    const std::size_t before = words.size() - 1;
    const auto answer = std::span(sequence.tokens).subspan(sequence.request.prompt.size());
    if (answer.size() < before) continue;
    if (std::ranges::equal(answer.last(before), std::span(words).first(before))) {
      add(words.back(), kBan);
    }
  }
  return at;
}

Sampler::Wanted Sampler::fill(std::span<const LogitRow> rows, std::span<const TokenId> end_tokens) {
  Wanted wanted;
  std::int64_t num_biases = 0;
  host<std::int32_t>(layout_.bias_starts)[0] = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const LogitRow& row = rows[i];
    Sequence& sequence = *row.sequence;
    const SamplingParameters& asked = sequence.request.sampling;
    const bool has_penalties = row.is_sampled && sequence.has_penalties();
    host<std::int64_t>(layout_.seeds)[i] = sequence.seed;
    host<std::int64_t>(layout_.counters)[i] = row.position;
    host<float>(layout_.temperature)[i] = row.is_sampled ? asked.temperature : 0.0F;
    host<std::int32_t>(layout_.top_k)[i] = asked.top_k;
    host<float>(layout_.top_p)[i] = asked.top_p;
    host<float>(layout_.min_p)[i] = asked.min_p;
    host<float>(layout_.repetition)[i] = asked.repetition_penalty;
    host<float>(layout_.presence)[i] = asked.presence_penalty;
    host<float>(layout_.frequency)[i] = asked.frequency_penalty;
    host<std::int32_t>(layout_.penalty_slots)[i] = has_penalties ? sequence.slot : -1;
    host<std::int32_t>(layout_.store_slots)[i] = row.stores_token ? sequence.slot : -1;
    host<std::int32_t>(layout_.is_prompt)[i] = 0;
    host<std::int32_t>(layout_.targets)[i] =
        row.is_sampled ? 0 : base::index(sequence.tokens[static_cast<std::size_t>(row.position)]);
    host<std::int32_t>(layout_.target_sources)[i] =
        row.is_sampled ? static_cast<std::int32_t>(i) : -1;
    host<std::int32_t>(layout_.mask_rows)[i] = -1;
    if (row.is_sampled && sequence.matcher && !sequence.is_over) {
      host<std::int32_t>(layout_.mask_rows)[i] = static_cast<std::int32_t>(wanted.num_masks);
      sequence.matcher->fill_mask(
          {host<std::uint32_t>(layout_.masks) + wanted.num_masks++ * num_mask_words(),
           static_cast<std::size_t>(num_mask_words())});
    }
    if (row.is_sampled) num_biases = fill_biases(row, end_tokens, num_biases);
    host<std::int32_t>(layout_.bias_starts)[i + 1] = static_cast<std::int32_t>(num_biases);
    wanted.penalties |= has_penalties;
    wanted.logprobs |= sequence.wants_logprobs();
    wanted.stores |= row.stores_token;
  }
  wanted.num_biases = num_biases;
  return wanted;
}

// What the rows ask to change in their logits, as filled in.
kernels::LogitAdjustments Sampler::adjustments(const Wanted& wanted, std::int64_t num_rows) const {
  const footprint::SamplerArrays& l = layout_;
  const Shape shape{num_rows};
  kernels::LogitAdjustments made;
  if (wanted.penalties) {
    made.slots = view(l.penalty_slots, DType::kI32, shape);
    made.token_counts = view(l.token_counts, DType::kI32, {limits_.max_slots, limits_.vocab_rows});
    made.repetition_penalty = view(l.repetition, DType::kF32, shape);
    made.presence_penalty = view(l.presence, DType::kF32, shape);
    made.frequency_penalty = view(l.frequency, DType::kF32, shape);
  }
  if (wanted.num_biases > 0) {
    const Shape entries{wanted.num_biases};
    made.bias_starts = view(l.bias_starts, DType::kI32, {num_rows + 1});
    made.bias_tokens = view(l.bias_tokens, DType::kI32, entries);
    made.bias_values = view(l.bias_values, DType::kF32, entries);
  }
  if (wanted.num_masks > 0) {
    made.masks = view(l.masks, DType::kI32, {wanted.num_masks, num_mask_words()});
    made.mask_rows = view(l.mask_rows, DType::kI32, shape);
  }
  return made;
}

void Sampler::enqueue_copies(const Wanted& wanted, device::Stream& stream) const {
  auto* const device = static_cast<std::byte*>(memory_.data());
  const auto copy = [&](std::int64_t offset, std::int64_t num_words) {
    stream.copy_to_device(device + offset, host<std::byte>(offset),
                          static_cast<std::size_t>(num_words) * 4);
  };
  copy(0, layout_.bias_tokens / 4);
  copy(layout_.bias_tokens, wanted.num_biases);
  copy(layout_.bias_values, wanted.num_biases);
  copy(layout_.masks, wanted.num_masks * num_mask_words());
}

// The likeliest tokens of each row, and the scores of what was sampled or given.
void Sampler::enqueue_logprobs(const tensor::View& logits, device::Stream& stream) const {
  const footprint::SamplerArrays& l = layout_;
  const std::int64_t num_rows = logits.shape[0];
  const auto ints = [&](std::int64_t offset) { return view(offset, DType::kI32, {num_rows}); };
  // Sampled rows are scored at what they sampled.
  kernels::feed_tokens(
      {.sources = ints(l.target_sources), .last_tokens = ints(l.tokens), .ids = ints(l.targets)},
      stream);
  const Shape top{num_rows, kernels::kMaxTopLogprobs};
  kernels::top_logprobs({.logits = logits,
                         .num_valid_tokens = limits_.num_valid_tokens,
                         .targets = ints(l.targets),
                         .ids = view(l.top_ids, DType::kI32, top),
                         .logprobs = view(l.top_logprobs, DType::kF32, top),
                         .target_logprobs = view(l.target_logprobs, DType::kF32, {num_rows}),
                         .target_ranks = ints(l.ranks)},
                        stream);
}

void Sampler::enqueue(const tensor::View& logits, std::span<const LogitRow> rows,
                      std::span<const TokenId> end_tokens, device::Stream& stream) {
  if (rows.empty()) return;
  const footprint::SamplerArrays& l = layout_;
  const Wanted wanted = fill(rows, end_tokens);
  enqueue_copies(wanted, stream);
  const Shape shape{std::ssize(rows)};
  const auto ints = [&](std::int64_t offset) { return view(offset, DType::kI32, shape); };
  const auto floats = [&](std::int64_t offset) { return view(offset, DType::kF32, shape); };
  kernels::sample({.logits = logits,
                   .num_valid_tokens = limits_.num_valid_tokens,
                   .temperature = floats(l.temperature),
                   .top_k = ints(l.top_k),
                   .top_p = floats(l.top_p),
                   .min_p = floats(l.min_p),
                   .seeds = view(l.seeds, DType::kI64, shape),
                   .counters = view(l.counters, DType::kI64, shape),
                   .adjustments = adjustments(wanted, std::ssize(rows)),
                   .workspace = view(l.workspace, DType::kF32, {workspace_floats_}),
                   .tokens = ints(l.tokens),
                   .logprobs = floats(l.logprobs)},
                  stream);
  if (wanted.stores) {
    kernels::store_tokens({.slots = ints(l.store_slots),
                           .tokens = ints(l.tokens),
                           .last_tokens = view(l.last_tokens, DType::kI32, {limits_.max_slots})},
                          stream);
  }
  if (wanted.penalties) {
    kernels::count_tokens({.slots = ints(l.penalty_slots),
                           .tokens = ints(l.tokens),
                           .is_prompt = ints(l.is_prompt),
                           .token_counts = view(l.token_counts, DType::kI32,
                                                {limits_.max_slots, limits_.vocab_rows})},
                          stream);
  }
  if (wanted.logprobs) enqueue_logprobs(logits, stream);
  const std::int64_t results_end = wanted.logprobs ? l.mirrored_end : l.ranks;
  stream.copy_to_host(host<std::byte>(l.tokens),
                      static_cast<const std::byte*>(memory_.data()) + l.tokens,
                      static_cast<std::size_t>(results_end - l.tokens));
}

LogitResult Sampler::result(std::size_t index, const LogitRow& row) const {
  const Sequence& sequence = *row.sequence;
  LogitResult result;
  result.token = TokenId{host<std::int32_t>(layout_.tokens)[index]};
  result.logprobs.chosen = {result.token, host<float>(layout_.logprobs)[index]};
  if (!sequence.wants_logprobs()) return result;
  if (!row.is_sampled) {
    result.logprobs.chosen = {sequence.tokens[static_cast<std::size_t>(row.position)],
                              host<float>(layout_.target_logprobs)[index]};
  }
  result.logprobs.rank = host<std::int32_t>(layout_.ranks)[index];
  const auto asked =
      row.is_sampled ? sequence.request.top_logprobs : sequence.request.prompt_logprobs;
  const std::size_t first = index * kernels::kMaxTopLogprobs;
  for (std::size_t i = first; i < first + static_cast<std::size_t>(asked.value_or(0)); ++i) {
    const TokenId token{host<std::int32_t>(layout_.top_ids)[i]};
    if (base::index(token) < 0) break;
    result.logprobs.top.push_back({token, host<float>(layout_.top_logprobs)[i]});
  }
  return result;
}

}  // namespace fathom::engine
