// EBNF: against a recursive recognizer over random grammars, its syntax, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/vocabulary_test_data.h"

namespace fathom::grammar {
namespace {

using testing::HasSubstr;

// A random grammar in a plain form: rules are lists of sequences of letters and rule numbers.
struct PlainGrammar {
  std::vector<std::vector<std::string>> rules;  // '0' to '9' call a rule

  std::string source() const {
    std::string text;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      text += name(static_cast<char>('0' + i)) + " ::= ";
      for (std::size_t j = 0; j < rules[i].size(); ++j) {
        if (j > 0) text += "| ";
        for (const char c : rules[i][j])
          text += (c >= '0' && c <= '9' ? name(c) : "\"" + std::string(1, c) + "\"") + " ";
        if (rules[i][j].empty()) text += "\"\" ";
      }
      text += "\n";
    }
    return text;
  }

  static std::string name(char digit) {
    return digit == '0' ? std::string("root") : std::string("rule-") + digit;
  }
};

// Which prefixes lengths of text[begin..] a rule can read, by exhaustive search.
class Recognizer {
 public:
  Recognizer(const PlainGrammar& grammar, std::string text)
      : grammar_(grammar), text_(std::move(text)) {}

  bool run() { return ends_of_rule(0, 0).contains(text_.size()); }

 private:
  std::set<std::size_t> ends_of_rule(std::size_t rule, std::size_t begin) {
    const auto key = std::pair(rule, begin);
    const auto known = known_.find(key);
    if (known != known_.end()) return known->second;
    std::set<std::size_t> ends;
    for (const auto& sequence : grammar_.rules[rule]) {
      std::set<std::size_t> current = {begin};
      for (const char c : sequence) {
        std::set<std::size_t> next;
        for (const auto position : current) {
          if (c >= '0' && c <= '9') {
            next.merge(ends_of_rule(static_cast<std::size_t>(c - '0'), position));
          } else if (position < text_.size() && text_[position] == c) {
            next.insert(position + 1);
          }
        }
        current = std::move(next);
      }
      ends.merge(current);
    }
    known_[key] = ends;
    return ends;
  }

