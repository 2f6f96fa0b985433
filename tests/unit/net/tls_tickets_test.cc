#include "broker/net/tls_tickets.h"

#include <gtest/gtest.h>

namespace skein::net {
namespace {

TEST(TicketKeysTest, AKeySealsForAWhileAndOpensForTwice) {
  TimeMs now = 0;
  TicketKeys keys([&] { return now; });
  TicketKeys::Key first, found;
  EXPECT_EQ(keys.Find(first.name.data(), &found), TicketKeys::Found::kNo) << "there is none yet";
  ASSERT_TRUE(keys.Current(&first));
  now = TicketKeys::kSealMs - 1;
  TicketKeys::Key same;
  ASSERT_TRUE(keys.Current(&same));
  EXPECT_EQ(same.name, first.name);
  EXPECT_EQ(keys.Find(first.name.data(), &found), TicketKeys::Found::kYes);
  EXPECT_EQ(found.cipher, first.cipher);

  now = TicketKeys::kSealMs;
  EXPECT_EQ(keys.Find(first.name.data(), &found), TicketKeys::Found::kOld);
  TicketKeys::Key second;
  ASSERT_TRUE(keys.Current(&second));
  EXPECT_NE(second.name, first.name);
  EXPECT_NE(second.cipher, first.cipher);
  EXPECT_NE(second.mac, first.mac);
  EXPECT_EQ(keys.Find(first.name.data(), &found), TicketKeys::Found::kOld);
  EXPECT_EQ(found.mac, first.mac);

  now = 2 * TicketKeys::kSealMs;
  EXPECT_EQ(keys.Find(first.name.data(), &found), TicketKeys::Found::kNo);
  EXPECT_EQ(keys.Find(second.name.data(), &found), TicketKeys::Found::kOld);
}

TEST(TicketKeysTest, NothingOldOpensAfterALongRest) {
  TimeMs now = 0;
  TicketKeys keys([&] { return now; });
  TicketKeys::Key key, found;
  ASSERT_TRUE(keys.Current(&key));
  now = 10 * TicketKeys::kSealMs;
  EXPECT_EQ(keys.Find(key.name.data(), &found), TicketKeys::Found::kNo);
}

}  // namespace
}  // namespace skein::net
