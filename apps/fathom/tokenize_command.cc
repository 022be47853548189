// fathom tokenize: text to token ids and back.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <charconv>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/hub.h"
#include "command.h"
#include "tokenizer/tokenizer.h"

namespace fathom::app {
namespace {

namespace json = boost::json;
using base::ErrorCode;
using base::fail;
using base::Result;
using base::TokenId;

constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 30;

struct Flags {
  std::string model;
  std::string text;
  std::string file;
  std::string jsonl;
  bool no_special = false;
  bool decode = false;
  bool as_json = false;
};

json::array ids_json(const std::vector<TokenId>& ids) {
  json::array array;
  array.reserve(ids.size());
  for (const TokenId id : ids) array.emplace_back(base::index(id));
  return array;
}

// "1, 2 3": ids between white space, commas or brackets.
Result<std::vector<TokenId>> parse_ids(std::string_view text) {
  std::vector<TokenId> ids;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    while (at != end && std::string_view(" \t\r\n,[]").find(*at) != std::string_view::npos) ++at;
    if (at == end) return ids;
    std::int32_t id = 0;
    const auto [next, code] = std::from_chars(at, end, id);
    if (code != std::errc{} || id < 0) {
      return fail(ErrorCode::kInvalidArgument, "--decode", "'{}' is not a token id",
                  std::string(at, std::min(end, at + 20)));
    }
    ids.push_back(TokenId{id});
    at = next;
  }
}

Result<std::vector<TokenId>> ids_of(const json::value& value) {
  const json::array* array = value.if_array();
  if (array == nullptr) return fail(ErrorCode::kInvalidArgument, "ids", "not an array");
  std::vector<TokenId> ids;
  for (const json::value& each : *array) {
    json::error_code code;
    const auto id = each.to_number<std::int32_t>(code);
    if (code || id < 0) return fail(ErrorCode::kInvalidArgument, "ids", "not a token id");
    ids.push_back(TokenId{id});
  }
  return ids;
}

class TokenizeCommand {
 public:
  TokenizeCommand(const Flags& flags, std::shared_ptr<const tokenizer::Tokenizer> tokenizer)
      : flags_(flags), tokenizer_(std::move(tokenizer)) {}

  Result<void> run() {
    if (!flags_.jsonl.empty()) return run_lines();
    std::string text = flags_.text;
    if (!flags_.file.empty()) text = TRY(base::read_file(flags_.file, kMaxTextBytes));
    if (flags_.decode) {
      const std::string decoded = TRY(decode(TRY(parse_ids(text))));
      fmt::print("{}\n",
                 flags_.as_json ? json::serialize(json::object{{"text", decoded}}) : decoded);
      return {};
    }
    const std::vector<TokenId> ids = TRY(encode(text));
    if (flags_.as_json) {
      fmt::print("{}\n", json::serialize(json::object{{"ids", ids_json(ids)}}));
    } else {
      std::vector<std::int32_t> numbers;
      for (const TokenId id : ids) numbers.push_back(base::index(id));
      fmt::print("{}\n", fmt::join(numbers, " "));
    }
    return {};
  }

 private:
  Result<std::vector<TokenId>> encode(std::string_view text) const {
    return tokenizer_->encode(text, {.add_special = !flags_.no_special, .plain_ranges = {}});
  }
  Result<std::string> decode(const std::vector<TokenId>& ids) const {
    return tokenizer_->decode(ids, {.skip_special = flags_.no_special});
  }

  Result<void> run_lines() {
    std::ifstream file;
    const bool is_stdin = flags_.jsonl == "-";
    if (!is_stdin) {
      file.open(flags_.jsonl);
      if (!file) return fail(base::errno_code(errno), flags_.jsonl, "cannot open");
    }
    std::istream& in = is_stdin ? std::cin : file;
    std::string line;
    for (std::int64_t number = 1; std::getline(in, line); ++number) {
      if (line.empty()) continue;
      const std::string where = fmt::format("{}:{}", flags_.jsonl, number);
      const json::object result = TRY(run_line(line, where).transform_error([&](base::Error error) {
        if (error.where != where) error.where = where + ": " + error.where;
        return error;
      }));
      fmt::print("{}\n", json::serialize(result));
    }
    if (in.bad()) return fail(ErrorCode::kInvalidArgument, flags_.jsonl, "cannot read");
    return {};
  }

  Result<json::object> run_line(const std::string& line, const std::string& where) const {
    const json::value value =
        TRY(base::parse_json(line, where, {.max_bytes = kMaxTextBytes, .max_depth = 8}));
    const char* const field = flags_.decode ? "ids" : "text";
    const json::value* input = value.is_object() ? value.get_object().if_contains(field) : nullptr;
    if (input == nullptr) {
      return fail(ErrorCode::kInvalidArgument, where, "no field \"{}\"", field);
    }
    if (flags_.decode) return json::object{{"text", TRY(decode(TRY(ids_of(*input))))}};
    if (!input->is_string()) {
      return fail(ErrorCode::kInvalidArgument, where, "\"text\" is not a string");
    }
    const json::string& text = input->get_string();
    return json::object{{"ids", ids_json(TRY(encode({text.data(), text.size()})))}};
  }

  const Flags& flags_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
};

Result<void> tokenize(const Flags& flags) {
  const auto folder = TRY(checkpoint::resolve_model(flags.model));
  return TokenizeCommand(flags, TRY(tokenizer::Tokenizer::load(folder))).run();
}

}  // namespace

void add_tokenize_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("tokenize", "turn text into token ids, or back");
  command->footer(
      "Examples:\n"
      "  fathom tokenize ./my-model --text \"Hello\"\n"
      "  fathom tokenize ./my-model --decode --text \"17464 1843\"\n"
      "  fathom tokenize ./my-model --jsonl texts.jsonl > ids.jsonl");
  auto flags = std::make_shared<Flags>();
  command->add_option("MODEL", flags->model, "a folder with tokenizer.json, or a pulled model")
      ->required();
  auto* input = command->add_option_group("input");
  input->add_option("--text", flags->text, "the text itself");
  input->add_option("--file", flags->file, "a file to read the text from");
  input->add_option("--jsonl", flags->jsonl,
                    "a file with {\"text\": ...} on each line (- for standard input)");
  input->require_option(1);
  command->add_flag("--no-special", flags->no_special,
                    "add no BOS; with --decode, leave special tokens out");
  command->add_flag("--decode", flags->decode, "from ids to text; lines hold {\"ids\": [...]}");
  command->add_flag("--json", flags->as_json, "print JSON");
  command->callback([flags, &exit_code] {
    const auto done = tokenize(*flags);
    exit_code = done ? kExitOk : report(done.error());
  });
}

}  // namespace fathom::app
