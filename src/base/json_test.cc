// Strict JSON: what is refused and why.
#include "base/json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

namespace fathom::base {
namespace {

std::string refusal(std::string_view text, const JsonLimits& limits = {}) {
  auto parsed = parse_json(text, "test", limits);
  return parsed ? "" : parsed.error().text();
}

TEST(ParseJson, ReadsValues) {
  auto parsed = parse_json(R"({"a": [1, -2, 3.5, "ü\n", true, null], "b": {"a": 1}})", "test");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->at("a").as_array().size(), 6U);
  EXPECT_EQ(parsed->at("b").at("a").as_int64(), 1);
}

TEST(ParseJson, RefusesADuplicateKey) {
  EXPECT_NE(refusal(R"({"a": 1, "b": 2, "a": 3})").find("twice"), std::string::npos);
  EXPECT_NE(refusal(R"([{"x": {"k": 1, "\u006b": 2}}])").find("twice"), std::string::npos);
  EXPECT_EQ(refusal(R"([{"a": 1}, {"a": 2}, {"b": {"a": 1}, "a": 2}])"), "");
}

TEST(ParseJson, RefusesDepthSizeAndRubbish) {
  EXPECT_NE(refusal(std::string(1000, '[')), "");
  EXPECT_EQ(refusal(std::string(32, '[') + std::string(32, ']')), "");
  EXPECT_NE(refusal("[1] x"), "");
  EXPECT_NE(refusal("{\"a\": 1"), "");
  EXPECT_NE(refusal(""), "");
  EXPECT_NE(refusal("\"\xff\""), "");
  EXPECT_NE(refusal("[1, 2, 3]", {.max_bytes = 4}), "");
}

}  // namespace
}  // namespace fathom::base
