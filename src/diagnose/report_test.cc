// The report's lines, whatever stands in the facts.
#include "diagnose/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <sstream>
#include <string>

#include "diagnose/quantity_text.h"

namespace fathom::diagnose {
namespace {

using testing::HasSubstr;

TEST(Report, FitsAndSaysWhatIsNotSupported) {
  Facts facts;
  facts.gpus.push_back({.index = 0});
  const Findings findings{{.id = "an-id",
                           .severity = Severity::kError,
                           .evidence = std::string(200, 'x') + " then words " +
                                       std::string(60, 'y') + " and more of them",
                           .consequence = "c",
                           .fix = "f"}};
  const std::string text = report_text(facts, findings, 1);
  EXPECT_THAT(text, HasSubstr("utilization not supported"));
  EXPECT_THAT(text, HasSubstr("error: an-id"));
  EXPECT_THAT(text, HasSubstr("1 error, 0 warnings, 0 for information."));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    // Only the one long word may be wider.
    if (line.find("xxx") == std::string::npos) {
      EXPECT_LE(line.size(), 80U) << line;
    }
  }
}

TEST(Report, LetsNoEscapeSequenceThrough) {
  Facts facts;
  facts.gpus.push_back({.index = 0, .problem = "bad\x07", .name = "A\x1b[31mB\xff\nC\xc2\x9b"});
  facts.host.storage.push_back({.purpose = "model", .path = "/\x1b]0;x\x07"});
  for (const std::string& text : {report_text(facts, {}, 1), facts_text(facts)}) {
    for (const char each : text) EXPECT_TRUE(each == '\n' || (each >= ' ' && each != 0x7F));
    EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos);
  }
}

TEST(Report, OfMachinesIsOneObject) {
  const Findings findings{{.id = "an-id", .evidence = "e"}};
  const boost::json::object object = report_json({}, findings, 2);
  EXPECT_EQ(object.at("level"), 2);
  EXPECT_TRUE(object.at("facts").is_object());
  const boost::json::object& finding = object.at("findings").as_array().at(0).as_object();
  EXPECT_EQ(finding.at("id"), "an-id");
  EXPECT_EQ(finding.at("severity"), "info");
  for (const char* const field : {"evidence", "consequence", "fix", "next_command"}) {
    EXPECT_TRUE(finding.at(field).is_string());
  }
}

TEST(Quantities, ReadAsPeopleWriteThem) {
  EXPECT_EQ(bytes_text(0), "0 bytes");
  EXPECT_EQ(bytes_text(491'520), "480 KiB");
  EXPECT_EQ(bytes_text(13'820'731'392), "12.9 GiB");
  EXPECT_EQ(bytes_text(-(std::int64_t{3} << 30)), "-3.0 GiB");
  EXPECT_EQ(printable("Führer 中文"), "Führer 中文");
}

}  // namespace
}  // namespace fathom::diagnose
