// Each kind of finding is provoked by a change to a healthy machine's facts, and by nothing else.
#include "diagnose/checks/checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "diagnose/facts/fact_json.h"
#include "spec/known_models.h"

namespace fathom::diagnose {
namespace {

namespace json = boost::json;

const std::filesystem::path kSource = FATHOM_SOURCE_DIR;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(file) << path;
  return text.str();
}

json::value healthy() {
  return json::parse(read(kSource / "tests/data/diagnose/healthy-h200x2.json"));
}

// Sets the field or the element that a JSON pointer names.
void set_at(json::value& facts, std::string_view pointer, const json::value& value) {
  const std::size_t slash = pointer.rfind('/');
  json::error_code error;
  json::value* const holder = facts.find_pointer({pointer.data(), slash}, error);
  ASSERT_NE(holder, nullptr) << pointer;
  const std::string last(pointer.substr(slash + 1));
  if (holder->is_array()) {
    holder->as_array().at(std::stoul(last)) = value;
  } else {
    holder->as_object()[last] = value;
  }
}

ModelBytes model() { return model_bytes(*spec::known_shape("deepseek-llm-7b"), "deepseek-llm-7b"); }

Findings findings_of(const json::value& facts, const ModelBytes* of_model) {
  const auto read_facts = facts_from_json(json::serialize(facts), "facts");
  EXPECT_TRUE(read_facts) << read_facts.error().text();
  return check({.facts = *read_facts, .model = of_model});
}

std::multiset<std::string> ids_of(const Findings& findings) {
  std::multiset<std::string> ids;
  for (const Finding& each : findings) ids.emplace(each.id);
  return ids;
}

std::set<std::string> all_ids() {
  std::set<std::string> ids;
  for (const Theme* const theme : themes()) {
    for (const FindingKind& kind : theme->kinds) {
      EXPECT_TRUE(ids.emplace(kind.id).second) << kind.id << " stands twice";
    }
  }
  return ids;
}

json::array provocations() {
  return json::parse(read(kSource / "tests/data/diagnose/provocations.json")).as_array();
}

TEST(Checks, SayNothingOfAHealthyMachine) {
  const ModelBytes of_model = model();
  EXPECT_THAT(ids_of(findings_of(healthy(), &of_model)), testing::IsEmpty());
  EXPECT_THAT(ids_of(findings_of(healthy(), nullptr)), testing::IsEmpty());
}

TEST(Checks, SayNothingWhereNothingIsKnown) {
  const ModelBytes of_model = model();
  EXPECT_THAT(ids_of(findings_of(json::object(), &of_model)), testing::IsEmpty());
  // A GPU of which only the index is known.
  const json::value gpu = json::parse(R"({"gpus": [{"index": 0}], "build": {"cuda_version": "13.0"},
                                          "links": [{"gpu_a": 0, "gpu_b": 1}]})");
  EXPECT_THAT(ids_of(findings_of(gpu, &of_model)), testing::IsEmpty());
}

TEST(Checks, FindWhatIsProvokedAndNothingElse) {
  const ModelBytes of_model = model();
  for (const json::value& each : provocations()) {
    const json::object& provocation = each.as_object();
    const std::string id(provocation.at("finding").as_string().c_str());
    json::value facts = healthy();
    for (const auto& [pointer, value] : provocation.at("patch").as_object()) {
      set_at(facts, pointer, value);
    }
    std::multiset<std::string> expected{id};
    if (const json::value* const also = provocation.if_contains("also")) {
      for (const json::value& more : also->as_array()) expected.emplace(more.as_string().c_str());
    }
    const Findings findings =
        findings_of(facts, provocation.contains("model") ? &of_model : nullptr);
    EXPECT_EQ(ids_of(findings), expected) << json::serialize(provocation);
    const auto found = std::ranges::find(findings, id, &Finding::id);
    ASSERT_NE(found, findings.end()) << json::serialize(provocation);
    const std::string says(provocation.at("says").as_string().c_str());
    EXPECT_THAT(found->evidence + found->consequence, testing::HasSubstr(says));
    EXPECT_FALSE(found->evidence.empty() || found->consequence.empty() || found->fix.empty()) << id;
  }
}

TEST(Checks, EveryKindHasAProvocation) {
  std::set<std::string> provoked;
  for (const json::value& each : provocations()) {
    provoked.emplace(each.as_object().at("finding").as_string().c_str());
  }
  EXPECT_EQ(provoked, all_ids());
}

// A kind that no list of kinds has would stay out of the docs and out of these tests.
TEST(Checks, EveryKindOfTheSourceIsListed) {
  std::set<std::string> in_source;
  for (const auto& entry : std::filesystem::directory_iterator(kSource / "src/diagnose/checks")) {
    if (!entry.path().string().ends_with("_checks.cc")) continue;
    const std::string text = read(entry.path());
    const std::regex kind(R"re(FindingKind k\w+\{\s*"([a-z0-9-]+)")re");
    for (std::sregex_iterator found(text.begin(), text.end(), kind), end; found != end; ++found) {
      in_source.emplace((*found)[1]);
    }
  }
  EXPECT_EQ(in_source, all_ids());
}

TEST(Checks, TheDocumentationListsEveryKind) {
  const std::string docs = read(kSource / "docs/doctor.md");
  std::string expected;
  for (const Theme* const theme : themes()) {
    expected += "\n### " + std::string(theme->name) + "\n\n| finding | severity | raised when |\n";
    expected += "|---|---|---|\n";
    for (const FindingKind& kind : theme->kinds) {
      expected += "| `" + std::string(kind.id) + "` | " + std::string(name(kind.severity)) + " | " +
                  std::string(kind.meaning) + " |\n";
    }
  }
  EXPECT_NE(docs.find(expected), std::string::npos) << "docs/doctor.md must have:\n" << expected;
}

TEST(Checks, PutErrorsFirst) {
  json::value facts = healthy();
  set_at(facts, "/gpus/0/mig_enabled", true);
  set_at(facts, "/host/memory/shm_total_bytes", 1);
  set_at(facts, "/gpus/1/health/ecc_uncorrected", 1);
  const Findings findings = findings_of(facts, nullptr);
  ASSERT_EQ(findings.size(), 3U);
  EXPECT_EQ(findings[0].severity, Severity::kError);
  EXPECT_EQ(findings[1].severity, Severity::kWarning);
  EXPECT_EQ(findings[2].severity, Severity::kInfo);
}

}  // namespace
}  // namespace fathom::diagnose
