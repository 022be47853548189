// Completions: prompts of every kind, echo, infill, legacy log-probabilities, streams.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "serve/openai/testing/events_test_data.h"
#include "serve/openai/testing/service_test_data.h"

namespace fathom::serve {
namespace {

namespace json = boost::json;
using engine::FinishReason;

std::filesystem::path shared_tokenizer(const std::string& name) {
  return std::filesystem::path(FATHOM_SOURCE_DIR) / "../shared/tokenizers" / name;
}

TEST_F(ServiceTest, Completes) {
  auto exchange = complete(R"(, "max_tokens": 5)");
  const json::value answer = json::parse(exchange->body);
  EXPECT_EQ(answer.at("object").as_string(), "text_completion");
  EXPECT_EQ(answer.at("choices").at(0).at("text").as_string(), "Hi there!");
  EXPECT_EQ(answer.at("usage").at("context").at("reserved").as_int64(),
            std::ssize(generator_.last().prompt) + 5);
  EXPECT_EQ(generator_.last().stop.max_tokens, 5);
  complete("");
  EXPECT_EQ(generator_.last().stop.max_tokens, 16);
}

TEST_F(ServiceTest, TakesPromptsOfEveryKind) {
  const std::pair<const char*, std::size_t> cases[] = {
      {R"("Once")", 1}, {"[1, 2, 3]", 1}, {R"(["a", "b"])", 2}, {"[[1], [2, 3]]", 2}};
  for (const auto& [prompt, count] : cases) {
    const std::size_t before = generator_.requests().size();
    const auto exchange = post(
        "/v1/completions", std::string(R"({"model": "demo", "n": 2, "prompt": )") + prompt + "}");
    ASSERT_EQ(exchange->status, 200) << exchange->body;
    EXPECT_EQ(json::parse(exchange->body).at("choices").as_array().size(), count * 2);
    EXPECT_EQ(generator_.requests().size() - before, count * 2);
  }
  EXPECT_EQ(generator_.last().prompt, (std::vector{base::TokenId{2}, base::TokenId{3}}));
  EXPECT_EQ(post("/v1/completions", R"({"model":"demo","prompt":[4096]})")->status, 400);
}

TEST_F(ServiceTest, StreamsACompletion) {
  const auto events = events_of(complete(R"(, "stream": true)")->body);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].at("choices").at(0).at("text").as_string(), "Hi");
  EXPECT_TRUE(events[0].at("choices").at(0).at("finish_reason").is_null());
  EXPECT_EQ(events[1].at("choices").at(0).at("text").as_string(), " there!");
  EXPECT_EQ(events[1].at("choices").at(0).at("finish_reason").as_string(), "stop");
}

TEST_F(ServiceTest, EchoesWithLogprobs) {
  const base::TokenId h{39};
  generator_.script = [&](const engine::GenerationRequest& request) {
    FakeGenerator::Deltas deltas = {{.text = "é",
                                     .tokens = {h},
                                     .logprobs = {{{h, -1.0F}, 1, {{h, -1.0F}}}},
                                     .finish = FinishReason::kLength,
                                     .completion_tokens = 1}};
    for (std::size_t i = 1; i < request.prompt.size(); ++i) {
      deltas[0].prompt_logprobs.push_back({{request.prompt[i], -2.0F}, 1, {}});
    }
    return deltas;
  };
  const auto exchange = complete(R"(, "echo": true, "logprobs": 1)");
  const json::value choice = json::parse(exchange->body).at("choices").at(0);
  EXPECT_EQ(choice.at("text").as_string(), "Onceé");
  const json::value& logprobs = choice.at("logprobs");
  const std::size_t count = generator_.last().prompt.size() + 1;
  for (const char* const list : {"tokens", "token_logprobs", "top_logprobs", "text_offset"}) {
    EXPECT_EQ(logprobs.at(list).as_array().size(), count) << list;
  }
  EXPECT_TRUE(logprobs.at("token_logprobs").at(0).is_null());
  EXPECT_EQ(logprobs.at("token_logprobs").at(1).to_number<double>(), -2.0);
  EXPECT_EQ(logprobs.at("text_offset").at(count - 1).as_int64(), 4);  // BOS has no characters
  EXPECT_EQ(logprobs.at("tokens").at(count - 1).as_string(), "H");
  EXPECT_EQ(logprobs.at("top_logprobs").at(count - 1).at("H").to_number<double>(), -1.0);
  // What evaluations ask for: the prompt's log-probabilities and nothing else.
  const json::value only =
      json::parse(complete(R"(, "echo": true, "logprobs": 0, "max_tokens": 0)")->body);
  EXPECT_EQ(only.at("choices").at(0).at("text").as_string(), "Once");
  EXPECT_EQ(only.at("choices").at(0).at("logprobs").at("tokens").as_array().size(), count - 1);
  EXPECT_TRUE(only.at("choices").at(0).at("logprobs").at("top_logprobs").is_null());
  EXPECT_EQ(only.at("usage").at("completion_tokens").as_int64(), 0);
}

