// Drawings of recorded machines.
#include "diagnose/topology/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "diagnose/facts/fact_json.h"

namespace fathom::diagnose {
namespace {

using testing::HasSubstr;
using testing::Not;

Facts recorded(const std::string& name) {
  const std::string path = FATHOM_SOURCE_DIR "/tests/data/diagnose/" + name;
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  auto facts = facts_from_json(text.str(), path);
  EXPECT_TRUE(facts) << facts.error().text();
  return *std::move(facts);
}

void expect_narrow(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
}

TEST(Topology, DrawsSwitchesBelowTheirNode) {
  const std::string text = topology_text(recorded("a100x8.json"));
  expect_narrow(text);
  EXPECT_THAT(text, HasSubstr("NUMA node 1: processors 64-127, memory 512 GiB (500 GiB free)\n"
                              "  +-- PCIe switch\n"
                              "  |     +-- GPU 4 NVIDIA A100-SXM4-80GB, 80.0 GiB, PCIe 4 x16"));
  EXPECT_THAT(text, HasSubstr("GPU 7 == 12 == NVSwitch"));
  EXPECT_THAT(text, HasSubstr("GPU0       X  NV12"));
}

TEST(Topology, ShowsPcieWhereNoNvlinkIs) {
  Facts facts = recorded("a100x8.json");
  for (LinkFacts& link : facts.links) link.num_nvlinks = 0;
  for (GpuFacts& gpu : facts.gpus) gpu.nvlinks.reset();
  const std::string text = topology_text(facts);
  EXPECT_THAT(text, HasSubstr("GPU0       X   PIX  NODE  NODE   SYS   SYS   SYS   SYS"));
  EXPECT_THAT(text, HasSubstr("PIX   through one PCIe switch"));
  EXPECT_THAT(text, Not(HasSubstr("NVLink, with")));
}

TEST(Topology, OfAMachineWithoutGpusIsItsNodes) {
  Facts facts = recorded("a100x8.json");
  facts.gpus.clear();
  facts.links.clear();
  facts.driver.problem_text = "no such\x1b[2J library";
  const std::string text = topology_text(facts);
  expect_narrow(text);
  EXPECT_THAT(text, HasSubstr("no GPU: no such?[2J library"));
  EXPECT_THAT(text, HasSubstr("node 1    32 10"));
}

TEST(Topology, OfAFullHouseFits80Columns) {
  Facts facts;
  for (int i = 0; i < 64; ++i) facts.gpus.push_back({.index = i});
  const std::string text = topology_text(facts);
  expect_narrow(text);
  EXPECT_THAT(text, HasSubstr("NUMA nodes: not supported"));
  EXPECT_THAT(text, HasSubstr("GPU63"));
  EXPECT_THAT(text, HasSubstr("?     not supported"));
}

}  // namespace
}  // namespace fathom::diagnose
