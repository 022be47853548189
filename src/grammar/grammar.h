// Structured output: which tokens may come next so that the whole answer matches a grammar.
//
// A Grammar says which texts are allowed, a Matcher follows one sequence through it. The languages
// and their limits are described in docs/structured-output.md.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "grammar/vocabulary.h"

namespace fathom::grammar {

struct Automaton;
class Expressions;
class MaskCache;
struct Position;

// Immutable for its users and thread-safe. Errors of all constructors: kInvalidArgument with the
// byte position (regex, EBNF) or the JSON pointer of what is wrong or not supported, by name;
// kResourceExhausted for a grammar beyond the limits (automaton.h). Construction takes at most
// about half a second and is no work for the step loop; it and the grammar take tens of MiB at
// most, typically far less than one.
class Grammar {
 public:
  using Created = base::Result<std::shared_ptr<const Grammar>>;

  // At most kMaxSourceBytes of source each.
  static constexpr std::size_t kMaxSourceBytes = std::size_t{256} << 10;

  // The answer is JSON that the schema accepts.
  static Created from_json_schema(std::string_view schema);
  // The answer is any JSON object.
  static Created from_json_object();
  // The whole answer matches the expression.
  static Created from_regex(std::string_view expression);
  // The answer is one of the choices, each valid UTF-8.
  static Created from_choice(std::span<const std::string> choices);
  // The answer is derived from the rule `root`.
  static Created from_ebnf(std::string_view source);

  ~Grammar();
  Grammar(const Grammar&) = delete;
  Grammar& operator=(const Grammar&) = delete;

 private:
  friend class Matcher;
  struct Shared;

  explicit Grammar(Automaton automaton);
  static Created compile(const Expressions& expressions, std::string_view where);
  // What earlier sequences with this vocabulary have found out; the last vocabulary's is kept.
  std::shared_ptr<MaskCache> cache_for(const std::shared_ptr<const Vocabulary>& vocabulary) const;

  std::unique_ptr<Shared> shared_;
};

// One sequence's place in the grammar. Not thread-safe; matchers of one grammar may be used at the
// same time. A copy goes its own way from here and costs little, so that drafts can be tried.
class Matcher {
 public:
  Matcher(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const Vocabulary> vocabulary);
  ~Matcher();
  Matcher(const Matcher& other);
  Matcher& operator=(const Matcher& other);

  // Bit t % 32 of word t / 32 says whether token t may come next: its bytes leave a text that can
  // be completed. End tokens are allowed exactly where the text may end; after one, only end
  // tokens are. mask must have at least the vocabulary's num_mask_words(); words beyond are zero.
  //
  // The mask is never empty: every place of an allowed text has a byte that leads on or is an end,
  // and every byte has a token. Of a grammar so ambiguous that the limits of thread.h cut off all
  // ways but none remains, the end tokens are allowed as the last resort.
  //
  // Cost: a copy of the mask when the place was met before, else a walk over the vocabulary's
  // bytes: below a millisecond for 100,000 tokens and JSON.
  void fill_mask(std::span<std::uint32_t> mask);

  // False and unchanged for a token that is not allowed. A token that fill_mask leaves out only for
  // its limit on ambiguity may be accepted.
  bool accept(TokenId token);

  // Whether the text so far is complete.
  bool can_end() const;
  // Whether an end token was accepted.
  bool is_finished() const { return is_finished_; }

 private:
  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  std::shared_ptr<MaskCache> cache_;
  std::unique_ptr<Position> position_;
  bool is_finished_ = false;
};

}  // namespace fathom::grammar
