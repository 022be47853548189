// Sampling from whole vocabularies: every shape of logits with every kind of filter, in one batch.
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "kernels/sample/sample_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Shape {
  const char* name;
  std::function<float(std::int64_t column)> logit;
  // Logits differ, but weights in f32 do not: the CPU's top-p tells them apart by id alone.
  bool has_equal_weights = false;
};

struct Filter {
  float temperature;
  std::int32_t top_k;
  float top_p, min_p;
};

class WideSampleTest : public SampleTest {
 protected:
  // The best instruction set and the GPU: one reference of these rows takes long enough.
  template <typename F>
  static void for_each_wide_device(F&& test) {
    device::CpuDevice cpu(device::usable_isas().back(), 2);
    auto stream = cpu.create_stream();
    {
      const ::testing::ScopedTrace trace(__FILE__, __LINE__, cpu.name());
      test(**stream);
    }
    if (gpu() == nullptr) return;
    auto gpu_stream = gpu()->create_stream();
    ASSERT_TRUE(gpu_stream) << gpu_stream.error().text();
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, gpu()->name());
    test(**gpu_stream);
  }

  float normal_logit(float scale) { return std::normal_distribution<float>(0.0F, scale)(random_); }

  std::vector<Shape> shapes(std::int64_t vocab) {
    const std::int64_t chosen = between(0, vocab - 1);
    return {
        {"equal", [](std::int64_t) { return 1.5F; }},
        {"spike", [=](std::int64_t i) { return i == chosen ? 50.0F : 0.0F; }},
        {"flat", [this](std::int64_t) { return normal_logit(0.01F); }},
        {"normal", [this](std::int64_t) { return normal_logit(3.0F); }},
        {"peaked",
         [this](std::int64_t) {
           const float value = normal_logit(1.3F);
           return value * std::abs(value) * 2.0F;
         }},
        {"ties", [this](std::int64_t) { return std::round(normal_logit(3.0F)); }},
        {"zeros of both signs", [](std::int64_t i) { return i % 2 == 0 ? 0.0F : -0.0F; }},
        {"denormal", [](std::int64_t i) { return static_cast<float>(i % 97) * 1.4e-45F; }, true},
        {"extreme", [](std::int64_t i) { return i % 3 == 0 ? 3e38F : -3e38F; }},
        {"one left", [=](std::int64_t i) { return i == chosen ? -7.0F : -kInfinity; }},
        {"few left", [=](std::int64_t i) { return i % 9001 == 5 ? 0.5F : -kInfinity; }},
    };
  }

  static std::vector<Filter> filters(std::int64_t vocab) {
    const auto above = static_cast<std::int32_t>(vocab + 5);
    return {{0.0F, 0, 1.0F, 0.0F},    {1.0F, 0, 1.0F, 0.0F},      {1e6F, 0, 1.0F, 0.0F},
            {1e-3F, 0, 1.0F, 0.0F},   {1.0F, 1, 1.0F, 0.0F},      {1.0F, 50, 1.0F, 0.0F},
            {1e6F, 5000, 1.0F, 0.0F}, {0.7F, above, 0.9F, 0.0F},  {1.0F, 0, 1e-6F, 0.0F},
            {1.0F, 0, 0.95F, 0.0F},   {1e6F, 0, 0.95F, 0.0F},     {1.0F, 0, 0.9999999F, 0.0F},
            {1.0F, 0, 1.0F, 0.05F},   {1.0F, 0, 1.0F, 1.0F},      {1.0F, 0, 0.95F, 0.01F},
            {0.7F, 200, 0.9F, 0.0F},  {1.0F, 5000, 0.5F, 0.001F}, {1e30F, 70'000, 0.5F, 0.0F},
            {1e-30F, 3, 0.5F, 0.5F},  {2.0F, 0, 0.3F, 1e-9F}};
  }

  void set_seeds(Parameters& parameters) {
    for (std::int64_t i = 0; i < parameters.seeds.size(); ++i) {
      parameters.seeds.view().as<std::int64_t>()[i] = static_cast<std::int64_t>(random_());
    }
  }
};

