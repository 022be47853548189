// What serving costs outside the engine: a request's way to the generator, and each delta's back.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <memory>
#include <string>

#include "serve/openai/service.h"
#include "serve/openai/testing/fake_exchange.h"
#include "serve/openai/testing/fake_generator.h"

namespace fathom::serve {
namespace {

constexpr int kDeltas = 1000;

ServedModel demo_model() {
  const auto folder = std::filesystem::path(FATHOM_SOURCE_DIR) / "tests/data/models/mini-llama";
  return {"demo", *tokenizer::Tokenizer::load(folder), *tokenizer::load_chat_template(folder)};
}

FakeGenerator::Deltas deltas(int count, int num_logprobs) {
  FakeGenerator::Deltas deltas;
  for (int i = 0; i < count; ++i) {
    engine::GenerationDelta delta{.text = " word", .tokens = {base::TokenId{39}}};
    if (num_logprobs > 0) {
      engine::TokenLogprobs logprobs{{base::TokenId{39}, -1.0F}, 1, {}};
      for (int j = 0; j < num_logprobs; ++j) logprobs.top.push_back({base::TokenId{40 + j}, -2.0F});
      delta.logprobs.push_back(std::move(logprobs));
    }
    deltas.push_back(std::move(delta));
  }
  deltas.push_back({.finish = engine::FinishReason::kStop});
  return deltas;
}

void answer_chat(benchmark::State& state, const std::string& fields, int count, int num_logprobs) {
  FakeGenerator generator;
  generator.deltas = deltas(count, num_logprobs);
  Service service(demo_model(), generator);
  const std::string body =
      R"({"model":"demo","messages":[{"role":"user","content":"What is GPTQ?"}])" + fields + "}";
  for (auto _ : state) {
    const auto exchange = std::make_shared<FakeExchange>("POST", "/v1/chat/completions", body);
    service.handle(exchange);
    if (!exchange->wait()) state.SkipWithError("no answer");
  }
  state.SetItemsProcessed(state.iterations() * count);
}

BENCHMARK_CAPTURE(answer_chat, one_token, "", 1, 0)->UseRealTime();
BENCHMARK_CAPTURE(answer_chat, stream, R"(,"stream":true)", kDeltas, 0)->UseRealTime();
BENCHMARK_CAPTURE(answer_chat, stream_tools,
                  R"(,"stream":true,"tools":[{"type":"function","function":{"name":"f"}}])",
                  kDeltas, 0)
    ->UseRealTime();
BENCHMARK_CAPTURE(answer_chat, stream_logprobs,
                  R"(,"stream":true,"logprobs":true,"top_logprobs":20)", kDeltas, 20)
    ->UseRealTime();

}  // namespace
}  // namespace fathom::serve
