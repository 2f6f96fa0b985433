#include "broker/auth/connection_rates.h"

#include <gtest/gtest.h>

namespace skein::auth {
namespace {

class ConnectionRatesTest : public ::testing::Test {
 protected:
  bool Admitted(const char* source) {
    return rates_.AdmitSource(*ParseIp(source), now_) == nullptr;
  }
  int HowMany(const char* source, int tries) {
    int admitted = 0;
    for (int i = 0; i < tries; ++i)
      admitted += Admitted(source);
    return admitted;
  }

  TimeMs now_ = 1'000'000;
  ConnectionRates rates_;
};

TEST_F(ConnectionRatesTest, OfTheListener) {
  EXPECT_EQ(rates_.AdmitAny(now_), nullptr) << "no limit by default";
  rates_.Configure({.all = 2, .per_source = 0});
  int admitted = 0;
  for (int i = 0; i < 100; ++i)
    admitted += rates_.AdmitAny(now_) == nullptr;
  EXPECT_EQ(admitted, 3) << "a second's worth, and the one that overdraws";
  now_ += 500;
  EXPECT_EQ(rates_.AdmitAny(now_), nullptr);
  EXPECT_NE(rates_.AdmitAny(now_), nullptr);
}

TEST_F(ConnectionRatesTest, OfASource) {
  EXPECT_EQ(HowMany("192.0.2.1", 100), 100) << "no limit by default";
  rates_.Configure({.all = 0, .per_source = 5});
  EXPECT_EQ(HowMany("192.0.2.1", 100), 6);
  EXPECT_EQ(HowMany("192.0.2.2", 100), 6) << "somebody else";
  EXPECT_EQ(HowMany("2001:db8::1", 100), 6);
  EXPECT_EQ(HowMany("2001:db8::2", 100), 0) << "the same /64";
  EXPECT_EQ(HowMany("2001:db8:0:1::1", 100), 6) << "another";
  now_ += 1'000;
  EXPECT_EQ(HowMany("192.0.2.1", 100), 5);
}

TEST_F(ConnectionRatesTest, RemembersABoundedNumberOfSources) {
  rates_.Configure({.all = 0, .per_source = 1});
  IpBytes source{};
  source[0] = 0x20;
  const auto next = [&] {
    for (size_t i = 7; ++source[i] == 0; --i) {
    }
  };
  for (size_t i = 0; i < ConnectionRates::kMaxSources; ++i, next())
    ASSERT_EQ(rates_.AdmitSource(source, now_), nullptr);
  EXPECT_NE(rates_.AdmitSource(source, now_), nullptr);
  now_ += 1'000;
  EXPECT_EQ(rates_.AdmitSource(source, now_), nullptr) << "the others are even again";
}

}  // namespace
}  // namespace skein::auth
