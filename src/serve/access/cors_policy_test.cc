// CORS: off, for all, for some.
#include "serve/access/cors_policy.h"

#include <gtest/gtest.h>

#include <string>

namespace fathom::serve {
namespace {

net::HttpRequest preflight(const std::string& origin, const std::string& headers = "") {
  net::HttpRequest request{.method = "OPTIONS", .path = "/v1/models"};
  request.headers = {{"Origin", origin}, {"Access-Control-Request-Method", "POST"}};
  if (!headers.empty()) request.headers.emplace_back("Access-Control-Request-Headers", headers);
  return request;
}

std::string header(const net::HttpResponse& response, std::string_view name) {
  return std::string(net::find_header(response.headers, name));
}

CorsPolicy allow(const std::vector<std::string>& origins) {
  auto policy = CorsPolicy::allow(origins);
  EXPECT_TRUE(policy) << policy.error().text();
  return *policy;
}

TEST(CorsPolicyTest, IsOffUnlessAsked) {
  net::HttpHeaders headers;
  for (const CorsPolicy& policy : {CorsPolicy(), allow({})}) {
    EXPECT_FALSE(policy.is_on());
    EXPECT_FALSE(policy.answer_preflight(preflight("http://a")));
    policy.add_headers(preflight("http://a"), headers);
  }
  EXPECT_TRUE(headers.empty());
}

TEST(CorsPolicyTest, AllowsAll) {
  const CorsPolicy policy = allow({"*"});
  const auto answer = policy.answer_preflight(preflight("null", "authorization,x-stainless-os"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 204);
  EXPECT_EQ(header(*answer, "Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(header(*answer, "Access-Control-Allow-Headers"), "authorization,x-stainless-os");
  EXPECT_NE(header(*answer, "Access-Control-Allow-Methods").find("POST"), std::string::npos);
  EXPECT_EQ(header(*answer, "Access-Control-Allow-Credentials"), "");
}

TEST(CorsPolicyTest, AllowsOnlyTheOriginsGiven) {
  const CorsPolicy policy = allow({"https://chat.example.org", "http://localhost:3000"});
  const auto answer = policy.answer_preflight(preflight("http://localhost:3000"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(header(*answer, "Access-Control-Allow-Origin"), "http://localhost:3000");
  EXPECT_EQ(header(*answer, "Vary"), "Origin");
  for (const char* origin : {"http://localhost", "http://localhost:30000", "null", "*",
                             "https://chat.example.org.evil.org", "https://CHAT.example.org"}) {
    const auto refusal = policy.answer_preflight(preflight(origin));
    ASSERT_TRUE(refusal) << origin;
    EXPECT_EQ(refusal->status, 403) << origin;
    EXPECT_EQ(header(*refusal, "Access-Control-Allow-Origin"), "") << origin;
    net::HttpHeaders headers;
    policy.add_headers(preflight(origin), headers);
    EXPECT_EQ(headers, (net::HttpHeaders{{"Vary", "Origin"}})) << origin;
  }
}

TEST(CorsPolicyTest, LeavesOtherRequestsToTheRoutes) {
  const CorsPolicy policy = allow({"*"});
  net::HttpRequest request = preflight("http://a");
  request.method = "POST";
  EXPECT_FALSE(policy.answer_preflight(request));
  request.method = "OPTIONS";
  request.headers = {{"Origin", "http://a"}};
  EXPECT_FALSE(policy.answer_preflight(request));
  request.headers = {{"Access-Control-Request-Method", "POST"}};
  EXPECT_FALSE(policy.answer_preflight(request));
}

TEST(CorsPolicyTest, GivesBackOnlyHeaderNames) {
  const CorsPolicy policy = allow({"*"});
  for (const std::string& hostile :
       {std::string("a\r\nSet-Cookie: x"), std::string("a;b"), std::string(5000, 'a')}) {
    const auto answer = policy.answer_preflight(preflight("http://a", hostile));
    ASSERT_TRUE(answer);
    EXPECT_EQ(header(*answer, "Access-Control-Allow-Headers"), "Authorization, Content-Type");
  }
}

TEST(CorsPolicyTest, RefusesWhatIsNotAnOrigin) {
  for (const char* origin : {"", "example.org", "https://", "://x", "https://x/", "https://X",
                             "https://x y", "https://x,https://y", "https://*.x.org", "null"}) {
    const auto policy = CorsPolicy::allow({origin});
    ASSERT_FALSE(policy) << origin;
    EXPECT_EQ(policy.error().code, base::ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(CorsPolicy::allow({"http://[::1]:8080", "vscode-webview://abc-1"}));
}

}  // namespace
}  // namespace fathom::serve
