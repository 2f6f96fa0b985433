#include "broker/base/address_range.h"

#include <gtest/gtest.h>

namespace skein {
namespace {

TEST(AddressRangeTest, Contains) {
  const auto in = [](const char* range, const char* address) {
    const auto parsed = AddressRange::Parse(range);
    const auto bytes = ParseIp(address);
    EXPECT_TRUE(parsed.has_value()) << range;
    EXPECT_TRUE(bytes.has_value()) << address;
    return parsed.has_value() && bytes.has_value() && parsed->Contains(*bytes);
  };
  EXPECT_TRUE(in("192.0.2.0/24", "192.0.2.255"));
  EXPECT_FALSE(in("192.0.2.0/24", "192.0.3.0"));
  EXPECT_TRUE(in("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(in("192.0.2.7", "192.0.2.6"));
  EXPECT_TRUE(in("0.0.0.0/0", "8.8.8.8"));
  EXPECT_FALSE(in("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(in("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(in("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(in("192.0.2.7", "::ffff:192.0.2.7")) << "both families compare";
}

TEST(AddressRangeTest, WhatIsNoRange) {
  for (const char* bad :
       {"", "a", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/-1", "1.2.3/8", "1.2.3.4/+8", "/8"})
    EXPECT_FALSE(AddressRange::Parse(bad).has_value()) << bad;
  EXPECT_FALSE(ParseIp(std::string_view("1.2.3.4\0x", 9)).has_value());
}

}  // namespace
}  // namespace skein
