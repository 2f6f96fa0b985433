// The key table: complete, consistent with the documentation, readable and writable.
#include "cmd/skeinmqd/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "cmd/skeinmqd/loader.h"
#include "cmd/skeinmqd/yaml_reader.h"

namespace skein::config {
namespace {

using ::testing::IsEmpty;

std::string ReadSource(const std::string& path) {
  std::ifstream in(std::string(SKEIN_SOURCE_DIR) + "/" + path);
  EXPECT_TRUE(in) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(Keys, NamesAreUnique) {
  std::set<std::string_view> names;
  for (const Key& key : Keys())
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
}

TEST(Keys, EveryLimitHasAKey) {
  const std::string header = ReadSource("broker/base/limits.h");
  const std::regex field(R"(\n  (?:uint\d+_t|TimeMs|int\d+_t|bool|size_t) (\w+) =)");
  int fields = 0;
  for (std::sregex_iterator it(header.begin(), header.end(), field), end; it != end; ++it) {
    ++fields;
    EXPECT_NE(FindKey("limits." + (*it)[1].str()), nullptr) << (*it)[1];
  }
  EXPECT_GE(fields, 20);
}

// Replace the tables of docs/configuration.md by what `skeinmqd --print-keys` prints.
TEST(Keys, DocumentationHasTheTables) {
  const std::string document = ReadSource("docs/configuration.md");
  std::istringstream table(PrintMarkdown());
  for (std::string row; std::getline(table, row);) {
    EXPECT_NE(document.find(row + "\n"), document.npos) << row;
  }
  const std::regex documented(R"(\n\| `([a-z_]+\.?[a-z_]*)` \|)");
  for (std::sregex_iterator it(document.begin(), document.end(), documented), end; it != end;
       ++it) {
    EXPECT_NE(FindKey((*it)[1].str()), nullptr) << "documented, but no key: " << (*it)[1];
  }
}

TEST(Keys, DefaultsAreInRange) {
  const Config defaults = DefaultConfig();
  for (const Key& key : Keys()) {
    Config config = defaults;
    EXPECT_EQ(SetKey(key, GetKey(key, defaults), &config), std::nullopt) << key.name;
    EXPECT_EQ(GetKey(key, config), GetKey(key, defaults)) << key.name;
  }
}

TEST(Keys, NumbersAreRefusedJustOutsideTheirRange) {
  for (const Key& key : Keys()) {
    if (key.range.max == 0) continue;
    Config config = DefaultConfig();
    EXPECT_EQ(SetKey(key, std::to_string(key.range.max), &config), std::nullopt) << key.name;
    EXPECT_EQ(ParseNumber(GetKey(key, config), key.unit).value_or(key.range.max), key.range.max);
    EXPECT_EQ(SetKey(key, std::to_string(key.range.min), &config), std::nullopt) << key.name;
    EXPECT_EQ(GetKey(key, config), FormatNumber(key.range.min, key.unit)) << key.name;
    EXPECT_EQ(SetKey(key, std::to_string(key.range.max + 1), &config), Allowed(key)) << key.name;
    if (key.range.min > 0) {
      EXPECT_EQ(SetKey(key, std::to_string(key.range.min - 1), &config), Allowed(key));
    }
    EXPECT_EQ(GetKey(key, config), FormatNumber(key.range.min, key.unit))
        << "changed: " << key.name;
  }
}

TEST(Keys, WordsAreRefusedWithTheirChoices) {
  Config config = DefaultConfig();
  EXPECT_EQ(SetKey(*FindKey("log.level"), "loud", &config), "trace, debug, info, warn or error");
  EXPECT_EQ(SetKey(*FindKey("log.format"), "xml", &config), "text or json");
  EXPECT_EQ(SetKey(*FindKey("admin.listen"), "8080", &config), "ADDR:PORT, or empty");
  for (const char* id : {"", "a b", "a/b", "\xc3\xa9"}) {
    EXPECT_EQ(SetKey(*FindKey("node.id"), id, &config), "1..64 of A-Z a-z 0-9 . _ -") << id;
  }
  EXPECT_EQ(SetKey(*FindKey("node.id"), std::string(64, 'n'), &config), std::nullopt);
  EXPECT_NE(SetKey(*FindKey("node.id"), std::string(65, 'n'), &config), std::nullopt);
}

TEST(Keys, UnlimitedIsAWordOnlyWhereItMeansSomething) {
  Config config = DefaultConfig();
  EXPECT_EQ(SetKey(*FindKey("limits.max_session_expiry"), "2h", &config), std::nullopt);
  EXPECT_EQ(config.limits.max_session_expiry, 7200u);
  EXPECT_EQ(SetKey(*FindKey("limits.max_session_expiry"), "unlimited", &config), std::nullopt);
  EXPECT_EQ(config.limits.max_session_expiry, UINT32_MAX);
  EXPECT_NE(SetKey(*FindKey("limits.max_inflight"), "unlimited", &config), std::nullopt);
}

TEST(Keys, NearestNameIsSuggested) {
  EXPECT_EQ(NearestKey("log.levle"), "log.level");
  EXPECT_EQ(NearestKey("limits.max_packetsize"), "limits.max_packet_size");
  EXPECT_EQ(NearestKey("listener"), "listeners");
}

TEST(Keys, EnvironmentNames) {
  EXPECT_EQ(EnvironmentName("log.level"), "SKEINMQ_LOG_LEVEL");
  EXPECT_EQ(EnvironmentName("data_dir"), "SKEINMQ_DATA_DIR");
}

TEST(Keys, PrintedYamlReadsBackToTheSame) {
  Config config = DefaultConfig();
  config.node_id = "12";
  config.data_dir = "/var/lib/with: colon";
  config.shards = 3;
  config.log_level = LogLevel::kTrace;
  config.log_format = LogFormat::kJson;
  config.admin_listen = Address{"::1", 8080};
  config.admin_tokens = {{"ops", AdminRole::kOperate, "/etc/ops token"}};
  config.admin_client_roles = {{"Jane Doe", AdminRole::kAdmin}, {"g", AdminRole::kRead}};
  config.backup_directory = "/b";
  config.limits.max_packet_size = 12345;
  config.listeners.push_back({{"0.0.0.0", 2883}, "field # 1", true, 99});

  Authenticator tokens;
  tokens.name = "tokens";
  tokens.type = AuthenticatorType::kJwt;
  tokens.jwks_url = "https://login.example/keys?a=b";
  tokens.algorithms = {"RS256", "ES256"};
  tokens.require_expiry = false;
  tokens.token_is_user_name = true;
  tokens.refresh_seconds = 7'200;
  Authenticator people;
  people.name = "people";
  people.type = AuthenticatorType::kHttp;
  people.url = "http://127.0.0.1/auth";
  people.headers = {"A: b # c", "D: e"};
  people.timeout_ms = 250;
  people.cache_denied_seconds = 90;
  config.authentication = {tokens, people};
  config.bans = {{"id: with colon", "", "", "2030-01-01T00:00:00Z", "note"},
                 {"", "", "10.0.0.0/8", "", ""}};

  Config read = DefaultConfig();
  Problems problems;
  ReadYaml("printed.yaml", PrintYaml(config), &read, &problems);
  EXPECT_THAT(problems.errors, IsEmpty());
  for (const Key& key : Keys())
    EXPECT_EQ(GetKey(key, read), GetKey(key, config)) << key.name;
  EXPECT_EQ(read.listeners, config.listeners);
  EXPECT_EQ(read.authentication, config.authentication);
  EXPECT_EQ(read.bans, config.bans);
  EXPECT_EQ(read.admin_tokens, config.admin_tokens);
  EXPECT_EQ(read.admin_client_roles, config.admin_client_roles);
}

}  // namespace
}  // namespace skein::config
