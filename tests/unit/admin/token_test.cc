#include "broker/admin/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace skein::admin {
namespace {

using ::testing::HasSubstr;

class TokenTest : public testing::Test {
 protected:
  ~TokenTest() override { std::remove(file_.c_str()); }

  absl::StatusOr<std::string> Read(const std::string& content) {
    std::ofstream(file_, std::ios::binary) << content;
    return ReadToken(file_);
  }

  const std::string file_ = testing::TempDir() + "admin-token";
};

TEST_F(TokenTest, TheFirstLineIsTheToken) {
  const std::string token = "0123456789abcdef";
  EXPECT_EQ(*Read(token), token);
  EXPECT_EQ(*Read(token + "\n"), token);
  EXPECT_EQ(*Read(token + "\r\nsecond line\n"), token);
  EXPECT_EQ(*Read(std::string(1024, 'x')), std::string(1024, 'x'));
}

TEST_F(TokenTest, WhatIsNoTokenIsRefused) {
  for (const std::string& content :
       {std::string(), std::string("\n0123456789abcdef"), std::string("0123456789abcde"),
        std::string("0123456789 abcdef"), std::string("0123456789\tabcdef"), std::string(1025, 'x'),
        std::string("0123456789abcde\xc3\xa9")}) {
    const auto token = Read(content);
    ASSERT_FALSE(token.ok()) << content;
    EXPECT_THAT(std::string(token.status().message()), HasSubstr("is no token"));
  }
  EXPECT_THAT(std::string(ReadToken("/nowhere/token").status().message()),
              HasSubstr("/nowhere/token: cannot be read: No such file"));
}

TEST_F(TokenTest, OnlyTheWholeTokenCounts) {
  const std::string token = "0123456789abcdef";
  EXPECT_TRUE(ShowsToken("Bearer " + token, token));
  EXPECT_TRUE(ShowsToken("bearer " + token, token));
  const std::vector<std::string> wrong = {"",
                                          token,
                                          "Bearer",
                                          "Bearer ",
                                          "Bearer " + token + "0",
                                          "Bearer " + token.substr(1),
                                          "Bearer  " + token,
                                          "Basic " + token,
                                          "Bearer 0123456789abcdeF"};
  for (const std::string& shown : wrong) {
    EXPECT_FALSE(ShowsToken(shown, token)) << shown;
  }
}

}  // namespace
}  // namespace skein::admin