  const PlainGrammar& grammar_;
  std::string text_;
  std::map<std::pair<std::size_t, std::size_t>, std::set<std::size_t>> known_;
};

TEST(Ebnf, AgreesWithAnExhaustiveRecognizer) {
  std::mt19937 random(21);
  std::vector<std::string> texts = {""};
  for (std::size_t i = 0; texts[i].size() < 6; ++i) {
    texts.push_back(texts[i] + "a");
    texts.push_back(texts[i] + "b");
  }
  int num_compared = 0;
  for (int i = 0; i < 600; ++i) {
    PlainGrammar plain;
    plain.rules.resize(random() % 4 + 1);
    for (auto& rule : plain.rules) {
      rule.resize(random() % 3 + 1);
      for (auto& sequence : rule) {
        for (auto length = random() % 4; length > 0; --length) {
          const auto pick = random() % 5;
          sequence += pick < 2   ? 'a'
                      : pick < 3 ? 'b'
                                 : static_cast<char>('0' + random() % plain.rules.size());
        }
      }
    }
    const auto grammar = Grammar::from_ebnf(plain.source());
    if (!grammar) {
      EXPECT_THAT(refusal(grammar),
                  testing::AnyOf(HasSubstr("left-recursive"), HasSubstr("no text")));
      continue;
    }
    ++num_compared;
    for (const auto& text : texts)
      ASSERT_EQ(matches(*grammar, text), Recognizer(plain, text).run())
          << plain.source() << "'" << text << "'";
  }
  EXPECT_GT(num_compared, 200);
}

struct EbnfCase {
  std::string source;
  std::vector<std::string> yes;
  std::vector<std::string> no;
};

TEST(Ebnf, ReadsTheSyntax) {
  const std::vector<EbnfCase> cases = {
      {"root ::= \"a\" | [a-z]+ tail?\ntail ::= \"!\"{2,3}",
       {"a", "xyz", "x!!", "x!!!"},
       {"", "x!", "!!"}},
      {"# a comment\nroot ::= # here too\n  \"x\"\n  | y-1\ny-1 ::= (\"y\" \"z\")* \"\\n\"\n",
       {"x", "\n", "yzyz\n"},
       {"y\n", "yz"}},
      {"root ::= [^\"\\\\\\n] . \"\\x41\\u00e9\\U0001F600\\\"\"", {"a\nAé😀\""}, {"\"\nAé😀\""}},
      {"expr ::= term ([+-] term)*\nterm ::= [0-9]+ | \"(\" expr \")\"\nroot ::= expr",
       {"1", "1+(2-3)", "((4))"},
       {"1+", "(1", ")"}},
      {"root ::= \"a\" root \"b\" | \"\"", {"", "ab", "aaabbb"}, {"a", "aab", "ba"}},
      {"root ::= list\nlist ::= \"a\" list | \"\"", {"", std::string(1000, 'a')}, {"b"}},
      {"root ::= \"a\"{2} \"b\"{1,} \"c\"{,2}", {"aab", "aabbcc"}, {"ab", "aabccc"}},
      {"root ::= e e \"x\"\ne ::= \"\" | \"y\"", {"x", "yx", "yyx"}, {"yyyx", "y"}},
  };
  for (const auto& c : cases) {
    const auto grammar = Grammar::from_ebnf(c.source);
    ASSERT_TRUE(grammar) << c.source << refusal(grammar);
    for (const auto& text : c.yes) EXPECT_TRUE(matches(*grammar, text)) << c.source << " " << text;
    for (const auto& text : c.no) EXPECT_FALSE(matches(*grammar, text)) << c.source << " " << text;
  }
}

TEST(Ebnf, RefusesByNameAndPosition) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "no rule 'root'"},
      {"a ::= \"a\"", "no rule 'root'"},
      {"root ::= missing", "at byte 9: there is no rule 'missing'"},
      {"root ::= \"a\"\nroot ::= \"b\"", "rule 'root' is defined twice"},
      {"root ::= root \"a\" | \"b\"", "rule 'root' is left-recursive"},
      {"root ::= x\nx ::= e y\ny ::= x \"a\"\ne ::= \"\"", "is left-recursive"},
      {"root ::= \"a\" root", "no text"},
      {"root ::= \"a", "at byte 9: the literal"},
      {"root ::= [a", "'[' is not closed"},
      {"root ::= (\"a\"", "'(' is not closed"},
      {"root ::= \"a\")", "')' without"},
      {"root = \"a\"", "expected a rule"},
      {"root ::= \"a\" %", "expected a \"literal\""},
      {"root ::= \"a\"{x}", "expected a repeat count"},
      {"root ::= \"\\d\"", "class escape in a literal"},
      {"root ::= \"\xFF\"", "UTF-8"},
      {"root ::= " + std::string(100, '('), "nested too deeply"},
      {std::string(300'000, ' '), "over the limit"},
  };
  for (const auto& [source, message] : cases)
    EXPECT_THAT(refusal(Grammar::from_ebnf(source)), HasSubstr(message)) << source.substr(0, 60);
}

TEST(Ebnf, RefusesTooManyRulesAndAlternatives) {
  std::string chain = "root ::= r0\n";
  std::string fan = "root ::= r0 r0\n";
  std::string many = "root ::= \"\"\n";
  for (int i = 0; i < 100; ++i)
    chain += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + " \"a\"\n";
  chain += "r100 ::= \"b\"\n";
  for (int i = 0; i < 30; ++i) {
    const auto next = "r" + std::to_string(i + 1);
    fan += "r" + std::to_string(i) + " ::= " + next + " \"a\" | " + next + " \"b\" | s" +
           std::to_string(i) + "\ns" + std::to_string(i) + " ::= " + next + " \"c\"\n";
  }
  fan += "r30 ::= \"b\"\n";
  for (int i = 0; i < 2000; ++i) many += "r" + std::to_string(i) + " ::= \"b\"\n";
  EXPECT_THAT(refusal(Grammar::from_ebnf(chain)), HasSubstr("begin with one another"));
  EXPECT_THAT(refusal(Grammar::from_ebnf(fan)), HasSubstr("alternatives may begin"));
  EXPECT_THAT(refusal(Grammar::from_ebnf(many)), HasSubstr("more than 1024 rules"));
}

}  // namespace
}  // namespace fathom::grammar
