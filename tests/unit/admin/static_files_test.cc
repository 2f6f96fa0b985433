// Files for browsers: how they may be kept, what a browser is told about them, and what is not one.
#include "broker/admin/static_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace skein::admin {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

constexpr StaticFile kFiles[] = {
    {"", "text/html", "\"p1\"", "<p>", "zipped page"},
    {"main-AB.js", "text/javascript", "\"m1\"", "run()", "zipped script"},
};

class StaticFilesTest : public testing::Test {
 protected:
  std::optional<Response> Ask(const std::string& path, const std::string& method = "GET") {
    request_.method = method;
    request_.path = path;
    return files_.Answer(request_);
  }

  Request request_;
  StaticFiles files_{kFiles};
};

TEST_F(StaticFilesTest, ThePageIsAskedForAnewAndItsPartsAreKept) {
  const auto page = Ask("/dashboard/");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  EXPECT_EQ(page->fixed_body, "<p>");
  EXPECT_EQ(page->content_type, "text/html");
  EXPECT_THAT(page->headers, Contains(Pair("Cache-Control", "no-cache")));
  EXPECT_THAT(page->headers, Contains(Pair("ETag", "\"p1\"")));
  const auto part = Ask("/dashboard/main-AB.js", "HEAD");
  ASSERT_TRUE(part);
  EXPECT_EQ(part->fixed_body, "run()");
  EXPECT_THAT(part->headers, Contains(Pair("Cache-Control", HasSubstr("immutable"))));
}

TEST_F(StaticFilesTest, BrowsersAreToldToTrustNothingElse) {
  for (const char* path : {"/dashboard/", "/dashboard/main-AB.js"}) {
    const auto file = Ask(path);
    ASSERT_TRUE(file);
    EXPECT_THAT(file->headers,
                Contains(Pair("Content-Security-Policy", HasSubstr("default-src 'none'"))));
    EXPECT_THAT(file->headers,
                Contains(Pair("Content-Security-Policy", HasSubstr("frame-ancestors 'none'"))));
    EXPECT_THAT(file->headers, Contains(Pair("X-Content-Type-Options", "nosniff")));
    EXPECT_THAT(file->headers, Contains(Pair("Referrer-Policy", "no-referrer")));
  }
}

TEST_F(StaticFilesTest, ZippedForWhoTakesIt) {
  for (const char* accept : {"gzip", "br;q=1.0, GZIP;q=0.5", "deflate , gzip", "*"}) {
    request_.accept_encoding = accept;
    const auto file = Ask("/dashboard/");
    EXPECT_EQ(file->fixed_body, "zipped page") << accept;
    EXPECT_THAT(file->headers, Contains(Pair("Content-Encoding", "gzip"))) << accept;
  }
  for (const char* accept : {"", "br", "gzip;q=0", "gzip;q=0.0", "gzip2"}) {
    request_.accept_encoding = accept;
    const auto file = Ask("/dashboard/");
    EXPECT_EQ(file->fixed_body, "<p>") << accept;
    EXPECT_THAT(file->headers, Not(Contains(Pair("Content-Encoding", "gzip")))) << accept;
  }
}

TEST_F(StaticFilesTest, WhatABrowserHasIsNotSentAgain) {
  request_.if_none_match = "W/\"p1\", \"p0\"";
  const auto page = Ask("/dashboard/");
  EXPECT_EQ(page->status, 304);
  EXPECT_EQ(page->fixed_body, "");
  request_.if_none_match = "\"p0\"";
  EXPECT_EQ(Ask("/dashboard/")->status, 200);
}

TEST_F(StaticFilesTest, OtherPathsAndMethods) {
  for (const char* path : {"/", "/dashboard"}) {
    const auto redirect = Ask(path);
    EXPECT_EQ(redirect->status, 308);
    EXPECT_THAT(redirect->headers, Contains(Pair("Location", "/dashboard/")));
  }
  EXPECT_EQ(Ask("/dashboard/main-CD.js")->status, 404);
  EXPECT_EQ(Ask("/dashboard/../api")->status, 404);
  EXPECT_EQ(Ask("/dashboard/", "POST")->status, 405);
  for (const char* path : {"/livez", "/api/v1/cluster", "/dashboards/", ""})
    EXPECT_FALSE(Ask(path)) << path;
  EXPECT_FALSE(StaticFiles({}).Answer(request_)) << "a program without a page";
}

}  // namespace
}  // namespace skein::admin
