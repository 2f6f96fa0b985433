// Topic rules: the examples of section 4.7 of MQTT 3.1.1 and 5.0, section 4.8.2 of 5.0, and limits.
#include "broker/routing/topic.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace skein::routing {
namespace {

constexpr uint32_t kLevels = 128;

struct MatchCase {
  const char* filter;
  const char* topic;
  bool matches;
};

TEST(TopicTest, MatchesAsTheStandardsSay) {
  const MatchCase cases[] = {
      // 4.7.1.2 multi-level wildcard
      {"sport/tennis/player1/#", "sport/tennis/player1", true},
      {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
      {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
      {"sport/tennis/player1/#", "sport/tennis/player2", false},
      {"sport/tennis/player1/#", "sport/tennis/player10", false},
      {"sport/#", "sport", true},
      {"sport/#", "sport/", true},
      {"sport/#", "sports", false},
      {"#", "sport", true},
      {"#", "sport/tennis/player1", true},
      {"#", "/", true},
      {"sport/tennis/#", "sport/tennis", true},
      {"sport/tennis/#", "sport", false},
      // 4.7.1.3 single-level wildcard
      {"sport/tennis/+", "sport/tennis/player1", true},
      {"sport/tennis/+", "sport/tennis/player2", true},
      {"sport/tennis/+", "sport/tennis/player1/ranking", false},
      {"sport/tennis/+", "sport/tennis", false},
      {"sport/+", "sport", false},
      {"sport/+", "sport/", true},
      {"+", "sport", true},
      {"+", "sport/tennis", false},
      {"+/tennis/#", "sport/tennis", true},
      {"+/tennis/#", "table/tennis/player1/ranking", true},
      {"+/tennis/#", "sport/golf", false},
      {"sport/+/player1", "sport/tennis/player1", true},
      {"sport/+/player1", "sport/player1", false},
      {"sport/+/player1", "sport//player1", true},
      {"+/+", "/finance", true},
      {"/+", "/finance", true},
      {"+", "/finance", false},
      {"+/#", "/finance", true},
      // 4.7.2 topics beginning with $
      {"#", "$SYS", false},
      {"#", "$SYS/monitor/Clients", false},
      {"+/monitor/Clients", "$SYS/monitor/Clients", false},
      {"+", "$SYS", false},
      {"+/#", "$SYS", false},
      {"$SYS/#", "$SYS", true},
      {"$SYS/#", "$SYS/monitor/Clients", true},
      {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
      {"$SYS/+/Clients", "$SYS/monitor/Clients", true},
      {"a/+", "a/$SYS", true},
      {"a/#", "a/$SYS/b", true},
      // 4.7.3 semantics and usage
      {"ACCOUNTS", "Accounts", false},
      {"Accounts payable", "Accounts payable", true},
      {"/finance", "finance", false},
      {"finance/", "finance", false},
      {"/", "/", true},
      {"/", "//", false},
      {"a//b", "a/b", false},
      {"a/b", "a/b/c", false},
      {"a/b/c", "a/b", false},
      {"a/+/#", "a", false},
      {"a/+/#", "a/", true},
      {"a/+/#", "a/b", true},
      {"caf\xC3\xA9/+", "caf\xC3\xA9/1", true},
      {"cafe\xCC\x81", "caf\xC3\xA9", false},  // no normalisation [MQTT-4.7.3-4]
  };
  for (const MatchCase& c : cases) {
    EXPECT_EQ(TopicMatchesFilter(c.topic, c.filter), c.matches) << c.filter << " : " << c.topic;
  }
}

struct ValidCase {
  std::string filter;
  FilterError error;
};

TEST(TopicTest, ValidatesPlainFilters) {
  const ValidCase cases[] = {
      {"", FilterError::kEmpty},
      {"#", FilterError::kOk},
      {"+", FilterError::kOk},
      {"/", FilterError::kOk},
      {"//", FilterError::kOk},
      {"sport/tennis/#", FilterError::kOk},
      {"sport/tennis#", FilterError::kWildcardPlacement},
      {"sport/tennis/#/ranking", FilterError::kWildcardPlacement},
      {"#/", FilterError::kWildcardPlacement},
      {"##", FilterError::kWildcardPlacement},
      {"#+", FilterError::kWildcardPlacement},
      {"+/tennis/#", FilterError::kOk},
      {"sport+", FilterError::kWildcardPlacement},
      {"+sport", FilterError::kWildcardPlacement},
      {"++", FilterError::kWildcardPlacement},
      {"sport/+/player1", FilterError::kOk},
      {"+/+/+", FilterError::kOk},
      {"Accounts payable", FilterError::kOk},
      {"$SYS/#", FilterError::kOk},
      {"$shared/a", FilterError::kOk},
      {"a/$share/b", FilterError::kOk},
      {std::string(65'535, 'a'), FilterError::kOk},
      {std::string(65'536, 'a'), FilterError::kTooLong},
      {std::string(127, '/'), FilterError::kOk},
      {std::string(128, '/'), FilterError::kTooManyLevels},
      {std::string(65'535, '/'), FilterError::kTooManyLevels},
  };
  for (const ValidCase& c : cases) {
    EXPECT_EQ(ValidateTopicFilter(c.filter, kLevels), c.error) << c.filter.substr(0, 80);
  }
}

TEST(TopicTest, ValidatesSharedFilters) {
  const ValidCase cases[] = {
      {"$share/consumer1/sport/tennis/+", FilterError::kOk},
      {"$share/consumer1//finance", FilterError::kOk},
      {"$share/consumer1/#", FilterError::kOk},
      {"$share/a/b", FilterError::kOk},
      {"$share/a//", FilterError::kOk},
      {"$share/a/$SYS/#", FilterError::kOk},
      {"$share", FilterError::kShareSyntax},
      {"$share/", FilterError::kShareSyntax},
      {"$share//", FilterError::kShareSyntax},
      {"$share/x", FilterError::kShareSyntax},
      {"$share/x/", FilterError::kShareSyntax},
      {"$share//t", FilterError::kShareSyntax},
      {"$share/+/t", FilterError::kShareSyntax},
      {"$share/x+/t", FilterError::kShareSyntax},
      {"$share/#/t", FilterError::kShareSyntax},
      {"$share/#", FilterError::kShareSyntax},
      {"$share/x/t#", FilterError::kWildcardPlacement},
      {"$share/x/#/t", FilterError::kWildcardPlacement},
      {"$share/x/" + std::string(127, '/'), FilterError::kOk},
      {"$share/x/" + std::string(128, '/'), FilterError::kTooManyLevels},
  };
  for (const ValidCase& c : cases) {
    EXPECT_EQ(ValidateTopicFilter(c.filter, kLevels), c.error) << c.filter.substr(0, 80);
  }
}

TEST(TopicTest, TakesFiltersApart) {
  struct Case {
    const char* text;
    const char* share_name;
    const char* topic_filter;
    bool wildcard;
  };
  const Case cases[] = {
      {"a/b", "", "a/b", false},
      {"a/+", "", "a/+", true},
      {"$shared/x/y", "", "$shared/x/y", false},
      {"$share/consumer1/sport/tennis/+", "consumer1", "sport/tennis/+", true},
      {"$share/consumer1//finance", "consumer1", "/finance", false},
      {"$share/g/#", "g", "#", true},
  };
  for (const Case& c : cases) {
    const ParsedFilter parsed = ParseFilter(c.text);
    EXPECT_EQ(parsed.share_name, c.share_name) << c.text;
    EXPECT_EQ(parsed.topic_filter, c.topic_filter) << c.text;
    EXPECT_EQ(parsed.wildcard, c.wildcard) << c.text;
    EXPECT_EQ(parsed.shared(), *c.share_name != '\0') << c.text;
  }
}

TEST(TopicTest, WalksLevels) {
  const auto levels = [](std::string_view text) {
    std::vector<std::string> result;
    for (LevelIterator it(text); !it.done(); it.Next())
      result.emplace_back(it.level());
    return result;
  };
  EXPECT_EQ(levels("a"), (std::vector<std::string>{"a"}));
  EXPECT_EQ(levels("/"), (std::vector<std::string>{"", ""}));
  EXPECT_EQ(levels("a//b/"), (std::vector<std::string>{"a", "", "b", ""}));
}

}  // namespace
}  // namespace skein::routing
