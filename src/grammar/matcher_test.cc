// The matcher and its masks: exactness, tokenizations, ends, copies, threads and limits.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "grammar/grammar.h"

#include "grammar/vocabulary_test_data.h"

namespace fathom::grammar {
namespace {

using testing::HasSubstr;

constexpr std::string_view kPerson = R"({
  "properties": {
    "name": {"type": "string", "maxLength": 6},
    "age": {"type": "integer", "minimum": 0, "maximum": 150},
    "id": {"type": ["null", "number"]},
    "kind": {"enum": ["a", "ab", "b"]},
    "list": {"items": {"$ref": "#"}}
  },
  "required": ["name"], "additionalProperties": {"type": "string"}})";

std::shared_ptr<const Grammar> person() {
  const auto grammar = Grammar::from_json_schema(kPerson);
  EXPECT_TRUE(grammar) << refusal(grammar);
  return grammar ? *grammar : nullptr;
}

// Feeds the text in random allowed pieces; false when the text gets stuck.
bool accepts_in_pieces(const std::shared_ptr<const Grammar>& grammar,
                       const std::shared_ptr<const Vocabulary>& vocabulary, std::string_view text,
                       std::mt19937& random) {
  Matcher matcher(grammar, vocabulary);
  while (!text.empty()) {
    std::vector<std::size_t> pieces;
    for (std::size_t id = 0; id < vocabulary->num_tokens(); ++id) {
      const std::string& bytes = vocabulary->bytes_of(token(id));
      if (!bytes.empty() && text.starts_with(bytes)) pieces.push_back(id);
    }
    const auto mask = mask_of(matcher, *vocabulary);
    const std::size_t id = pieces[random() % pieces.size()];
    if (!has(mask, id) || !matcher.accept(token(id))) return false;
    text.remove_prefix(vocabulary->bytes_of(token(id)).size());
  }
  return matcher.can_end() && matcher.accept(token(kEnd)) && matcher.is_finished();
}

TEST(Matcher, AcceptsAValidTextHoweverItIsCut) {
  const auto vocabulary = json_vocabulary();
  const auto grammar = person();
  std::mt19937 random(3);
  for (
      const std::string text :
      {R"({"name": "ab"})", R"({"name":"\"\u00e9世","age":123,"kind":"ab"})",
       "{\n  \"name\": \"😀\",\n  \"id\": -0.5e+10\n}",
       R"({"name": "", "list": [{"name": "a", "list": []}, {"name":"b"}], "x": "\ud83d\ude00"})"}) {
    for (int i = 0; i < 30; ++i)
      EXPECT_TRUE(accepts_in_pieces(grammar, vocabulary, text, random)) << text;
  }
  for (const std::string text : {R"({"name": "abcdefg"})", R"({"age": 151})", R"({"name": "a",})"})
    EXPECT_FALSE(accepts_in_pieces(grammar, vocabulary, text, random)) << text;
}

TEST(Matcher, MasksAreExactAlongRandomTexts) {
  const auto vocabulary = json_vocabulary();
  const auto grammar = person();
  std::mt19937 random(4);
  for (int i = 0; i < 20; ++i) {
    Matcher matcher(grammar, vocabulary);
    for (int step = 0; step < 25 && !matcher.is_finished(); ++step) {
      expect_exact_mask(matcher, *vocabulary);
      const auto mask = mask_of(matcher, *vocabulary);
      std::size_t id = random() % vocabulary->num_tokens();
      while (!has(mask, id)) id = (id + 1) % vocabulary->num_tokens();
      ASSERT_TRUE(matcher.accept(token(id)));
    }
  }
}

TEST(Matcher, SplitsCharactersAcrossTokens) {
  const auto vocabulary = json_vocabulary();
  const auto grammar = Grammar::from_regex("世");
  ASSERT_TRUE(grammar);
  Matcher matcher(*grammar, vocabulary);
  EXPECT_FALSE(matcher.accept(token('a')));
  EXPECT_TRUE(matcher.accept(token(0xE4)));
  EXPECT_FALSE(matcher.can_end());
  expect_exact_mask(matcher, *vocabulary);
  EXPECT_FALSE(matcher.accept(token(0xB9)));
  EXPECT_TRUE(matcher.accept(token(0xB8)));
  EXPECT_TRUE(matcher.accept(token(0x96)));
  EXPECT_TRUE(matcher.can_end());
}

TEST(Matcher, EndsOnlyWhereTheTextMayEnd) {
  const auto vocabulary = vocabulary_with({"aa"});
  const auto grammar = Grammar::from_regex("a{2,3}");
  ASSERT_TRUE(grammar);
  Matcher matcher(*grammar, vocabulary);
  EXPECT_FALSE(matcher.accept(token(kEnd)));
  EXPECT_FALSE(has(mask_of(matcher, *vocabulary), kEnd));
  EXPECT_TRUE(matcher.accept(token(257)));
  EXPECT_TRUE(has(mask_of(matcher, *vocabulary), kEnd));
  EXPECT_TRUE(has(mask_of(matcher, *vocabulary), 'a'));
  EXPECT_FALSE(has(mask_of(matcher, *vocabulary), 257));
  EXPECT_FALSE(matcher.accept(token(257)));
  EXPECT_TRUE(matcher.accept(token('a')));
  EXPECT_TRUE(matcher.accept(token(kEnd)));
  EXPECT_TRUE(matcher.is_finished());
  EXPECT_TRUE(has(mask_of(matcher, *vocabulary), kEnd));
  EXPECT_FALSE(matcher.accept(token('a')));
  EXPECT_FALSE(matcher.accept(static_cast<TokenId>(-1)));
  EXPECT_FALSE(matcher.accept(token(258)));
}

