// Rows to sample from, and a judge of what was drawn, for the tests of sample.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "kernels/kernel_test_data.h"
#include "kernels/sample/philox.h"
#include "kernels/sample/sample.h"
#include "kernels/sample/sample_reference.h"
#include "kernels/token_logprobs/log_softmax.h"

namespace fathom::kernels {

// Arrays for the reference: where they are.
inline tensor::MutableView in_place(const Array& array) { return array; }

// Parameters of each row, as arrays.
struct Parameters {
  explicit Parameters(std::int64_t rows)
      : temperature(tensor::DType::kF32, {rows}),
        top_k(tensor::DType::kI32, {rows}),
        top_p(tensor::DType::kF32, {rows}),
        min_p(tensor::DType::kF32, {rows}),
        seeds(tensor::DType::kI64, {rows}),
        counters(tensor::DType::kI64, {rows}),
        tokens(tensor::DType::kI32, {rows}),
        logprobs(tensor::DType::kF32, {rows}) {
    for (std::int64_t i = 0; i < rows; ++i) set_row(i, 1.0F, 0, 1.0F, 0.0F);
  }
  void set_row(std::int64_t row, float temperature_value, std::int32_t k, float p, float min) {
    set(temperature, row, temperature_value);
    top_k.view().as<std::int32_t>()[row] = k;
    set(top_p, row, p);
    set(min_p, row, min);
    seeds.view().as<std::int64_t>()[row] = 7;
    counters.view().as<std::int64_t>()[row] = row;
  }
  std::int32_t token(std::int64_t row) const { return tokens.view().as<std::int32_t>()[row]; }

  // `place` gives the array on the device: itself for the reference, an OnDevice for others.
  template <typename Place>
  SampleArgs args(Place&& place, const Array& logits, const Array& workspace,
                  std::int64_t valid) const {
    return {.logits = place(logits),
            .num_valid_tokens = valid,
            .temperature = place(temperature),
            .top_k = place(top_k),
            .top_p = place(top_p),
            .min_p = place(min_p),
            .seeds = place(seeds),
            .counters = place(counters),
            .adjustments = {},
            .workspace = place(workspace),
            .tokens = place(tokens),
            .logprobs = place(logprobs)};
  }
  Array temperature, top_k, top_p, min_p, seeds, counters, tokens, logprobs;
};

// Adjustments of each row, as arrays: none until set.
struct Adjustments {
  Adjustments(std::int64_t rows, std::int64_t slots, std::int64_t vocab)
      : slots(tensor::DType::kI32, {rows}),
        counts(tensor::DType::kI32, {slots, vocab}),
        repetition(tensor::DType::kF32, {rows}),
        presence(tensor::DType::kF32, {rows}),
        frequency(tensor::DType::kF32, {rows}),
        masks(tensor::DType::kI32, {slots, (vocab + 31) / 32}),
        mask_rows(tensor::DType::kI32, {rows}) {
    std::fill_n(this->slots.view().as<std::int32_t>(), rows, -1);
    std::fill_n(mask_rows.view().as<std::int32_t>(), rows, -1);
  }
  void add_bias(std::int64_t token, float value) {
    tokens.push_back(static_cast<std::int32_t>(token));
    values.push_back(value);
  }
  void end_row() { starts.push_back(static_cast<std::int32_t>(tokens.size())); }
  // Biases are complete: every row has ended.
  template <typename Place>
  LogitAdjustments adjustments(Place&& place) {
    starts_array = ints(starts);
    tokens_array = ints(tokens);
    values_array = Array(tensor::DType::kF32, {std::ssize(values)});
    values_array.set_all(values);
    return {.slots = place(slots),
            .token_counts = place(counts),
            .repetition_penalty = place(repetition),
            .presence_penalty = place(presence),
            .frequency_penalty = place(frequency),
            .bias_starts = place(starts_array),
            .bias_tokens = place(tokens_array),
            .bias_values = place(values_array),
            .masks = place(masks),
            .mask_rows = place(mask_rows)};
  }
  Array slots, counts, repetition, presence, frequency, masks, mask_rows;
  std::vector<std::int32_t> starts{0}, tokens;
  std::vector<float> values;
  Array starts_array = ints({}), tokens_array = ints({}), values_array = ints({});
};

class SampleTest : public KernelTest {
 protected:
  static Array workspace(const device::Stream& stream, std::int64_t rows, std::int64_t vocab) {
    return Array(tensor::DType::kF32, {sample_workspace_floats(rows, vocab, stream.device())});
  }

  // Samples on the stream's device into the parameters' tokens and logprobs.
  static void run(const Parameters& parameters, const Array& logits, std::int64_t valid,
                  Adjustments* adjustments, device::Stream& stream) {
    const tensor::Shape& shape = logits.view().shape;
    const Array scratch = workspace(stream, shape[0], shape[1]);
    OnDevice on(stream);
    SampleArgs args = parameters.args(on, logits, scratch, valid);
    if (adjustments != nullptr) args.adjustments = adjustments->adjustments(on);
    sample(args, stream);
    on.finish();
  }

  // Whether rounding explains that a row drew its token: some filters a hair wider or narrower
  // leave it, and the row's random number is in its share or a hair beside.
  static bool is_near_draw(const SampleArgs& args, std::int64_t row, std::int32_t token) {
    constexpr double kHair = 2e-5;
    const double uniform =
        philox_uniform(args.seeds.as<std::int64_t>()[row], args.counters.as<std::int64_t>()[row]);
    for (const double wider_p : {1.0, 1.0 - kHair, 1.0 + kHair}) {
      for (const double wider_min : {1.0, 1.0 - kHair, 1.0 + kHair}) {
        double total = 0;
        double before = 0;
        double mass = 0;
        for (const SampleEntry& entry :
             sample_survivors(args, row, {.top_p = wider_p, .min_p = wider_min})) {
          if (entry.token < token) before += entry.mass;
          if (entry.token == token) mass = entry.mass;
          total += entry.mass;
        }
        if (mass > 0 && uniform >= before / total - kHair &&
            uniform <= (before + mass) / total + kHair) {
          return true;
        }
      }
    }
    return false;
  }

  // What a device drew into `drawn`, in the rows that are judged, is what the reference draws, or
  // rounding decided; logprobs are those of the tokens.
  static void expect_drawn(
      const SampleArgs& reference, const Array& drawn, const Array& logprobs,
      const std::function<bool(std::int64_t row)>& is_judged = [](std::int64_t) { return true; }) {
    sample_reference(reference);
    for (std::int64_t row = 0; row < drawn.size(); ++row) {
      if (!is_judged(row)) continue;
      const std::int32_t token = drawn.view().as<std::int32_t>()[row];
      const std::int32_t expected = reference.tokens.as<std::int32_t>()[row];
      if (token != expected) {
        EXPECT_TRUE(token >= 0 && is_near_draw(reference, row, token))
            << "row " << row << " drew " << token << ", the reference " << expected;
      }
      const float* logits = reference.logits.as<float>() + row * reference.logits.shape[1];
      const float logprob = log_softmax_at(logits, reference.num_valid_tokens, token);
      if (std::isinf(logprob)) {
        EXPECT_EQ(logprobs[row], logprob) << "row " << row;
      } else {
        EXPECT_NEAR(logprobs[row], logprob, 1e-5 + 1e-6 * std::abs(logprob)) << "row " << row;
      }
    }
  }
};

}  // namespace fathom::kernels
