// Keys: files good and bad, headers good and bad.
#include "serve/access/api_keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace fathom::serve {
namespace {

using base::ErrorCode;

constexpr const char* kKey = "sk-0123456789abcdef";

std::string digest_hex(std::string_view key) {
  return base::Sha256::hex(base::Sha256::of(std::as_bytes(std::span(key.data(), key.size()))));
}

ApiKeys parse(std::string_view text) {
  auto keys = ApiKeys::parse(text, "keys");
  EXPECT_TRUE(keys) << keys.error().text();
  return *std::move(keys);
}

std::string parse_error(std::string_view text) {
  auto keys = ApiKeys::parse(text, "keys");
  EXPECT_FALSE(keys);
  if (keys) return "";
  EXPECT_EQ(keys.error().code, ErrorCode::kInvalidArgument);
  return keys.error().text();
}

TEST(ApiKeysTest, ReadsPlainKeysDigestsNamesAndComments) {
  const ApiKeys keys =
      parse(std::string("# a comment\r\n\n  ") + kKey + "  alice smith # hers\r\n" +
            "sha256:" + digest_hex("the-second-key-of-all") + "\tbob\n" + "the#third-key-of-all");
  EXPECT_EQ(keys.size(), 3U);
  const auto alice = keys.check(std::string("Bearer ") + kKey);
  ASSERT_TRUE(alice);
  EXPECT_EQ(alice->name, "alice smith");
  EXPECT_EQ(alice->tenant, digest_hex(kKey).substr(0, 32));
  EXPECT_EQ(keys.check("Bearer the-second-key-of-all")->name, "bob");
  const auto third = keys.check("Bearer the#third-key-of-all");
  ASSERT_TRUE(third);
  EXPECT_EQ(third->name, third->tenant.substr(0, 8));
}

TEST(ApiKeysTest, TenantsAreStableAndTheirOwn) {
  std::string file;
  for (int i = 0; i < 50; ++i) file += "a-long-enough-key-" + std::to_string(i) + "\n";
  const ApiKeys keys = parse(file);
  std::set<std::string> tenants;
  for (int i = 0; i < 50; ++i) {
    const std::string header = "Bearer a-long-enough-key-" + std::to_string(i);
    const auto client = keys.check(header);
    ASSERT_TRUE(client);
    tenants.insert(client->tenant);
    EXPECT_EQ(client->tenant, parse(file + "another-key-at-the-end\n").check(header)->tenant);
  }
  EXPECT_EQ(tenants.size(), 50U);
}

TEST(ApiKeysTest, RefusesHeadersThatAreNotAKey) {
  const ApiKeys keys = parse(kKey);
  const std::string key = kKey;
  for (const std::string& header :
       std::vector<std::string>{std::string(),
                                "   ",
                                key,
                                "Basic " + key,
                                "Bearer",
                                "Bearer ",
                                "Bearer" + key,
                                "Bearer " + key + " x",
                                "Bearer x " + key,
                                "Bearer " + key + "x",
                                "Bearer " + key.substr(0, key.size() - 1),
                                "Bearer " + digest_hex(key),
                                "Bearer sha256:" + digest_hex(key),
                                std::string("Bearer\0", 7) + key,
                                "Bearer " + key + std::string(1, '\0'),
                                "Bearer " + std::string(1 << 20, 'x'),
                                std::string(1 << 20, ' '),
                                "Bearer \xc3\xbc",
                                "Bearer," + key,
                                "Bearer \"" + key + "\"",
                                "Bearer SK-0123456789ABCDEF"}) {
    const auto client = keys.check(header);
    ASSERT_FALSE(client) << header.substr(0, 60);
    EXPECT_EQ(client.error().code, ErrorCode::kUnauthenticated);
    EXPECT_EQ(client.error().text().find(key), std::string::npos);
  }
  EXPECT_TRUE(keys.check("bEaReR \t " + key + "  "));
}

TEST(ApiKeysTest, TellsNothingOfWhichKeyComesNear) {
  const ApiKeys keys = parse(std::string(kKey) + "\nanother-long-enough-key\n");
  const std::string near = keys.check("Bearer sk-0123456789abcdeX").error().text();
  EXPECT_EQ(near, keys.check("Bearer zzzzzzzzzzzzz").error().text());
  EXPECT_EQ(near, keys.check("Bearer another-long-enough-keY").error().text());
}

TEST(ApiKeysTest, ChecksRequestsWithExactlyOneHeader) {
  const ApiKeys keys = parse(kKey);
  const std::string value = std::string("Bearer ") + kKey;
  net::HttpRequest request;
  EXPECT_FALSE(keys.check(request));
  request.headers = {{"Host", "x"}, {"AUTHORIZATION", value}};
  EXPECT_TRUE(keys.check(request));
  request.headers.emplace_back("authorization", value);
  EXPECT_FALSE(keys.check(request));
}

TEST(ApiKeysTest, SaysWhatIsWrongWithAFileButNotTheKey) {
  EXPECT_NE(parse_error("").find("no key"), std::string::npos);
  EXPECT_NE(parse_error("# nothing\n\n").find("no key"), std::string::npos);
  const std::string bad_digest = parse_error("# one\nsha256:abcd\n");
  EXPECT_NE(bad_digest.find("keys:2"), std::string::npos) << bad_digest;
  EXPECT_NE(bad_digest.find("64"), std::string::npos) << bad_digest;
  EXPECT_EQ(bad_digest.find("abcd"), std::string::npos) << bad_digest;
  parse_error("sha256:" + std::string(63, 'a') + "g");
  parse_error("sha256:" + std::string(65, 'a'));
  parse_error(std::string(513, 'k'));
  parse_error("schl\xc3\xbcssel-0123456789");
  parse_error(std::string("nul\0in-a-long-key", 17));
  parse_error(std::string(kKey) + " " + std::string(65, 'n'));
  parse_error(std::string(kKey) + " bell\a");
  const std::string twice = parse_error(std::string(kKey) + "\nsha256:" + digest_hex(kKey));
  EXPECT_NE(twice.find("already"), std::string::npos) << twice;
}

TEST(ApiKeysTest, LoadsAFileAndWarnsIfOthersCanReadIt) {
  const auto path =
      std::filesystem::temp_directory_path() / ("fathom_api_keys_" + std::to_string(::getpid()));
  std::ofstream(path) << kKey << "\n";
  ::chmod(path.c_str(), 0600);
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(ApiKeys::load(path));
  const std::string quiet = ::testing::internal::GetCapturedStderr();
  ::chmod(path.c_str(), 0644);
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(ApiKeys::load(path)->check(std::string("Bearer ") + kKey));
  const std::string warned = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(quiet.find("other users"), std::string::npos) << quiet;
  EXPECT_NE(warned.find("other users"), std::string::npos) << warned;
  EXPECT_EQ(warned.find(kKey), std::string::npos);
  std::filesystem::remove(path);
  EXPECT_EQ(ApiKeys::load(path).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace fathom::serve
