#include "broker/mqtt/constants.h"

#include <gtest/gtest.h>

namespace skein::mqtt {
namespace {

TEST(ConstantsTest, NamesOfTypesAndReasons) {
  EXPECT_EQ(PacketTypeName(PacketType::kConnect), "CONNECT");
  EXPECT_EQ(PacketTypeName(PacketType::kSubscribe), "SUBSCRIBE");
  EXPECT_EQ(PacketTypeName(PacketType::kAuth), "AUTH");
  EXPECT_EQ(ReasonCodeName(ReasonCode::kSuccess), "Success");
  EXPECT_EQ(ReasonCodeName(ReasonCode::kMalformedPacket), "Malformed Packet");
  EXPECT_EQ(ReasonCodeName(ReasonCode::kSessionTakenOver), "Session taken over");
  EXPECT_EQ(ReasonCodeName(ReasonCode::kQuotaExceeded), "Quota exceeded");
  EXPECT_EQ(ReasonCodeName(ReasonCode::kWildcardSubscriptionsNotSupported),
            "Wildcard Subscriptions not supported");
  EXPECT_EQ(ReasonCodeName(static_cast<ReasonCode>(0xA3)), "Unknown reason code");
  EXPECT_EQ(ReasonCodeName(static_cast<ReasonCode>(0x7F)), "Unknown reason code");
}

TEST(ConstantsTest, ReturnCodesOfOlderVersions) {
  EXPECT_EQ(ToConnectReturnCode(ReasonCode::kSuccess), ConnectReturnCode::kAccepted);
  EXPECT_EQ(ToConnectReturnCode(ReasonCode::kUnsupportedProtocolVersion),
            ConnectReturnCode::kUnacceptableProtocolVersion);
  EXPECT_EQ(ToConnectReturnCode(ReasonCode::kClientIdentifierNotValid),
            ConnectReturnCode::kIdentifierRejected);
  EXPECT_EQ(ToConnectReturnCode(ReasonCode::kBadUserNameOrPassword),
            ConnectReturnCode::kBadUserNameOrPassword);
  EXPECT_EQ(ToConnectReturnCode(ReasonCode::kNotAuthorized), ConnectReturnCode::kNotAuthorized);
  EXPECT_EQ(ToConnectReturnCode(ReasonCode::kServerBusy), ConnectReturnCode::kServerUnavailable);
  EXPECT_EQ(ToConnectReturnCode(ReasonCode::kQuotaExceeded), ConnectReturnCode::kServerUnavailable);
}

}  // namespace
}  // namespace skein::mqtt
