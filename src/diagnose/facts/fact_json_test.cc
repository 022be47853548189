// Facts survive the way to JSON and back; files that are not facts are refused by the field.
#include "diagnose/facts/fact_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>
#include <string>

namespace fathom::diagnose {
namespace {

std::string healthy() {
  std::ifstream file(FATHOM_SOURCE_DIR "/tests/data/diagnose/healthy-h200x2.json");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(FactJson, IsTheSameAfterTheWayBack) {
  const auto facts = facts_from_json(healthy(), "file");
  ASSERT_TRUE(facts) << facts.error().text();
  EXPECT_EQ(facts->gpus.at(1).memory.total_bytes, 150'754'820'096);
  EXPECT_EQ(facts->gpus.at(0).nvlinks->at(5).port, 5);
  EXPECT_FALSE(facts->host.platform.jetson_model);
  const std::string once = boost::json::serialize(json_of(*facts));
  const auto again = facts_from_json(once, "file");
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(boost::json::serialize(json_of(*again)), once);
}

TEST(FactJson, RefusesWhatIsNotFactsByItsPlace) {
  const auto refused = [](const char* text) {
    const auto facts = facts_from_json(text, "file");
    return facts ? std::string("accepted") : facts.error().text();
  };
  EXPECT_THAT(refused("[]"), testing::HasSubstr("the whole is not an object"));
  EXPECT_THAT(refused(R"({"gpus": [{"index": 0}, {"pcie": {"width": "16"}}]})"),
              testing::HasSubstr("gpus[1].pcie.width is not a whole number"));
  EXPECT_THAT(refused(R"({"host": {"memory": {"totalbytes": 1}}})"),
              testing::HasSubstr("host.memory has a field that nobody knows: 'totalbytes'"));
  EXPECT_THAT(refused(R"({"gpus": {}})"), testing::HasSubstr("gpus is not an array"));
  EXPECT_THAT(refused(R"({"gpus": [{"index": 1.5}]})"), testing::HasSubstr("gpus[0].index"));
  EXPECT_THAT(refused(R"({"gpus": [{"index": null}]})"), testing::HasSubstr("gpus[0].index"));
  EXPECT_THAT(refused(R"({"gpus": [{"index": 9223372036854775807}]})"),
              testing::HasSubstr("53 bits"));
  std::string many = R"({"gpus": [{"index": 0})";
  for (int i = 0; i < 64; ++i) many += R"(, {"index": 0})";
  EXPECT_THAT(refused((many + "]}").c_str()), testing::HasSubstr("65 GPUs"));
  EXPECT_THAT(refused("{"), testing::HasSubstr("not valid JSON"));
}

TEST(FactJson, IsReadableWhateverNamesHold) {
  Facts facts;
  facts.host.memory.swap_users = {{.pid = 1, .name = "a\xff\x1b\nb 中"}};
  const auto again = facts_from_json(boost::json::serialize(json_of(facts)), "file");
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(again->host.memory.swap_users->front().name, "a???b 中");
}

TEST(FactJson, ListsWhatCannotBeReadAsNotSupported) {
  Facts facts;
  facts.gpus.push_back({.index = 0});
  facts.host.environment.emplace();
  bool found = false;
  for (const FactLine& line : fact_lines(facts)) {
    if (line.name == "gpus[0].pcie.width") {
      found = true;
      EXPECT_EQ(line.value, "not supported");
    }
    if (line.name == "host.environment") {
      EXPECT_EQ(line.value, "none");
    }
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace fathom::diagnose
