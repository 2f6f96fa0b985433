#include "broker/auth/bans.h"

#include <gtest/gtest.h>

namespace skein::auth {
namespace {

class BansTest : public ::testing::Test {
 protected:
  bool Banned(const char* id, const char* user = "", const char* address = "192.0.2.1") const {
    return bans_.Find(id, user, address) != nullptr;
  }

  TimeMs now_ = 1'000'000;
  Bans bans_{[this] { return now_; }};
};

TEST_F(BansTest, ByIdByNameAndByAddress) {
  EXPECT_FALSE(bans_.Anybody());
  ASSERT_TRUE(bans_.Add({BanKind::kClientId, "id"}).ok());
  ASSERT_TRUE(bans_.Add({BanKind::kUserName, "user"}).ok());
  ASSERT_TRUE(bans_.Add({BanKind::kAddress, "192.0.2.7"}).ok());
  ASSERT_TRUE(bans_.Add({BanKind::kAddress, "2001:db8::/32"}).ok());
  EXPECT_TRUE(bans_.Anybody());
  EXPECT_TRUE(Banned("id"));
  EXPECT_FALSE(Banned("user")) << "that is a user name";
  EXPECT_TRUE(Banned("x", "user"));
  EXPECT_FALSE(Banned("x", "id"));
  EXPECT_TRUE(Banned("x", "", "192.0.2.7"));
  EXPECT_TRUE(Banned("x", "", "::ffff:192.0.2.7"));
  EXPECT_TRUE(Banned("x", "", "2001:db8:1::9"));
  EXPECT_FALSE(Banned("x", "", "2001:db9::1"));
  EXPECT_FALSE(Banned("", "", "")) << "nothing is known";
  EXPECT_EQ(bans_.List().size(), 4u);
  EXPECT_TRUE(bans_.Remove(BanKind::kAddress, "::ffff:192.0.2.7")) << "the same address";
  EXPECT_FALSE(bans_.Remove(BanKind::kAddress, "192.0.2.7"));
  EXPECT_TRUE(bans_.Remove(BanKind::kAddress, "2001:db8::/32"));
  EXPECT_FALSE(Banned("x", "", "2001:db8:1::9"));
}

TEST_F(BansTest, EndByThemselves) {
  ASSERT_TRUE(bans_.Add({BanKind::kClientId, "id", now_ + 100}).ok());
  ASSERT_TRUE(bans_.Add({BanKind::kAddress, "10.0.0.0/8", now_ + 100}).ok());
  EXPECT_TRUE(Banned("id"));
  EXPECT_TRUE(Banned("x", "", "10.1.1.1"));
  now_ += 100;
  EXPECT_FALSE(Banned("id"));
  EXPECT_FALSE(Banned("x", "", "10.1.1.1"));
  EXPECT_TRUE(bans_.List().empty());
}

TEST_F(BansTest, TheConfigurationReplacesOnlyItsOwn) {
  ASSERT_TRUE(bans_.Configure({}, {{BanKind::kClientId, "a"}, {BanKind::kClientId, "b"}}).ok());
  ASSERT_TRUE(bans_.Add({BanKind::kClientId, "c"}).ok());
  ASSERT_TRUE(bans_.Configure({}, {{BanKind::kClientId, "b"}}).ok());
  EXPECT_FALSE(Banned("a"));
  EXPECT_TRUE(Banned("b"));
  EXPECT_TRUE(Banned("c"));
  EXPECT_FALSE(bans_.Configure({}, {{BanKind::kAddress, "nowhere"}}).ok());
  EXPECT_TRUE(Banned("b")) << "a mistake changes nothing";
}

TEST_F(BansTest, HasABound) {
  Bans::Options options;
  options.max_bans = 2;
  ASSERT_TRUE(bans_.Configure(options, {}).ok());
  ASSERT_TRUE(bans_.Add({BanKind::kClientId, "a", now_ + 1}).ok());
  ASSERT_TRUE(bans_.Add({BanKind::kClientId, "b"}).ok());
  EXPECT_EQ(bans_.Add({BanKind::kClientId, "c"}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(bans_.Add({BanKind::kClientId, "b", kNever, "again"}).ok()) << "it has a place";
  ++now_;
  EXPECT_TRUE(bans_.Add({BanKind::kClientId, "c"}).ok()) << "the first is over";
}

TEST_F(BansTest, Flapping) {
  EXPECT_EQ(bans_.NoteConnect("a"), nullptr) << "not watched by default";
  Bans::Options options;
  options.flapping_connects = 3;
  options.flapping_window_ms = 1'000;
  options.flapping_ban_ms = 5'000;
  ASSERT_TRUE(bans_.Configure(options, {}).ok());
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(bans_.NoteConnect("a"), nullptr) << i;
  EXPECT_EQ(bans_.NoteConnect("b"), nullptr) << "somebody else";
  EXPECT_NE(bans_.NoteConnect("a"), nullptr);
  EXPECT_TRUE(Banned("a"));
  EXPECT_FALSE(Banned("b"));
  now_ += 5'000;
  EXPECT_FALSE(Banned("a"));
  for (int window = 0; window < 5; ++window) {
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(bans_.NoteConnect("slow"), nullptr);
    now_ += 1'000;
  }
}

TEST_F(BansTest, WatchesABoundedNumber) {
  Bans::Options options;
  options.flapping_connects = 1;
  options.flapping_window_ms = 1'000;
  options.max_watched = 1;
  ASSERT_TRUE(bans_.Configure(options, {}).ok());
  EXPECT_EQ(bans_.NoteConnect("a"), nullptr);
  EXPECT_EQ(bans_.NoteConnect("b"), nullptr);
  EXPECT_EQ(bans_.NoteConnect("b"), nullptr) << "no place to watch b";
  now_ += 1'000;
  EXPECT_EQ(bans_.NoteConnect("b"), nullptr) << "in the place of a";
  EXPECT_NE(bans_.NoteConnect("b"), nullptr);
}

}  // namespace
}  // namespace skein::auth
