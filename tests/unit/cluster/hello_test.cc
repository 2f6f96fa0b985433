// Who may join, by its Hello.
#include "cluster/link/hello.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skein::cluster {
namespace {

using testing::HasSubstr;

constexpr uint64_t kDigest = 77;

class HelloTest : public testing::Test {
 protected:
  HelloTest() {
    hello_.set_version(PeerNetOptions::kProtocol);
    hello_.set_oldest(PeerNetOptions::kOldestProtocol);
    hello_.set_cluster("skeinmq");
    hello_.set_node("b");
    hello_.set_partitions(256);
    hello_.set_shards(2);
    hello_.set_members(kDigest);
  }

  // Of a node that we dialed.
  std::string Refusal() {
    return WhyRefuse(options_, {{"a", 0}, {"b", 1}}, kDigest, hello_, 1, &node_);
  }

  PeerNetOptions options_;
  v1::Hello hello_;
  int node_ = -1;
};

TEST_F(HelloTest, WhoIsLikeUsMayStay) {
  EXPECT_EQ(Refusal(), "");
  EXPECT_EQ(node_, 1);
}

TEST_F(HelloTest, ANewerReleaseThatStillSpeaksOurVersionMayStay) {
  hello_.set_version(PeerNetOptions::kProtocol + 1);
  hello_.set_oldest(PeerNetOptions::kProtocol);
  EXPECT_EQ(Refusal(), "");
  hello_.set_oldest(PeerNetOptions::kProtocol + 1);
  EXPECT_THAT(Refusal(), HasSubstr("protocol version"));
}

TEST_F(HelloTest, AReleaseFromBeforeTheOldestWeSpeakMayNot) {
  hello_.set_version(PeerNetOptions::kOldestProtocol - 1);
  hello_.set_oldest(1);
  EXPECT_THAT(Refusal(), HasSubstr("protocol version"));
}

TEST_F(HelloTest, WhoDoesNotSayHowFarBackItGoesSpeaksOneVersion) {
  hello_.clear_oldest();
  EXPECT_EQ(Refusal(), "");
  hello_.set_version(PeerNetOptions::kProtocol + 1);
  EXPECT_THAT(Refusal(), HasSubstr("protocol version"));
}

TEST_F(HelloTest, WhoDiffersIsRefused) {
  hello_.set_cluster("other");
  EXPECT_THAT(Refusal(), HasSubstr("cluster 'other' instead of 'skeinmq'"));
  hello_.set_cluster("skeinmq");
  hello_.set_partitions(128);
  EXPECT_THAT(Refusal(), HasSubstr("128 partitions instead of 256"));
  hello_.set_partitions(256);
  hello_.set_members(kDigest + 1);
  EXPECT_THAT(Refusal(), HasSubstr("another list of nodes"));
  hello_.set_members(kDigest);
  hello_.set_shards(0);
  EXPECT_THAT(Refusal(), HasSubstr("0 shards"));
  hello_.set_shards(1);
  hello_.set_node("c");
  EXPECT_THAT(Refusal(), HasSubstr(kNotAMember));
  hello_.set_node("a");
  EXPECT_THAT(Refusal(), HasSubstr("is not expected on this link"));
  hello_.set_refusal("because");
  EXPECT_EQ(Refusal(), "it refuses us: because");
}

}  // namespace
}  // namespace skein::cluster