TEST_F(WideSampleTest, EveryShapeWithEveryFilter) {
  // Aligned rows with padding, and rows that start anywhere.
  for (const std::int64_t vocab : {102'400, 20'003}) {
    const std::int64_t valid = vocab == 102'400 ? 102'400 - 7 : vocab - 1;
    for (const Shape& shape : shapes(valid)) {
      const ::testing::ScopedTrace trace(__FILE__, __LINE__, shape.name);
      const std::vector<Filter> asked = filters(vocab);
      const std::int64_t rows = std::ssize(asked);
      Array logits(DType::kF32, {rows, vocab});
      // The same logits in every row: the filters differ.
      auto* values = logits.view().as<float>();
      for (std::int64_t i = 0; i < vocab; ++i) values[i] = i < valid ? shape.logit(i) : 1e9F;
      for (std::int64_t row = 1; row < rows; ++row) {
        std::copy_n(values, vocab, values + row * vocab);
      }
      Parameters parameters(rows);
      for (std::int64_t row = 0; row < rows; ++row) {
        const Filter& each = asked[static_cast<std::size_t>(row)];
        parameters.set_row(row, each.temperature, each.top_k, each.top_p, each.min_p);
      }
      set_seeds(parameters);
      const Parameters reference = parameters;
      for_each_wide_device([&](device::Stream& stream) {
        run(parameters, logits, valid, nullptr, stream);
        const bool is_cpu = stream.device().kind() == device::DeviceKind::kCpu;
        expect_drawn(reference.args(in_place, logits, logits, valid), parameters.tokens,
                     parameters.logprobs, [&](std::int64_t row) {
                       const Filter& each = asked[static_cast<std::size_t>(row)];
                       const bool are_equal = shape.has_equal_weights || each.temperature >= 1e6F;
                       return !is_cpu || !are_equal || each.top_p >= 1.0F;
                     });
      });
    }
  }
}

TEST_F(WideSampleTest, AdjustsWholeVocabularies) {
  constexpr std::int64_t kRows = 12;
  constexpr std::int64_t kVocab = 152'064;
  const Array logits = normal(DType::kF32, {kRows, kVocab}, 3.0F);
  Parameters parameters(kRows);
  Adjustments asked(kRows, 2, kVocab);
  for (std::int64_t i = 0; i < 3000; ++i) {
    asked.counts.view().as<std::int32_t>()[between(0, 2 * kVocab - 1)] =
        static_cast<std::int32_t>(between(1, 9)) | (i % 3 == 0 ? kInPrompt : 0);
  }
  // Of the first mask one token is left, of the second half.
  auto* masks = asked.masks.view().as<std::int32_t>();
  const std::int64_t words = asked.masks.view().shape[1];
  masks[between(0, words - 100)] = 1 << between(0, 30);
  for (std::int64_t i = words; i < 2 * words; ++i) masks[i] = static_cast<std::int32_t>(random_());
  const std::vector<Filter> filters{{0.0F, 0, 1.0F, 0.0F},
                                    {1.0F, 0, 1.0F, 0.0F},
                                    {0.8F, 40, 0.95F, 0.0F},
                                    {2.0F, 0, 0.95F, 0.0F}};
  for (std::int64_t row = 0; row < kRows; ++row) {
    const Filter& each = filters[static_cast<std::size_t>(row % 4)];
    parameters.set_row(row, each.temperature, each.top_k, each.top_p, each.min_p);
    set(asked.repetition, row, 1.3F);
    set(asked.presence, row, 0.4F);
    set(asked.frequency, row, 0.2F);
    asked.slots.view().as<std::int32_t>()[row] = static_cast<std::int32_t>(row % 3) - 1;
    asked.mask_rows.view().as<std::int32_t>()[row] = static_cast<std::int32_t>(row / 4) - 1;
    // Crowded into a few places, many tokens twice or more; bans of the likeliest.
    for (std::int64_t i = between(0, 1) * 300; i > 0; --i) {
      asked.add_bias(1000 * (row + 1) + between(0, 150), static_cast<float>(between(-30, 30)) / 3);
    }
    for (std::int64_t i = 0; i < kVocab; ++i) {
      if (logits[row * kVocab + i] > 11.5F) asked.add_bias(i, -kInfinity);
    }
    asked.end_row();
  }
  set_seeds(parameters);
  const Parameters reference = parameters;
  for_each_wide_device([&](device::Stream& stream) {
    run(parameters, logits, kVocab - 400, &asked, stream);
    SampleArgs args = reference.args(in_place, logits, logits, kVocab - 400);
    args.adjustments = asked.adjustments(in_place);
    expect_drawn(args, parameters.tokens, parameters.logprobs);
  });
}

