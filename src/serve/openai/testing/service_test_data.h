// A service over a fake generator, with the demo model's tokenizer and template.
#pragma once

#include <gtest/gtest.h>

#include <boost/json/fwd.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "serve/openai/service.h"
#include "serve/openai/testing/fake_exchange.h"
#include "serve/openai/testing/fake_generator.h"

namespace fathom::serve {

inline std::filesystem::path demo_model_folder() {
  return std::filesystem::path(FATHOM_SOURCE_DIR) / "tests/data/models/mini-llama";
}

inline ServedModel demo_model() {
  const auto folder = demo_model_folder();
  return {"demo", *tokenizer::Tokenizer::load(folder), *tokenizer::load_chat_template(folder)};
}

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() { serve(demo_model()); }

  void serve(ServedModel model, const ServiceOptions& options = {}) {
    service_.reset();
    service_ = std::make_unique<Service>(std::move(model), generator_, options);
  }
  // A model whose template is this text.
  void serve_template(const std::string& source, bool splits_reasoning = false) {
    ServedModel model = demo_model();
    model.chat_template = *tokenizer::ChatTemplate::parse(source, "test");
    model.splits_reasoning = splits_reasoning;
    serve(std::move(model));
  }
  std::shared_ptr<FakeExchange> send(std::string method, std::string path, std::string body = "") {
    auto exchange =
        std::make_shared<FakeExchange>(std::move(method), std::move(path), std::move(body));
    service_->handle(exchange);
    return exchange;
  }
  std::shared_ptr<FakeExchange> post(const std::string& path, const std::string& body) {
    auto exchange = send("POST", path, body);
    EXPECT_TRUE(exchange->wait()) << path << " " << body.substr(0, 200);
    EXPECT_EQ(exchange->num_answers, 1);
    return exchange;
  }
  std::shared_ptr<FakeExchange> chat(const std::string& fields) {
    return post(
        "/v1/chat/completions",
        R"({"model": "demo", "messages": [{"role": "user", "content": "Q"}])" + fields + "}");
  }
  std::shared_ptr<FakeExchange> complete(const std::string& fields) {
    return post("/v1/completions", R"({"model": "demo", "prompt": "Once")" + fields + "}");
  }
  // The prompt of the last request as text, special tokens included.
  std::string last_prompt() {
    return *demo_model().tokenizer->decode(generator_.last().prompt, {.skip_special = false});
  }

  FakeGenerator generator_;
  std::unique_ptr<Service> service_;
};

}  // namespace fathom::serve
