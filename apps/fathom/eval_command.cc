// fathom eval: perplexity of a text file.
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "base/file.h"
#include "command.h"
#include "engine/perplexity.h"
#include "loaded_model.h"

namespace fathom::app {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 30;

struct Flags {
  ModelFlags model;
  std::string kv_dtype;
  std::string text;
  std::int64_t window_tokens = 1024;
  std::int64_t max_windows = 0;
  bool as_json = false;
};

void show_progress(std::int64_t done, std::int64_t total) {
  if (::isatty(STDERR_FILENO) == 0) return;
  std::fprintf(stderr, "\rwindow %lld of %lld%s", static_cast<long long>(done),
               static_cast<long long>(total), done == total ? "\n" : "");
}

Result<engine::Perplexity> evaluate(const Flags& flags) {
  const std::string text = TRY(base::read_file(flags.text, kMaxTextBytes));
  const LoadedModel model = TRY(load_model(flags.model));
  const spec::ModelSpec& spec = model.spec();
  if (flags.window_tokens > spec.max_context_tokens) {
    return fail(ErrorCode::kOutOfRange, "--window", "{} tokens are over the model's context of {}",
                flags.window_tokens, spec.max_context_tokens);
  }
  const auto bos = model.tokenizer->bos_token();
  if (!bos) {
    return fail(ErrorCode::kFailedPrecondition, flags.model.model,
                "the tokenizer names no BOS token, with which each window starts");
  }
  const auto tokens =
      TRY(model.tokenizer->encode(text, {.add_special = false, .plain_ranges = {}}));
  const tensor::DType cache_dtype =
      TRY(kv_dtype(flags.kv_dtype, model.weights->compute_dtype(), *model.device));
  auto scorer = TRY(engine::Scorer::create(
      model.weights, *model.device,
      {.max_context_tokens = flags.window_tokens,
       .num_valid_tokens = std::min(model.tokenizer->vocab_size(), spec.vocab_rows),
       .kv_dtype = cache_dtype}));
  return engine::measure_perplexity(scorer, tokens,
                                    {.window_tokens = flags.window_tokens,
                                     .max_windows = flags.max_windows,
                                     .bos = *bos,
                                     .on_progress = show_progress});
}

}  // namespace

void add_eval_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("eval", "measure a model's perplexity on a text");
  command->footer(
      "Examples:\n"
      "  fathom eval ./my-model --text wiki.txt\n"
      "  fathom eval ./my-model --text wiki.txt --max-windows 40 --json\n"
      "\n"
      "The text is cut into windows that do not overlap, each behind one BOS token;\n"
      "every other token is scored.");
  auto flags = std::make_shared<Flags>();
  add_model_flags(*command, flags->model);
  add_kv_dtype_flag(*command, flags->kv_dtype);
  command->add_option("--text", flags->text, "the text, a UTF-8 file")->required();
  command->add_option("--window", flags->window_tokens, "tokens of a window, BOS included")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{8}, std::int64_t{1} << 24));
  command->add_option("--max-windows", flags->max_windows, "score the first N windows only")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40));
  command->add_flag("--json", flags->as_json, "print JSON");
  command->callback([flags, &exit_code] {
    const auto result = evaluate(*flags);
    if (!result) {
      exit_code = report(result.error());
      return;
    }
    if (flags->as_json) {
      fmt::print("{}\n", boost::json::serialize(boost::json::object{{"perplexity", result->value},
                                                                    {"tokens", result->tokens}}));
    } else {
      fmt::print("perplexity {:.4f} over {} tokens\n", result->value, result->tokens);
    }
    exit_code = kExitOk;
  });
}

}  // namespace fathom::app