TEST_F(WideSampleTest, ARowDoesNotDependOnTheBatch) {
  constexpr std::int64_t kVocab = 102'400;
  const std::vector<Filter> asked = filters(kVocab);
  const std::int64_t rows = std::ssize(asked);
  const Array logits = normal(DType::kF32, {rows, kVocab}, 3.0F);
  Parameters parameters(rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    const Filter& each = asked[static_cast<std::size_t>(row)];
    parameters.set_row(row, each.temperature, each.top_k, each.top_p, each.min_p);
  }
  for_each_wide_device([&](device::Stream& stream) {
    run(parameters, logits, kVocab, nullptr, stream);
    const Array tokens = parameters.tokens;
    const Array logprobs = parameters.logprobs;
    run(parameters, logits, kVocab, nullptr, stream);
    expect_equal_bits(parameters.tokens, tokens);
    expect_equal_bits(parameters.logprobs, logprobs);
    for (std::int64_t row = 0; row < rows; ++row) {
      const Filter& each = asked[static_cast<std::size_t>(row)];
      Parameters alone(1);
      alone.set_row(0, each.temperature, each.top_k, each.top_p, each.min_p);
      alone.counters.view().as<std::int64_t>()[0] = row;
      Array own(DType::kF32, {1, kVocab});
      std::copy_n(logits.view().as<float>() + row * kVocab, kVocab, own.view().as<float>());
      run(alone, own, kVocab, nullptr, stream);
      EXPECT_EQ(alone.token(0), tokens.view().as<std::int32_t>()[row]) << "row " << row;
      EXPECT_EQ(alone.logprobs[0], logprobs[row]) << "row " << row;
    }
  });
}

TEST_F(WideSampleTest, AnInfiniteLogitIsTakenAtAnyTemperature) {
  constexpr std::int64_t kVocab = 5000;
  Array logits = normal(DType::kF32, {4, kVocab}, 3.0F);
  Parameters parameters(4);
  for (std::int64_t row = 0; row < 4; ++row) {
    parameters.set_row(row, 0.5F * static_cast<float>(row), row == 2 ? 20 : 0,
                       row == 3 ? 0.5F : 1.0F, 0.0F);
    set(logits, row * kVocab + 4321, kInfinity);
    set(logits, row * kVocab + 1234, kInfinity);
  }
  for_each_device([&](device::Stream& stream) {
    run(parameters, logits, kVocab, nullptr, stream);
    for (std::int64_t row = 0; row < 4; ++row) {
      EXPECT_EQ(parameters.token(row), 1234);
      EXPECT_EQ(parameters.logprobs[row], -kInfinity);
    }
  });
}

TEST_F(WideSampleTest, FiltersLeaveTheirDistribution) {
  // Chi-square over what top-k, top-p and min-p leave of 40 tokens, each in its own batch.
  constexpr std::int64_t kRows = 20'000;
  constexpr std::int64_t kVocab = 40;
  Array logits(DType::kF32, {kRows, kVocab});
  for (std::int64_t i = 0; i < logits.size(); ++i) {
    set(logits, i, 0.1F * static_cast<float>(i % kVocab * 7 % kVocab));
  }
  for (const Filter& filter : {Filter{1.3F, 6, 1.0F, 0.0F}, Filter{0.9F, 0, 0.6F, 0.0F},
                               Filter{1.0F, 0, 1.0F, 0.4F}, Filter{1.0F, 12, 0.8F, 0.3F}}) {
    Parameters parameters(kRows);
    for (std::int64_t row = 0; row < kRows; ++row) {
      parameters.set_row(row, filter.temperature, filter.top_k, filter.top_p, filter.min_p);
    }
    set_seeds(parameters);
    const std::vector<SampleEntry> left =
        sample_survivors(parameters.args(in_place, logits, logits, kVocab), 0);
    ASSERT_GT(left.size(), 2U);
    double total = 0;
    for (const SampleEntry& entry : left) total += entry.mass;
    for_each_wide_device([&](device::Stream& stream) {
      run(parameters, logits, kVocab, nullptr, stream);
      std::vector<double> counts(kVocab);
      for (std::int64_t i = 0; i < kRows; ++i) {
        ++counts[static_cast<std::size_t>(parameters.token(i))];
      }
      double chi_square = 0;
      for (const SampleEntry& entry : left) {
        const double expected = static_cast<double>(kRows) * entry.mass / total;
        double& count = counts[static_cast<std::size_t>(entry.token)];
        chi_square += (count - expected) * (count - expected) / expected;
        count = 0;
      }
      // Nothing else was drawn; with at most 20 degrees of freedom once in a million runs above 70.
      for (const double count : counts) EXPECT_EQ(count, 0.0);
      EXPECT_LT(chi_square, 70.0);
    });
  }
}

}  // namespace
}  // namespace fathom::kernels
