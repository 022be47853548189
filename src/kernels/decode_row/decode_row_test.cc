// decode_row against the composed references: shapes, types, contexts, replays.
#include "kernels/decode_row/decode_row.h"

#include <deque>

#include "kernels/paged_kv_test_data.h"

namespace fathom::kernels {
namespace {

using tensor::DType;

struct RowShape {
  std::int64_t num_layers, hidden, num_heads, num_kv_heads, head_dim, intermediate, vocab_rows;
  bool has_bias;
};
constexpr RowShape kShapes[] = {
    {3, 256, 4, 4, 64, 768, 1000, false},   // MHA
    {2, 224, 14, 2, 16, 320, 320, true},    // 7 queries a KV head, bias
    {1, 512, 4, 2, 128, 1376, 133, false},  // fewer logits than a round over the GPU
    {5, 128, 8, 1, 32, 16, 64, true},       // fewer rows than multiprocessors
};
struct RowTypes {
  DType activation, weight, cache;
};
constexpr RowTypes kTypes[] = {{DType::kBF16, DType::kBF16, DType::kBF16},
                               {DType::kBF16, DType::kF8E4M3, DType::kF8E4M3},
                               {DType::kBF16, DType::kBF16, DType::kF8E4M3},
                               {DType::kF16, DType::kF16, DType::kF16},
                               {DType::kF16, DType::kF8E4M3, DType::kF16}};

// A random model in host memory. A second instance of the same arrays lies on the device.
struct RowModel {
  DecodeRowModel host;
  DecodeRowModel device;
  std::deque<Array> arrays;
};

class DecodeRowTest : public PagedKvTest {
 protected:
  static constexpr std::int64_t kMaxContext = 720;

  // Keeps an array, and adds it to both models.
  struct Placed {
    tensor::MutableView host, device;
  };
  Placed place(RowModel& model, OnDevice& on, Array array) {
    model.arrays.push_back(std::move(array));
    return {model.arrays.back(), on(model.arrays.back())};
  }

  void add_matrix(RowModel& model, OnDevice& on, const RowTypes& types, tensor::Shape shape,
                  bool has_bias, LinearWeight& host, LinearWeight& device) {
    const float size = 1.0F / std::sqrt(static_cast<float>(shape[1]));
    const bool is_f8 = types.weight == DType::kF8E4M3;
    const Placed weight = place(model, on, normal(types.weight, shape, is_f8 ? 30.0F : size));
    host.num_blocks = device.num_blocks = 1;
    host.blocks[0].weight = weight.host;
    device.blocks[0].weight = weight.device;
    if (is_f8) {
      Array scales(DType::kF32, {shape[0]});
      for (std::int64_t i = 0; i < shape[0]; ++i) {
        set(scales, i, size * static_cast<float>(between(20, 40)) * 1e-3F);
      }
      const Placed placed = place(model, on, std::move(scales));
      host.blocks[0].scales = placed.host;
      device.blocks[0].scales = placed.device;
    }
    if (has_bias) {
      const Placed bias = place(model, on, normal(types.activation, {shape[0]}));
      host.blocks[0].bias = bias.host;
      device.blocks[0].bias = bias.device;
    }
  }

  void add_vector(RowModel& model, OnDevice& on, DType type, std::int64_t size, tensor::View& host,
                  tensor::View& device) {
    const Placed placed = place(model, on, normal(type, {size}));
    host = placed.host;
    device = placed.device;
  }

  void add_layer(RowModel& model, OnDevice& on, const RowShape& s, const RowTypes& types) {
    DecodeRowLayer host;
    DecodeRowLayer device;
    add_vector(model, on, types.activation, s.hidden, host.attention_norm, device.attention_norm);
    add_vector(model, on, types.activation, s.hidden, host.mlp_norm, device.mlp_norm);
    add_matrix(model, on, types, {(s.num_heads + 2 * s.num_kv_heads) * s.head_dim, s.hidden},
               s.has_bias, host.qkv, device.qkv);
    add_matrix(model, on, types, {s.hidden, s.num_heads * s.head_dim}, false, host.attention_output,
               device.attention_output);
    add_matrix(model, on, types, {2 * s.intermediate, s.hidden}, false, host.gate_up,
               device.gate_up);
    add_matrix(model, on, types, {s.hidden, s.intermediate}, false, host.down, device.down);
    const tensor::Shape half{max_blocks_, s.num_kv_heads, block_tokens_, s.head_dim};
    const Placed keys = place(model, on, normal(types.cache, half));
    const Placed values = place(model, on, normal(types.cache, half));
    host.kv = {keys.host, values.host, {}, {}};
    device.kv = {keys.device, values.device, {}, {}};
    model.host.layers.push_back(host);
    model.device.layers.push_back(device);
  }