TEST_F(ServiceTest, FillsInTheMiddleWhereTheVocabularyCan) {
  const auto refused = complete(R"(, "suffix": "end")");
  EXPECT_EQ(refused->status, 400);
  EXPECT_EQ(json::parse(refused->body).at("error").at("param").as_string(), "suffix");
  const auto folder = shared_tokenizer("deepseek-coder");
  if (!std::filesystem::exists(folder)) {
    GTEST_SKIP() << "SKIPPED: no Coder vocabulary at " << folder;
  }
  serve({"demo", *tokenizer::Tokenizer::load(folder), std::nullopt});
  EXPECT_EQ(complete(R"(, "suffix": "<|EOT|> end")")->status, 200);
  const auto prompt = generator_.last().prompt;
  const auto at = [&](int id) {
    return std::find(prompt.begin(), prompt.end(), base::TokenId{id}) - prompt.begin();
  };
  EXPECT_LT(at(32016), at(32015));  // begin, prefix, hole, suffix, end
  EXPECT_LT(at(32015), at(32017));
  EXPECT_EQ(at(32017), std::ssize(prompt) - 1);
  EXPECT_EQ(at(32021), std::ssize(prompt));  // what users write is text
}

TEST_F(ServiceTest, SaysThatAPromptIsTooLong) {
  std::string words;
  for (int i = 0; i < 600; ++i) words += "word ";
  const std::string body = R"({"model":"demo","prompt":")" + words + "\"";
  const auto exchange = post("/v1/completions", body + "}");
  EXPECT_EQ(exchange->status, 400);
  EXPECT_NE(exchange->body.find("context_length_exceeded"), std::string::npos);
  EXPECT_NE(exchange->body.find("holds 400"), std::string::npos);
  EXPECT_EQ(post("/v1/completions", body + R"(, "truncate_prompt_tokens": 10})")->status, 200);
  EXPECT_EQ(generator_.last().prompt.size(), 10U);
  EXPECT_EQ(post("/v1/completions", body + R"(, "truncate_prompt_tokens": -1})")->status, 200);
  EXPECT_EQ(generator_.last().prompt.size(), 384U);
  const auto greedy = complete(R"(, "max_tokens": 400)");
  EXPECT_EQ(greedy->status, 400);
  EXPECT_NE(greedy->body.find("context_length_exceeded"), std::string::npos);
}

TEST_F(ServiceTest, RefusesMegabytesBeforeTokenizingThem) {
  const std::string spaces(7'000'000, ' ');
  const auto start = std::chrono::steady_clock::now();
  for (const auto& refused :
       {post("/v1/completions", R"({"model":"demo","prompt":")" + spaces + "\"}"),
        post("/v1/embeddings", R"({"model":"demo","input":")" + spaces + "\"}"),
        post("/v1/chat/completions",
             R"({"model":"demo","messages":[{"role":"user","content":")" + spaces + "\"}]}")}) {
    EXPECT_EQ(refused->status, 400);
    EXPECT_NE(refused->body.find("context_length_exceeded"), std::string::npos);
    EXPECT_NE(refused->body.find("at least"), std::string::npos);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST_F(ServiceTest, CompilesGrammars) {
  EXPECT_EQ(complete(R"(, "structured_outputs": {"choice": ["a", "b"]})")->status, 200);
  EXPECT_TRUE(generator_.last().grammar);
  EXPECT_EQ(complete(R"(, "response_format": {"type": "json_object"})")->status, 200);
  EXPECT_TRUE(generator_.last().grammar);
  const auto refused = complete(R"(, "guided_regex": "((")");
  if (refused->status == 400) {
    EXPECT_EQ(json::parse(refused->body).at("error").at("param").as_string(), "guided_regex");
  }
}

}  // namespace
}  // namespace fathom::serve
