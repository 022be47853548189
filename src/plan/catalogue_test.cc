// Files with mistakes: the error names the place and the field.
#include "plan/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "plan/embedded_data.h"

namespace fathom::plan {
namespace {

namespace json = boost::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

// The built-in file with a change.
template <typename F>
std::string refusal(F&& change) {
  json::value file = json::parse(embedded_catalogue());
  change(file.as_object());
  const auto made = parse_catalogue(json::serialize(file), "mine.json");
  return made ? "no error" : made.error().text();
}

json::object& first_gpu(json::object& file) { return file["gpus"].as_array()[0].as_object(); }

TEST(Catalogue, NamesTheFieldThatIsWrong) {
  EXPECT_THAT(refusal([](json::object& file) { first_gpu(file).erase("memory_gib"); }),
              AllOf(HasSubstr("mine.json.gpus[0]"), HasSubstr("'memory_gib' is missing")));
  EXPECT_THAT(
      refusal([](json::object& file) { first_gpu(file)["watts"].as_object().erase("verified"); }),
      AllOf(HasSubstr("gpus[0].watts"), HasSubstr("'verified' is missing")));
  EXPECT_THAT(refusal([](json::object& file) {
                first_gpu(file)["fp16_tflops"].as_object()["value"] = -65;
              }),
              AllOf(HasSubstr("gpus[0].fp16_tflops"),
                    HasSubstr("'value' is not a number above 0 and below 10^9")));
  EXPECT_THAT(refusal([](json::object& file) {
                first_gpu(file)["fp16_tflops"].as_object()["source"] = "nobody";
              }),
              HasSubstr("source 'nobody'"));
  EXPECT_THAT(refusal([](json::object& file) { first_gpu(file)["bandwith"] = 3; }),
              HasSubstr("'bandwith' is not known"));
  EXPECT_THAT(
      refusal([](json::object& file) { file["gpus"].as_array()[1].as_object()["name"] = "t4"; }),
      HasSubstr("'t4' is taken"));
  EXPECT_THAT(refusal([](json::object& file) { first_gpu(file)["name"] = "cpu"; }),
              HasSubstr("'cpu' is taken"));
  EXPECT_THAT(refusal([](json::object& file) { file["gpus"] = json::array(); }),
              HasSubstr("'gpus' is empty"));
  EXPECT_THAT(refusal([](json::object& file) { file.erase("sources"); }),
              HasSubstr("'sources' is missing"));
  EXPECT_THAT(refusal([](json::object& file) { first_gpu(file)["architecture"] = 1e300; }),
              HasSubstr("'architecture' is not"));
  EXPECT_THAT(
      refusal([](json::object& file) { first_gpu(file)["table_counts"] = json::array{1e8}; }),
      HasSubstr("'table_counts' is over 64"));
  EXPECT_FALSE(parse_catalogue("[1]", "mine.json"));
  EXPECT_FALSE(parse_catalogue("{", "mine.json"));
}

TEST(Catalogue, EveryFigureHasASourceAndADate) {
  const Catalogue catalogue = *parse_catalogue(embedded_catalogue(), "catalogue");
  for (const Accelerator& each : catalogue.accelerators) {
    for (const Figure& figure : {each.memory_gib, each.bandwidth_gb_per_s, each.fp16_tflops}) {
      EXPECT_GT(figure.value, 0) << each.name;
      EXPECT_GT(figure.source.size(), 5U) << each.name;
      EXPECT_EQ(figure.date.size(), 7U) << each.name;
    }
  }
}

TEST(Catalogue, KnowsCardsByWhatDriversCallThem) {
  const Catalogue catalogue = *parse_catalogue(embedded_catalogue(), "catalogue");
  EXPECT_TRUE(catalogue.find("t4")->is_called("Tesla T4"));
  EXPECT_TRUE(catalogue.find("a100-80")->is_called("NVIDIA A100-SXM4-80GB"));
  EXPECT_TRUE(catalogue.find("h200")->is_called("NVIDIA H200"));
  // Names that begin alike are other cards.
  EXPECT_FALSE(catalogue.find("l4")->is_called("NVIDIA L40S"));
  EXPECT_FALSE(catalogue.find("h200")->is_called("NVIDIA H200 NVL"));
}

TEST(Prices, ReplaceThoseBuiltIn) {
  Catalogue catalogue = *parse_catalogue(embedded_catalogue(), "catalogue");
  ASSERT_TRUE(apply_prices(catalogue, embedded_prices(), "prices"));
  EXPECT_FALSE(catalogue.find("t4")->price->is_verified);
  const auto apply = [&catalogue](std::string_view fields) {
    const std::string text = std::string(R"({"sources": {"mine": "my contract"}, "prices": [{)") +
                             std::string(fields) + "}]}";
    const auto done = apply_prices(catalogue, text, "mine.json");
    return done ? "" : done.error().text();
  };
  EXPECT_EQ(apply(R"("gpu": "t4", "low": 0.3, "high": 0.5, "source": "mine", "date": "2026-11",
                     "verified": true)"),
            "");
  EXPECT_DOUBLE_EQ(catalogue.find("t4")->price->likely(), 0.4);
  EXPECT_TRUE(catalogue.find("t4")->price->is_verified);
  EXPECT_THAT(apply(R"("gpu": "t5", "low": 1, "high": 2, "source": "mine", "date": "2026-11",
                       "verified": true)"),
              HasSubstr("'t5' is none of t4"));
  EXPECT_THAT(apply(R"("gpu": "t4", "low": 3, "high": 2, "source": "mine", "date": "2026-11",
                       "verified": true)"),
              HasSubstr("'low' is above 'high'"));
  EXPECT_THAT(apply(R"("gpu": "t4", "high": 2, "source": "mine", "date": "2026-11",
                       "verified": true)"),
              HasSubstr("'low' is missing"));
}

}  // namespace
}  // namespace fathom::plan