TEST(Matcher, ACopyGoesItsOwnWay) {
  const auto vocabulary = vocabulary_with({});
  const auto grammar = Grammar::from_regex("ab|cd");
  ASSERT_TRUE(grammar);
  Matcher matcher(*grammar, vocabulary);
  Matcher draft = matcher;
  EXPECT_TRUE(accepts_bytes(draft, "ab"));
  EXPECT_TRUE(accepts_bytes(matcher, "c"));
  draft = matcher;
  EXPECT_TRUE(accepts_bytes(draft, "d"));
  EXPECT_TRUE(draft.can_end());
  EXPECT_FALSE(matcher.can_end());
}

TEST(Matcher, NestsDeeplyAndClosesInTime) {
  const auto vocabulary = json_vocabulary();
  const auto grammar = Grammar::from_json_object();
  ASSERT_TRUE(grammar);
  Matcher matcher(*grammar, vocabulary);
  ASSERT_TRUE(accepts_bytes(matcher, "{\"a\":"));
  std::size_t depth = 0;
  while (matcher.accept(token('['))) ++depth;
  EXPECT_GT(depth, 100U);
  EXPECT_LT(depth, 200U);
  expect_exact_mask(matcher, *vocabulary);
  ASSERT_TRUE(accepts_bytes(matcher, std::string(depth, ']') + "}"));
  EXPECT_TRUE(matcher.can_end());
}

// Distinct texts lead to distinct places here, far more than the cache holds.
TEST(Matcher, StaysExactWhenTheCacheStartsAfresh) {
  const auto vocabulary = json_vocabulary();
  const auto grammar = Grammar::from_regex("(?:[a-z ]{15000}|[b-z0-9\"]{25000})");
  ASSERT_TRUE(grammar) << refusal(grammar);
  Matcher matcher(*grammar, vocabulary);
  Matcher behind = matcher;
  for (int i = 0; i < 14'999; ++i) {
    ASSERT_TRUE(matcher.accept(token("bcdefg"[i % 6])));
    if (i % 500 == 0) expect_exact_mask(matcher, *vocabulary);
  }
  expect_exact_mask(behind, *vocabulary);
  EXPECT_FALSE(matcher.can_end());
  ASSERT_TRUE(matcher.accept(token('x')));
  EXPECT_TRUE(matcher.can_end());
  expect_exact_mask(matcher, *vocabulary);
}

TEST(Matcher, GrammarsAreSharedByThreads) {
  const auto vocabulary = json_vocabulary();
  const auto grammar = person();
  std::vector<std::string> texts(4);
  {
    std::vector<std::jthread> threads;
    for (auto& text : texts) {
      threads.emplace_back([&] {
        std::mt19937 random(5);
        text = random_text(grammar, vocabulary, random, 40);
      });
    }
  }
  for (const auto& text : texts) EXPECT_EQ(text, texts.front());
  EXPECT_TRUE(matches(grammar, texts.front())) << texts.front();
}

TEST(Matcher, AmbiguousGrammarsKeepWithinTheirLimits) {
  const auto vocabulary = json_vocabulary();
  std::string source = "root ::= r0+\n";
  for (int i = 0; i < 9; ++i) {
    source +=
        fmt::format("r{} ::= (r{} | s{}) \"b\"?\ns{} ::= r{} \"a\"*\n", i, i + 1, i, i, i + 1);
  }
  source += "r9 ::= [a-z]+ root? [a-z]\n";
  const auto grammar = Grammar::from_ebnf(source);
  ASSERT_TRUE(grammar) << refusal(grammar);
  Matcher matcher(*grammar, vocabulary);
  for (int i = 0; i < 20; ++i) {
    const auto mask = mask_of(matcher, *vocabulary);
    ASSERT_TRUE(has(mask, 'a') || has(mask, 'b') || has(mask, kEnd)) << i;
    ASSERT_TRUE(matcher.accept(token("ab"[i % 2])));
  }
}

TEST(Vocabulary, RefusesWhatCannotWriteEveryText) {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
  bytes[0xC0].clear();
  EXPECT_TRUE(Vocabulary::create(bytes, {token(0xC1)}));
  EXPECT_THAT(Vocabulary::create(bytes, {}).error().text(), HasSubstr("no end token"));
  EXPECT_THAT(Vocabulary::create(bytes, {token(256)}).error().text(), HasSubstr("256"));
  EXPECT_THAT(Vocabulary::create(bytes, {static_cast<TokenId>(-1)}).error().text(),
              HasSubstr("-1"));
  EXPECT_THAT(Vocabulary::create(bytes, {token('a')}).error().text(), HasSubstr("byte 61"));
}

}  // namespace
}  // namespace fathom::grammar