  RowModel random_model(OnDevice& on, const RowShape& s, const RowTypes& types) {
    make_sequences(1, kMaxContext);
    RowModel model;
    model.host.num_heads = s.num_heads;
    model.host.scale = 1.0F / std::sqrt(static_cast<float>(s.head_dim));
    model.device = model.host;
    for (std::int64_t i = 0; i < s.num_layers; ++i) add_layer(model, on, s, types);
    const Placed embedding = place(model, on, normal(types.activation, {s.vocab_rows, s.hidden}));
    model.host.embedding = embedding.host;
    model.device.embedding = embedding.device;
    add_vector(model, on, types.activation, s.hidden, model.host.final_norm,
               model.device.final_norm);
    add_matrix(model, on, types, {s.vocab_rows, s.hidden}, false, model.host.head,
               model.device.head);
    Array cos_sin(DType::kF32, {kMaxContext, 2, s.head_dim / 2});
    for (std::int64_t i = 0; i < cos_sin.size(); ++i) {
      const std::int64_t position = i / s.head_dim;
      const auto angle = static_cast<float>(position * (1 + i % (s.head_dim / 2)));
      set(cos_sin, i, i % s.head_dim < s.head_dim / 2 ? std::cos(angle) : std::sin(angle));
    }
    const Placed placed = place(model, on, std::move(cos_sin));
    model.host.cos_sin = placed.host;
    model.device.cos_sin = placed.device;
    return model;
  }

  // One step's arrays.
  struct Step {
    Step(Batch of, std::int32_t id, const RowShape& s, DType type)
        : batch(std::move(of)),
          ids(ints({id})),
          logits(DType::kF32, {1, s.vocab_rows}),
          hidden_state(type, {1, s.hidden}) {}
    Batch batch;
    Array ids, logits, hidden_state;
    DecodeRowArgs host() const { return {ids, batch.ragged(), logits, hidden_state}; }
    DecodeRowArgs on_device(OnDevice& on) const {
      return {on(ids),
              {on(batch.positions), on(batch.slots), on(batch.starts), on(batch.lens),
               on(batch.tables)},
              on(logits),
              on(hidden_state)};
    }
  };
  Step random_step(const RowShape& s, DType type, std::int64_t context) {
    return {batch_of({{0, context - 1, 1}}),
            static_cast<std::int32_t>(between(0, s.vocab_rows - 1)), s, type};
  }

