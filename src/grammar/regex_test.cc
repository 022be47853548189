// Regular expressions: against an exhaustive matcher, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/vocabulary_test_data.h"

namespace fathom::grammar {
namespace {

using testing::HasSubstr;

// An expression as a tree, with its source and where it can end: the oracle.
struct Node {
  std::string letters;  // of a leaf: what it matches
  std::string leaf;     // of a leaf: how it is written
  char kind = 'l';      // leaf, 's'equence, 'c'hoice, 'r'epeat
  std::size_t min = 0;
  std::size_t max = 0;
  std::string quantifier;
  std::vector<Node> children;

  std::string source() const {
    switch (kind) {
      case 's':
        return children[0].source() + children[1].source();
      case 'c':
        return "(" + children[0].source() + "|" + children[1].source() + ")";
      case 'r':
        return "(?:" + children[0].source() + ")" + quantifier;
      default:
        return leaf;
    }
  }

  using Ends = std::set<std::size_t>;
  static Ends after(const Node& node, const std::string& text, const Ends& begins) {
    Ends ends;
    for (const auto begin : begins) ends.merge(node.ends(text, begin));
    return ends;
  }

  Ends ends(const std::string& text, std::size_t begin) const {
    if (kind == 's') return after(children[1], text, children[0].ends(text, begin));
    if (kind == 'c') {
      Ends both = children[0].ends(text, begin);
      both.merge(children[1].ends(text, begin));
      return both;
    }
    if (kind == 'r') {
      Ends reached;
      Ends current = {begin};
      for (std::size_t i = 0; i <= std::min(max, text.size() + min); ++i) {
        if (i >= min) reached.insert(current.begin(), current.end());
        current = after(children[0], text, current);
      }
      return reached;
    }
    if (leaf.empty()) return {begin};
    if (begin < text.size() && letters.find(text[begin]) != std::string::npos) return {begin + 1};
    return {};
  }
};

Node random_regex(std::mt19937& random, int depth) {
  static const std::vector<Node> kLeaves = {{"a", "a"},     {"b", "b"},     {"c", "c"},
                                            {"ab", "[ab]"}, {"bc", "[^a]"}, {"bc", "[b-c]"},
                                            {"abc", "."},   {"abc", "\\w"}, {"", ""}};
  struct Quantifier {
    const char* text;
    std::size_t min;
    std::size_t max;
  };
  static const std::vector<Quantifier> kQuantifiers = {
      {"*", 0, 99},  {"+", 1, 99},    {"?", 0, 1},     {"*?", 0, 99},
      {"{2}", 2, 2}, {"{1,2}", 1, 2}, {"{1,}", 1, 99}, {"{0,3}", 0, 3}};
  const auto pick = depth > 0 ? random() % 10 : 0;
  if (pick < 3) return kLeaves[random() % kLeaves.size()];
  Node node;
  node.kind = pick < 6 ? 's' : pick < 8 ? 'c' : 'r';
  node.children.push_back(random_regex(random, depth - 1));
  if (node.kind != 'r') node.children.push_back(random_regex(random, depth - 1));
  const auto& quantifier = kQuantifiers[random() % kQuantifiers.size()];
  node.quantifier = quantifier.text;
  node.min = quantifier.min;
  node.max = quantifier.max;
  return node;
}

std::vector<std::string> all_texts(std::size_t max_length) {
  std::vector<std::string> texts = {""};
  for (std::size_t begin = 0, length = 0; length < max_length; ++length) {
    const std::size_t end = texts.size();
    for (; begin < end; ++begin) {
      for (const char c : {'a', 'b', 'c'}) texts.push_back(texts[begin] + c);
    }
  }
  return texts;
}

TEST(Regex, AgreesWithAnExhaustiveMatcherOnAllShortTexts) {
  std::mt19937 random(11);
  const auto texts = all_texts(5);
  for (int i = 0; i < 250; ++i) {
    const Node oracle = random_regex(random, 4);
    const std::string source = oracle.source();
    const auto grammar = Grammar::from_regex(source);
    ASSERT_TRUE(grammar) << source << ": " << refusal(grammar);
    for (const auto& text : texts) {
      ASSERT_EQ(matches(*grammar, text), oracle.ends(text, 0).contains(text.size()))
          << source << " " << text;
    }
  }
}

TEST(Regex, MasksAreExactAndEveryTextCanBeCompleted) {
  const auto vocabulary = vocabulary_with({"aa", "ab", "ba", "abc", "cab", "bb", "cc", "aaaa"});
  std::mt19937 random(12);
  for (int i = 0; i < 60; ++i) {
    const std::string source = random_regex(random, 4).source();
    const auto grammar = Grammar::from_regex(source);
    ASSERT_TRUE(grammar) << source;
    Matcher matcher(*grammar, vocabulary);
    for (int step = 0; step < 6 && !matcher.is_finished(); ++step) {
      SCOPED_TRACE(source);
      expect_exact_mask(matcher, *vocabulary);
      const auto mask = mask_of(matcher, *vocabulary);
      std::size_t id = random() % vocabulary->num_tokens();
      while (!has(mask, id)) id = (id + 1) % vocabulary->num_tokens();
      ASSERT_TRUE(matcher.accept(token(id)));
    }
  }
}

struct RegexCase {
  std::string source;
  std::vector<std::string> yes;
  std::vector<std::string> no;
};

TEST(Regex, ReadsTheSyntax) {
  const std::vector<RegexCase> cases = {
      {"^abc$", {"abc"}, {"abcd", "xabc", ""}},
      {"^a|b$", {"a", "b"}, {"ab"}},
      {R"(\d{3}-\d{4})", {"555-1234"}, {"5551234", "55-1234"}},
      {R"([^\d\s]+)", {"ab!", "é"}, {"a1", "a b", ""}},
      {R"(\D\W\S)", {"a-x"}, {"1-x", "aax"}},
      {R"(\x41\u00e9\u{0}?)", {}, {}},
      {R"(\x41\u00e9)", {"A\u00e9"}, {"A"}},
      {R"([\]\-a])", {"]", "-", "a"}, {"\\", "b"}},
      {R"([a-])", {"a", "-"}, {"b"}},
      {"[é-ü]+", {"é", "êü"}, {"e", "ý"}},
      {"世.?", {"世", "世界", "世😀"}, {"世界界", "世\n"}},
      {R"(\.\*\(\)\[\{\/)", {".*()[{/"}, {"x*()[{/"}},
      {"(?P<year>a)(?<b>b)", {"ab"}, {"a"}},
      {"", {""}, {"a"}},
      {"a{,2}", {"", "aa"}, {"aaa"}},
      {R"(\n\t\0)", {std::string("\n\t\0", 3)}, {"nt0"}},
  };
  for (const auto& c : cases) {
    const auto grammar = Grammar::from_regex(c.source);
    if (c.yes.empty()) {
      EXPECT_FALSE(grammar) << c.source;
      continue;
    }
    ASSERT_TRUE(grammar) << refusal(grammar);
    for (const auto& text : c.yes) EXPECT_TRUE(matches(*grammar, text)) << c.source << " " << text;
    for (const auto& text : c.no) EXPECT_FALSE(matches(*grammar, text)) << c.source << " " << text;
  }
}

TEST(Regex, RefusesByNameAndPosition) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"(a(b)\1)", "at byte 4: back-references"},
      {"ab(?=c)", "at byte 2: look-around"},
      {"(?<!a)b", "look-around"},
      {R"(\bword)", "word boundaries"},
      {R"(\p{L})", "Unicode properties"},
      {"(?i)a", "inline flags"},
      {"a++", "possessive"},
      {"a^b", "at byte 1: '^'"},
      {"a$b", "at byte 1: '$'"},
      {"*a", "nothing to repeat"},
      {"a**", "a quantifier behind a quantifier"},
      {"a{3,2}", "least count is above"},
      {"a{200000}", "above 100000"},
      {"a{x}", "expected a repeat count"},
      {"(a", "'(' is not closed"},
      {"a)", "')' without"},
      {"[a", "'[' is not closed"},
      {"[b-a]", "ends before it begins"},
      {R"([\d-z])", "one character at each end"},
      {"[[:alpha:]]", "POSIX"},
      {R"(\q)", "'\\q' is not supported"},
      {R"(\ud800)", "not a Unicode character"},
      {"a\\", "'\\' at the end"},
      {"\xFF", "UTF-8"},
      {"[^\\s\\S]", "matches"},
      {"(a{1000}){1000}", "too large"},
      {std::string(100, '('), "nested too deeply"},
      {std::string(300'000, 'a'), "over the limit"},
  };
  for (const auto& [source, message] : cases)
    EXPECT_THAT(refusal(Grammar::from_regex(source)), HasSubstr(message)) << source.substr(0, 50);
}

TEST(Regex, StaysWithinItsLimitsForHostileExpressions) {
  for (const std::string source :
       {"(a|b)*a(a|b){20}", "((a*)*)*b", "(((a?){100}){100}){100}", "((){1000}){100000}",
        "([^a]{1000}|[^b]{1000}){20}", "(.*a){12}", "(((){100000}){100000}){100000}"}) {
    const auto grammar = Grammar::from_regex(source);
    if (!grammar) {
      EXPECT_EQ(grammar.error().code, base::ErrorCode::kResourceExhausted) << refusal(grammar);
    }
  }
}

TEST(Choice, AllowsExactlyTheChoices) {
  const std::vector<std::string> choices = {"yes", "no", "not at all", "", "世"};
  const auto grammar = Grammar::from_choice(choices);
  ASSERT_TRUE(grammar) << refusal(grammar);
  for (const auto& choice : choices) EXPECT_TRUE(matches(*grammar, choice)) << choice;
  for (const auto* text : {"y", "yess", "not", "nothing", "\xE4"})
    EXPECT_FALSE(matches(*grammar, text)) << text;
  EXPECT_THAT(refusal(Grammar::from_choice({})), HasSubstr("nothing to choose"));
  EXPECT_THAT(refusal(Grammar::from_choice(std::vector<std::string>{"a", "\xFF"})),
              HasSubstr("choice 1"));
}

}  // namespace
}  // namespace fathom::grammar
