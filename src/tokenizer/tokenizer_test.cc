// A small vocabulary made here: added tokens, plain ranges, special tokens, refusals.
#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>

#include "tokenizer/normalizer.h"
#include "tokenizer/regex.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

namespace json = boost::json;

// The character that stands for a byte.
std::string spelling(int byte) {
  const auto stands = [](int b) {
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
  };
  int code = byte;
  if (!stands(byte)) {
    code = 0x100;
    for (int b = 0; b < byte; ++b) code += stands(b) ? 0 : 1;
  }
  std::string text;
  append_utf8(static_cast<char32_t>(code), text);
  return text;
}

json::object added(int id, const char* content, bool special) {
  return {{"id", id},        {"content", content},     {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", !special}, {"special", special}};
}

// 256 bytes, "ab", "abc", then a control token, a plain one and the literal ü.
json::object vocabulary() {
  json::object vocab;
  for (int byte = 0; byte < 256; ++byte) vocab[spelling(byte)] = byte;
  vocab.erase("ü");  // byte 0xFC is in no UTF-8: its character is free for a token of its own
  vocab["ab"] = 256;
  vocab["abc"] = 257;
  return {{"model", json::object{{"type", "BPE"},
                                 {"vocab", vocab},
                                 {"merges", json::array{"a b", json::array{"ab", "c"}}}}},
          {"added_tokens", json::array{added(258, "<end>", true), added(259, "<think>", false),
                                       added(260, "ü", false), added(261, "<bos>", true)}},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           json::object{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
          {"post_processor", nullptr},
          {"decoder", json::object{{"type", "ByteLevel"}}}};
}

std::shared_ptr<const Tokenizer> make(const json::object& object, std::string_view config = "") {
  auto parsed = Tokenizer::parse(json::serialize(object), config, "t");
  EXPECT_TRUE(parsed) << parsed.error().text();
  return *parsed;
}

std::vector<int> ids(const Tokenizer& tokenizer, std::string_view text,
                     const EncodeOptions& options = {}) {
  auto encoded = tokenizer.encode(text, options);
  EXPECT_TRUE(encoded) << encoded.error().text();
  std::vector<int> out;
  for (const TokenId id : *encoded) out.push_back(base::index(id));
  return out;
}

TEST(Tokenizer, MergesByRank) {
  const auto tokenizer = make(vocabulary());
  EXPECT_EQ(ids(*tokenizer, "abcabab"), (std::vector<int>{257, 256, 256}));
  EXPECT_EQ(ids(*tokenizer, ""), std::vector<int>{});
  std::string many;
  std::vector<int> expected;
  for (int i = 0; i < 200; ++i) {  // the heap's path
    many += "abc";
    expected.push_back(257);
  }
  EXPECT_EQ(ids(*tokenizer, many), expected);
}

TEST(Tokenizer, TakesAddedTokensLiterallyAndDecodesThem) {
  const auto tokenizer = make(vocabulary());
  EXPECT_EQ(ids(*tokenizer, "ü<end>a"), (std::vector<int>{260, 258, 'a'}));
  const std::vector<TokenId> tokens{TokenId{260}, TokenId{258}, TokenId{259}};
  EXPECT_EQ(*tokenizer->decode(tokens), "ü<think>");
  EXPECT_EQ(*tokenizer->decode(tokens, {.skip_special = false}), "ü<end><think>");
  EXPECT_FALSE(tokenizer->decode(std::vector{TokenId{262}}));
  EXPECT_FALSE(tokenizer->decode(std::vector{TokenId{-1}}));
}

TEST(Tokenizer, ReadsNoControlTokensInPlainRanges) {
  const auto tokenizer = make(vocabulary());
  const std::string text = "<end>ü<end><think>";
  const std::vector<base::ByteRange> plain{{5, text.size()}};
  const auto encoded = ids(*tokenizer, text, {.plain_ranges = plain});
  EXPECT_EQ(encoded[0], 258);  // outside the range
  EXPECT_EQ(encoded[1], 260);  // a letter stays a letter
  EXPECT_EQ(encoded[2], '<');
  EXPECT_EQ(encoded.size(), 2 + 5 + 7U);
  // A range that cuts a token spoils it as a whole.
  const std::vector<base::ByteRange> cut{{3, 4}};
  EXPECT_EQ(ids(*tokenizer, "<end>", {.plain_ranges = cut}).size(), 5U);
}

TEST(Tokenizer, TakesManyPlainRangesWithoutDelay) {
  const auto tokenizer = make(vocabulary());
  std::string text;
  std::vector<base::ByteRange> plain;
  for (int i = 0; i < 100'000; ++i) {
    text += "<end>a<end>";
    plain.push_back({text.size() - 6, text.size()});
  }
  const auto start = std::chrono::steady_clock::now();
  const auto encoded = ids(*tokenizer, text, {.plain_ranges = plain});
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_EQ(encoded.size(), 100'000 * (1 + 6U));
}

TEST(Tokenizer, PutsSpecialTokensWhereConfigAndTemplateSay) {
  const char* config = R"({"add_bos_token": true, "add_eos_token": true,
                           "bos_token": {"content": "<bos>"}, "eos_token": "<end>"})";
  const auto tokenizer = make(vocabulary(), config);
  EXPECT_EQ(ids(*tokenizer, "a"), (std::vector{261, int{'a'}, 258}));
  EXPECT_EQ(ids(*tokenizer, "a", {.add_special = false}), (std::vector{int{'a'}}));
  EXPECT_EQ(tokenizer->bos_token(), TokenId{261});
  json::object templated = vocabulary();
  templated["post_processor"] = json::object{
      {"type", "TemplateProcessing"},
      {"single", json::array{json::object{{"SpecialToken", json::object{{"id", "<bos>"}}}},
                             json::object{{"Sequence", json::object{{"id", "A"}}}}}}};
  EXPECT_EQ(ids(*make(templated), "a"), (std::vector{261, int{'a'}}));
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  const auto tokenizer = make(vocabulary());
  const auto encoded = tokenizer->encode("ab\xC3(");
  ASSERT_FALSE(encoded);
  EXPECT_NE(encoded.error().text().find("byte 2"), std::string::npos);
}

TEST(Tokenizer, RefusesWhatItCannotFollow) {
  const auto refused = [](const std::function<void(json::object&)>& edit) {
    json::object object = vocabulary();
    edit(object);
    auto parsed = Tokenizer::parse(json::serialize(object), "", "t");
    EXPECT_FALSE(parsed) << json::serialize(object).substr(0, 200);
  };
  const auto model = [](json::object& o) -> json::object& { return o["model"].get_object(); };
  refused([&](json::object& o) { model(o)["type"] = "Unigram"; });
  refused([&](json::object& o) { model(o)["dropout"] = 0.1; });
  refused([&](json::object& o) { model(o)["unk_token"] = "<unk>"; });
  refused([&](json::object& o) { model(o)["byte_fallback"] = true; });
  refused([&](json::object& o) { model(o)["vocab"].get_object().erase("a"); });
  refused([&](json::object& o) { model(o)["vocab"].get_object()["€"] = 999; });
  refused([&](json::object& o) { model(o)["vocab"].get_object()["zz"] = 256; });
  refused([&](json::object& o) { model(o)["vocab"].get_object()["zz"] = 1 << 24; });
  refused([&](json::object& o) { model(o)["vocab"].get_object()["zz"] = -1; });
  refused([&](json::object& o) { model(o)["merges"] = json::array{"a z z"}; });
  refused([&](json::object& o) { model(o)["merges"] = json::array{"ab"}; });
  refused([&](json::object& o) { model(o)["merges"] = json::array{1}; });
  refused([&](json::object& o) { model(o).erase("merges"); });
  refused([](json::object& o) { o["truncation"] = json::object{{"max_length", 5}}; });
  refused([](json::object& o) { o["padding"] = json::object{{"x", 5}}; });
  refused([](json::object& o) { o["normalizer"] = json::object{{"type", "Lowercase"}}; });
  refused([](json::object& o) { o["pre_tokenizer"] = json::object{{"type", "Metaspace"}}; });
  refused([](json::object& o) { o["pre_tokenizer"] = nullptr; });
  refused([](json::object& o) { o["decoder"] = json::object{{"type", "WordPiece"}}; });
  refused([](json::object& o) { o["post_processor"] = json::object{{"type", "Bert"}}; });
  refused([](json::object& o) { o["added_tokens"] = json::array{added(5, "x", false)}; });
  refused([](json::object& o) { o["added_tokens"] = json::array{added(300, "", false)}; });
  refused([](json::object& o) { o["added_tokens"].get_array()[0].get_object()["lstrip"] = true; });
  for (const char* pattern : {"(", "[a[b]]", "[\\S]"}) {
    refused([&](json::object& o) {
      o["pre_tokenizer"] = json::object{{"type", "Split"},
                                        {"pattern", json::object{{"Regex", pattern}}},
                                        {"behavior", "Isolated"}};
    });
  }
  for (const char* text : {"", "[]", "{}", "{\"model\": 5}", "nonsense"}) {
    EXPECT_FALSE(Tokenizer::parse(text, "", "t")) << text;
  }
}

TEST(Tokenizer, EndsAPatternThatWouldRunForever) {
  json::object object = vocabulary();
  object["pre_tokenizer"] = json::object{{"type", "Split"},
                                         {"pattern", json::object{{"Regex", "(a+a+)+[bc]"}}},
                                         {"behavior", "Isolated"}};
  EXPECT_FALSE(make(object)->encode(std::string(60, 'a')));
}

TEST(Regex, ReadsSpacesAsOnigurumaDoes) {
  auto spaces = Regex::compile("\\s", "t");
  ASSERT_TRUE(spaces);
  Regex::Scratch scratch(*spaces);
  std::string found;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(c, text);
    if (spaces->find(text, 0, scratch)->begin < text.size()) found += std::to_string(c) + " ";
  }
  EXPECT_EQ(found,
            "9 10 11 12 13 32 133 160 5760 8192 8193 8194 8195 8196 8197 8198 8199 8200 8201 8202 "
            "8232 8233 8239 8287 12288 ");
}

TEST(Normalizer, SkipsOnlyWhatFormCLeavesAlone) {
  for (char32_t c = 1; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(c, text);
    if (!is_surely_nfc(text)) continue;
    ASSERT_EQ(*to_nfc(text), text) << static_cast<std::uint32_t>(c);
    ASSERT_EQ(utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class, 0);
    // Nor may it join the character before it.
    const std::string after_letter = "a" + text;
    ASSERT_EQ(*to_nfc(after_letter), after_letter);
  }
  EXPECT_EQ(*to_nfc("u\xCC\x88"), "ü");
}

TEST(Normalizer, OrdersMarksAsUtf8procDoes) {
  // Marks of many classes, some that decompose into several, Hangul, and letters between them.
  const char32_t characters[] = {U'a',   U'u',   0x301,  0x323,  0x308,  0x344,
                                 0x345,  0x1DC4, 0x5B0,  0x1E14, 0xAC00, 0x1100,
                                 0x1161, 0x11A8, 0x2126, 0x304B, 0x3099};
  std::uint32_t state = 1;
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (int i = 0; i < 12; ++i) {
      state = state * 1664525 + 1013904223;
      append_utf8(characters[(state >> 16) % std::size(characters)], text);
    }
    utf8proc_uint8_t* expected =
        utf8proc_NFC(reinterpret_cast<const utf8proc_uint8_t*>(text.c_str()));
    EXPECT_EQ(*to_nfc(text), reinterpret_cast<const char*>(expected));
    std::free(expected);
  }
}

TEST(Normalizer, TakesAMegabyteOfMarksWithoutDelay) {
  std::string text = "e";
  for (int i = 0; i < 250'000; ++i) text += "\xCC\x81\xCC\xA3";  // an acute above, a dot below
  const auto start = std::chrono::steady_clock::now();
  const std::string composed = *to_nfc(text);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_TRUE(composed.starts_with("\xE1\xBA\xB9\xCC\xA3")) << composed.substr(0, 8);
}

TEST(Utf8, ReplacesInvalidRunsAsUnicodeRecommends) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(to_valid_utf8("a\xE4\xB8z"), "a" + r + "z");
  EXPECT_EQ(to_valid_utf8("\xF0\x9F\x98"), r);
  EXPECT_EQ(to_valid_utf8("\xC0\xAF\xED\xA0\x80"), r + r + r + r + r);
  EXPECT_EQ(to_valid_utf8("ü"), "ü");
  EXPECT_EQ(valid_utf8_prefix("ab\xF4\x90\x80\x80"), 2U);
}

}  // namespace
}  // namespace fathom::tokenizer