  // A rounding that falls the other way moves a vector by a part of an ulp, and all behind it.
  static void expect_close(const Array& a, const Array& b, DType type) {
    double error = 0;
    double size = 0;
    for (std::int64_t i = 0; i < b.size(); ++i) {
      error += std::pow(a[i] - b[i], 2);
      size += std::pow(b[i], 2);
    }
    EXPECT_LE(std::sqrt(error / size), type == DType::kBF16 ? 0x1.8p-7 : 0x1.0p-10);
  }
};

TEST_F(DecodeRowTest, MatchesTheReference) {
  for_the_gpu([&](device::Stream& stream) {
    for (const RowTypes& types : kTypes) {
      for (const RowShape& s : kShapes) {
        OnDevice on(stream);
        const RowModel model = random_model(on, s, types);
        if (!supports_decode_row(model.device, stream)) GTEST_SKIP() << "not before sm_90";
        auto plan = DecodeRowPlan::create(model.device, stream);
        ASSERT_TRUE(plan) << plan.error().text();
        std::deque<Step> steps;
        for (const std::int64_t context : {std::int64_t{1}, between(2, 40), between(41, 700)}) {
          steps.push_back(random_step(s, types.activation, context));
          decode_row(*plan, steps.back().on_device(on), stream);
        }
        const tensor::MutableView keys = model.host.layers.back().kv.keys;
        Array expected_keys(keys.dtype, keys.shape);
        std::memcpy(expected_keys.view().data, keys.data, keys.num_bytes());
        std::deque<Step> expected;
        DecodeRowModel reference = model.host;
        reference.layers.back().kv.keys = expected_keys;
        for (const Step& step : steps) {
          expected.push_back(step);
          decode_row_reference(reference, expected.back().host());
        }
        on.finish();
        for (std::size_t i = 0; i < steps.size(); ++i) {
          SCOPED_TRACE(testing::Message()
                       << tensor::name(types.weight) << ", hidden " << s.hidden << ", context "
                       << steps[i].batch.lens.view().as<std::int32_t>()[0]);
          expect_close(steps[i].hidden_state, expected[i].hidden_state, types.activation);
          expect_close(steps[i].logits, expected[i].logits, types.activation);
        }
        for (const Array& array : model.arrays) {
          if (array.view().data == keys.data) {
            expect_close(array, expected_keys,
                         types.cache == DType::kF8E4M3 ? DType::kBF16 : types.activation);
          }
        }
      }
    }
  });
}

TEST_F(DecodeRowTest, GivesTheSameBitsAgainAndAgain) {
  for_the_gpu([&](device::Stream& stream) {
    const RowShape& s = kShapes[0];
    OnDevice on(stream);
    const RowModel model = random_model(on, s, kTypes[0]);
    if (!supports_decode_row(model.device, stream)) GTEST_SKIP() << "not before sm_90";
    auto plan = DecodeRowPlan::create(model.device, stream);
    ASSERT_TRUE(plan) << plan.error().text();
    const Step step = random_step(s, DType::kBF16, 333);
    const DecodeRowArgs args = step.on_device(on);
    decode_row(*plan, args, stream);
    on.finish();
    const Array logits = step.logits;
    const Array hidden_state = step.hidden_state;
    for (int i = 0; i < 300; ++i) {
      stream.run_recorded(1, [&] { decode_row(*plan, args, stream); });
    }
    on.finish();
    expect_equal_bits(step.logits, logits);
    expect_equal_bits(step.hidden_state, hidden_state);
  });
}

// The recording of a step serves all that follow it.
TEST_F(DecodeRowTest, ReplaysWithGrowingContexts) {
  for_the_gpu([&](device::Stream& stream) {
    const RowShape& s = kShapes[1];
    OnDevice on(stream);
    const RowModel model = random_model(on, s, kTypes[0]);
    if (!supports_decode_row(model.device, stream)) GTEST_SKIP() << "not before sm_90";
    auto plan = DecodeRowPlan::create(model.device, stream);
    ASSERT_TRUE(plan) << plan.error().text();
    const Step recorded = random_step(s, DType::kBF16, 1);
    const DecodeRowArgs args = recorded.on_device(on);
    const auto put = [&](const tensor::View& to, const Array& from) {
      stream.copy_to_device(const_cast<void*>(to.data), from.view().data, from.view().num_bytes());
    };
    for (std::int64_t context = 1; context <= 40; context += 3) {
      const Step step = random_step(s, DType::kBF16, context);
      put(args.ids, step.ids);
      put(args.batch.positions, step.batch.positions);
      put(args.batch.slots, step.batch.slots);
      put(args.batch.context_lens, step.batch.lens);
      stream.run_recorded(1, [&] { decode_row(*plan, args, stream); });
      stream.copy_to_host(recorded.logits.view().data, args.logits.data, args.logits.num_bytes());
      ASSERT_TRUE(stream.synchronize());
      decode_row_reference(model.host, step.host());
      expect_close(recorded.logits, step.logits, DType::kBF16);
    }
    on.finish();
  });
}

TEST_F(DecodeRowTest, SaysWhatItDoesNotSupport) {
  for_each_variant([&](device::Stream& stream) {
    OnDevice on(stream);
    EXPECT_FALSE(supports_decode_row(random_model(on, kShapes[0], kTypes[0]).device, stream));
  });
  for_the_gpu([&](device::Stream& stream) {
    OnDevice on(stream);
    const RowModel made = random_model(on, kShapes[0], kTypes[0]);
    const DecodeRowModel& model = made.device;
    if (!supports_decode_row(model, stream)) GTEST_SKIP() << "not before sm_90";
    DecodeRowModel other = model;
    other.layers[1].qkv.num_blocks = 3;
    EXPECT_FALSE(supports_decode_row(other, stream));
    other = model;
    other.layers[2].down.blocks[0].bias = model.layers[2].mlp_norm;
    EXPECT_FALSE(supports_decode_row(other, stream));
    other = model;
    other.layers[0].kv.keys.dtype = DType::kI8;
    EXPECT_FALSE(supports_decode_row(other, stream));
    other = model;
    other.embedding.dtype = DType::kF32;
    EXPECT_FALSE(supports_decode_row(other, stream));
    on.finish();
  });
}

}  // namespace
}  // namespace fathom::kernels
