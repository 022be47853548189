// fathom run: one answer, or a chat in the terminal.
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <condition_variable>
#include <cstdio>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"
#include "command.h"
#include "loaded_model.h"

namespace fathom::app {
namespace {

namespace json = boost::json;
using base::ErrorCode;
using base::fail;
using base::Result;
using base::TokenId;

constexpr std::uint64_t kMaxPromptBytes = std::uint64_t{64} << 20;

struct Flags {
  ModelFlags model;
  std::string kv_dtype;
  std::string prompt;
  bool has_prompt = false;
  std::string prompt_file;
  bool raw = false;
  std::int64_t max_tokens = 0;
  float temperature = 0.7F;
  float top_p = 0.95F;
  std::int64_t seed = 0;
  bool has_seed = false;
  bool as_json = false;
};

struct Answer {
  std::int64_t prompt_tokens = 0;
  std::vector<TokenId> ids;
  std::string text;
  engine::FinishReason finish = engine::FinishReason::kStop;
  engine::Timings timings;
};

// Asks the engine and waits; prints the text as it comes if `stream_text`.
class Conversation {
 public:
  Conversation(const Flags& flags, const LoadedModel& model, engine::Engine& engine)
      : flags_(flags), model_(model), engine_(engine) {}

  Result<Answer> ask(std::vector<TokenId> prompt, bool stream_text) {
    Answer answer;
    answer.prompt_tokens = std::ssize(prompt);
    const std::int64_t room = engine_.max_context_tokens() - answer.prompt_tokens;
    if (room < 1) {
      return fail(ErrorCode::kOutOfRange, "prompt",
                  "{} tokens leave no room for an answer in the context of {}",
                  answer.prompt_tokens, engine_.max_context_tokens());
    }
    engine::GenerationRequest request;
    request.prompt = std::move(prompt);
    request.stop.max_tokens = flags_.max_tokens > 0 ? flags_.max_tokens : room;
    request.sampling.temperature = flags_.temperature;
    request.sampling.top_p = flags_.top_p;
    if (flags_.has_seed) request.sampling.seed = flags_.seed;

    std::mutex mutex;
    std::condition_variable ready;
    std::vector<engine::GenerationDelta> deltas;
    TRY(engine_.submit(std::move(request), [&](engine::GenerationDelta delta) {
      const std::lock_guard lock(mutex);
      deltas.push_back(std::move(delta));
      ready.notify_one();
    }));
    while (true) {
      std::vector<engine::GenerationDelta> arrived;
      {
        std::unique_lock lock(mutex);
        ready.wait(lock, [&] { return !deltas.empty(); });
        arrived.swap(deltas);
      }
      for (const engine::GenerationDelta& delta : arrived) {
        if (delta.error) return *delta.error;
        answer.ids.insert(answer.ids.end(), delta.tokens.begin(), delta.tokens.end());
        answer.text += delta.text;
        if (stream_text) {
          fmt::print("{}", delta.text);
          std::fflush(stdout);
        }
        if (delta.finish) {
          answer.finish = *delta.finish;
          answer.timings = delta.timings;
          return answer;
        }
      }
    }
  }

  Result<std::vector<TokenId>> encode_raw(const std::string& text) const {
    return model_.tokenizer->encode(text);
  }

  Result<std::vector<TokenId>> encode_chat(
      const std::vector<tokenizer::ChatMessage>& messages) const {
    if (!model_.chat_template) {
      return fail(ErrorCode::kFailedPrecondition, flags_.model.model,
                  "the folder has no chat template; use --raw");
    }
    const auto rendered =
        TRY(model_.chat_template->render({.messages = messages, .add_generation_prompt = true}));
    return model_.tokenizer->encode(rendered.text,
                                    {.add_special = false, .plain_ranges = rendered.untrusted});
  }

