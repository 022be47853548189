// Source to automaton, and the matcher's bookkeeping around the shared masks.
#include "grammar/grammar.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "base/check.h"
#include "grammar/automaton.h"
#include "grammar/ebnf.h"
#include "grammar/expression.h"
#include "grammar/json_rules.h"
#include "grammar/json_schema.h"
#include "grammar/mask_cache.h"
#include "grammar/regex.h"

namespace fathom::grammar {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

Result<void> check_size(std::size_t num_bytes, std::string_view where) {
  if (num_bytes <= Grammar::kMaxSourceBytes) return {};
  return fail(ErrorCode::kInvalidArgument, where, "{} bytes are over the limit of {}", num_bytes,
              Grammar::kMaxSourceBytes);
}

}  // namespace

struct Grammar::Shared {
  Automaton automaton;
  std::mutex mutex;
  // Guarded by mutex.
  std::weak_ptr<const Vocabulary> vocabulary;
  std::shared_ptr<MaskCache> cache;
};

Grammar::Grammar(Automaton automaton) : shared_(std::make_unique<Shared>()) {
  shared_->automaton = std::move(automaton);
}
Grammar::~Grammar() = default;

Grammar::Created Grammar::compile(const Expressions& expressions, std::string_view where) {
  auto automaton = TRY(build_automaton(expressions, where));
  return std::shared_ptr<const Grammar>(new Grammar(std::move(automaton)));
}

Grammar::Created Grammar::from_json_schema(std::string_view schema) {
  constexpr std::string_view kWhere = "json_schema";
  TRY(check_size(schema.size(), kWhere));
  Expressions expressions;
  TRY(parse_json_schema(schema, kWhere, expressions));
  return compile(expressions, kWhere);
}

Grammar::Created Grammar::from_json_object() {
  constexpr std::string_view kWhere = "json_object";
  Expressions expressions;
  const RuleId root = expressions.add_rule("root");
  JsonRules rules(expressions);
  expressions.define(root, rules.any_object());
  return compile(expressions, kWhere);
}

Grammar::Created Grammar::from_regex(std::string_view expression) {
  constexpr std::string_view kWhere = "regex";
  TRY(check_size(expression.size(), kWhere));
  Expressions expressions;
  const RuleId root = expressions.add_rule("root");
  expressions.define(root, TRY(parse_regex(expression, kWhere, {}, expressions)));
  return compile(expressions, kWhere);
}

Grammar::Created Grammar::from_choice(std::span<const std::string> choices) {
  constexpr std::string_view kWhere = "choice";
  Expressions expressions;
  const RuleId root = expressions.add_rule("root");
  std::vector<ExpressionId> options;
  std::size_t num_bytes = 0;
  for (const auto& choice : choices) {
    TRY(check_size(num_bytes += choice.size(), kWhere));
    if (!is_valid_utf8(choice)) {
      return fail(ErrorCode::kInvalidArgument, kWhere, "choice {} is not valid UTF-8",
                  options.size());
    }
    options.push_back(expressions.literal(choice));
  }
  if (options.empty())
    return fail(ErrorCode::kInvalidArgument, kWhere, "there is nothing to choose from");
  expressions.define(root, expressions.choice(std::move(options)));
  return compile(expressions, kWhere);
}

Grammar::Created Grammar::from_ebnf(std::string_view source) {
  constexpr std::string_view kWhere = "grammar";
  TRY(check_size(source.size(), kWhere));
  Expressions expressions;
  TRY(parse_ebnf(source, kWhere, expressions));
  return compile(expressions, kWhere);
}

std::shared_ptr<MaskCache> Grammar::cache_for(
    const std::shared_ptr<const Vocabulary>& vocabulary) const {
  const std::scoped_lock lock(shared_->mutex);
  if (!shared_->cache || shared_->vocabulary.lock() != vocabulary) {
    shared_->cache = std::make_shared<MaskCache>(shared_->automaton, vocabulary);
    shared_->vocabulary = vocabulary;
  }
  return shared_->cache;
}

Matcher::Matcher(std::shared_ptr<const Grammar> grammar,
                 std::shared_ptr<const Vocabulary> vocabulary)
    : grammar_(std::move(grammar)),
      vocabulary_(std::move(vocabulary)),
      cache_(grammar_->cache_for(vocabulary_)),
      position_(std::make_unique<Position>(cache_->start())) {}
Matcher::~Matcher() = default;

Matcher::Matcher(const Matcher& other)
    : grammar_(other.grammar_),
      vocabulary_(other.vocabulary_),
      cache_(other.cache_),
      position_(std::make_unique<Position>(*other.position_)),
      is_finished_(other.is_finished_) {}

Matcher& Matcher::operator=(const Matcher& other) {
  Matcher copy(other);
  std::swap(grammar_, copy.grammar_);
  std::swap(vocabulary_, copy.vocabulary_);
  std::swap(cache_, copy.cache_);
  std::swap(position_, copy.position_);
  is_finished_ = other.is_finished_;
  return *this;
}

bool Matcher::can_end() const { return is_finished_ || position_->reading->can_end; }

void Matcher::fill_mask(std::span<std::uint32_t> mask) {
  CHECK(mask.size() >= vocabulary_->num_mask_words(), "a mask of {} words for {} tokens",
        mask.size(), vocabulary_->num_tokens());
  if (is_finished_) {
    std::fill(mask.begin(), mask.end(), 0U);
  } else {
    cache_->fill(*position_, mask);
  }
  const bool is_empty = std::all_of(mask.begin(), mask.end(), [](auto word) { return word == 0; });
  if (!can_end() && !is_empty) return;
  for (const auto token : vocabulary_->end_tokens()) {
    const auto id = static_cast<std::uint32_t>(base::index(token));
    mask[id / 32] |= std::uint32_t{1} << (id % 32);
  }
}

bool Matcher::accept(TokenId token) {
  const auto id = base::index(token);
  if (id < 0 || static_cast<std::size_t>(id) >= vocabulary_->num_tokens()) return false;
  if (vocabulary_->is_end(token)) {
    bool is_allowed = can_end();
    if (!is_allowed) {
      std::vector<std::uint32_t> mask(vocabulary_->num_mask_words());
      fill_mask(mask);
      const auto bit = static_cast<std::uint32_t>(id);
      is_allowed = (mask[bit / 32] >> (bit % 32) & 1U) != 0;
    }
    is_finished_ = is_finished_ || is_allowed;
    return is_allowed;
  }
  const std::string& bytes = vocabulary_->bytes_of(token);
  return !is_finished_ && !bytes.empty() && cache_->advance(*position_, bytes);
}

}  // namespace fathom::grammar