 private:
  const Flags& flags_;
  const LoadedModel& model_;
  engine::Engine& engine_;
};

void print_json(const Answer& answer) {
  json::array ids;
  for (const TokenId id : answer.ids) ids.emplace_back(base::index(id));
  const json::object timings{{"queue_ms", answer.timings.queue_ms},
                             {"prefill_ms", answer.timings.prefill_ms},
                             {"decode_ms", answer.timings.decode_ms}};
  fmt::print("{}\n", json::serialize(json::object{{"prompt_tokens", answer.prompt_tokens},
                                                  {"token_ids", std::move(ids)},
                                                  {"text", answer.text},
                                                  {"finish_reason", engine::name(answer.finish)},
                                                  {"timings", timings}}));
}

// Reads questions until the end of input; keeps the conversation as context.
Result<void> chat(Conversation& conversation, bool raw) {
  std::vector<tokenizer::ChatMessage> messages;
  const bool is_terminal = ::isatty(STDIN_FILENO) != 0;
  if (is_terminal) fmt::print("Type a message; end with Ctrl-D.\n");
  std::string line;
  while (true) {
    if (is_terminal) fmt::print("> ");
    std::fflush(stdout);
    if (!std::getline(std::cin, line)) break;
    if (line.empty()) continue;
    messages.push_back({.role = "user", .content = line});
    auto prompt = TRY(raw ? conversation.encode_raw(line) : conversation.encode_chat(messages));
    Answer answer = TRY(conversation.ask(std::move(prompt), true));
    fmt::print("\n");
    messages.push_back({.role = "assistant", .content = std::move(answer.text)});
  }
  if (is_terminal) fmt::print("\n");
  return {};
}

Result<void> run(const Flags& flags) {
  std::string prompt = flags.prompt;
  if (!flags.prompt_file.empty()) {
    prompt = TRY(base::read_file(flags.prompt_file, kMaxPromptBytes));
  }
  const bool has_prompt = flags.has_prompt || !flags.prompt_file.empty();
  const LoadedModel model = TRY(load_model(flags.model));
  engine::EngineOptions options;
  options.max_batch_size = 1;
  options.kv_dtype = TRY(kv_dtype(flags.kv_dtype, model.weights->compute_dtype(), *model.device));
  const auto engine =
      TRY(engine::Engine::create(model.weights, model.tokenizer, *model.device, options));
  Conversation conversation(flags, model, *engine);
  if (!has_prompt) return chat(conversation, flags.raw);
  auto tokens = TRY(flags.raw ? conversation.encode_raw(prompt)
                              : conversation.encode_chat({{.role = "user", .content = prompt}}));
  const Answer answer = TRY(conversation.ask(std::move(tokens), !flags.as_json));
  if (flags.as_json) {
    print_json(answer);
  } else {
    fmt::print("\n");
  }
  return {};
}

}  // namespace

void add_run_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("run", "answer one prompt, or chat in the terminal");
  command->footer(
      "Examples:\n"
      "  fathom run ./my-model                                  a chat\n"
      "  fathom run ./my-model \"What is GPTQ?\"                  one answer\n"
      "  fathom run ./my-model --raw \"Once upon\" --max-tokens 64\n"
      "  fathom run ./my-model --prompt-file q.txt --temperature 0 --json");
  auto flags = std::make_shared<Flags>();
  add_model_flags(*command, flags->model);
  add_kv_dtype_flag(*command, flags->kv_dtype);
  auto* prompt = command->add_option("PROMPT", flags->prompt, "the prompt; without one, a chat");
  command->add_option("--prompt-file", flags->prompt_file, "a file to read the prompt from")
      ->excludes(prompt);
  command->add_flag("--raw", flags->raw, "give the prompt as it is, without the chat template");
  command
      ->add_option("--max-tokens", flags->max_tokens,
                   "longest answer, in tokens; default: what the context holds")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 31));
  command->add_option("--temperature", flags->temperature, "0 takes the likeliest token each time")
      ->capture_default_str()
      ->check(CLI::Range(0.0F, 2.0F));
  command->add_option("--top-p", flags->top_p, "sample from the likeliest tokens of this mass")
      ->capture_default_str()
      ->check(CLI::Range(1e-6F, 1.0F));
  auto* seed = command->add_option("--seed", flags->seed, "make sampling repeatable");
  command->add_flag("--json", flags->as_json, "print JSON");
  command->callback([flags, prompt, seed, &exit_code] {
    flags->has_prompt = prompt->count() > 0;
    flags->has_seed = seed->count() > 0;
    if (flags->as_json && !flags->has_prompt && flags->prompt_file.empty()) {
      throw CLI::RequiredError("PROMPT or --prompt-file with --json");
    }
    const auto done = run(*flags);
    exit_code = done ? kExitOk : report(done.error());
  });
}

}  // namespace fathom::app
