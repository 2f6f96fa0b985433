// What takes effect in a running node, and what does not.
#include "cmd/skeinmqd/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "cmd/skeinmqd/keys.h"
#include "cmd/skeinmqd/loader.h"

namespace skein {
namespace {

using config::Config;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(NeedsRestartTest, WhatIsFixed) {
  const Config running = config::DefaultConfig();
  EXPECT_THAT(NeedsRestart(running, running), IsEmpty());
  Config next = running;
  next.shards = 7;
  next.limits.max_inflight = 9;
  EXPECT_THAT(NeedsRestart(running, next), UnorderedElementsAre("shards", "limits.max_inflight"));
  next = running;
  next.listeners[0].address.port = 1884;
  EXPECT_THAT(NeedsRestart(running, next), ElementsAre(HasSubstr("listeners")));
  next = running;
  next.listeners[0].allow_anonymous = false;
  EXPECT_THAT(NeedsRestart(running, next), ElementsAre(HasSubstr("listeners")));
  next = running;
  next.listeners.push_back(next.listeners[0]);
  EXPECT_THAT(NeedsRestart(running, next), ElementsAre(HasSubstr("listeners")));
  next = running;
  next.listeners[0].proxy_from = {"10.0.0.0/8"};
  EXPECT_THAT(NeedsRestart(running, next), ElementsAre(HasSubstr("listeners")));
}

TEST(NeedsRestartTest, WhatIsNot) {
  const Config running = config::DefaultConfig();
  Config next = running;
  next.log_level = LogLevel::kDebug;
  next.authentication.push_back({});
  next.authorization_file = "acl.yaml";
  next.allow_without_rules = true;
  next.user_name_is_client_id = true;
  next.bans.push_back({"a", "", "", "", ""});
  next.flapping_connects = 5;
  next.listeners[0].authentication = {"users"};
  next.listeners[0].cert_files = {"a.pem"};
  next.listeners[0].connection_rate = 5;
  EXPECT_THAT(NeedsRestart(running, next), IsEmpty());
}

TEST(FilesOfTest, EveryFileThatIsNamed) {
  Config config = config::DefaultConfig();
  EXPECT_THAT(FilesOf(config, ""), IsEmpty());
  config.authorization_file = "acl";
  config.listeners[0].cert_files = {"c1", "c2"};
  config.listeners[0].key_files = {"k1", "k2"};
  config.listeners[0].key_password_file = "kp";
  config.listeners[0].client_ca_file = "ca";
  config.listeners[0].crl_file = "crl";
  config::Authenticator each;
  each.file = "users";
  each.jwks_file = "jwks";
  each.public_key_file = "pem";
  each.secret_file = "secret";
  each.ca_file = "web-ca";
  each.cert_file = "web-cert";
  each.key_file = "web-key";
  config.authentication.push_back(each);
  EXPECT_THAT(
      FilesOf(config, "skeinmq.yaml"),
      UnorderedElementsAre("skeinmq.yaml", "acl", "c1", "c2", "k1", "k2", "kp", "ca", "crl",
                           "users", "jwks", "pem", "secret", "web-ca", "web-cert", "web-key"));
}

class Lines final : public Logger {
 public:
  std::vector<std::string> events;

 private:
  void Write(LogLevel, std::string_view event, std::initializer_list<LogField>) override {
    events.emplace_back(event);
  }
};

class ReloadTest : public ::testing::Test {
 protected:
  ReloadTest()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                ("skeinmqd_reload_" + std::to_string(getpid()) + "_" +
                 ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::create_directories(folder_);
  }
  ~ReloadTest() override { std::filesystem::remove_all(folder_); }

  void Write(const char* name, const std::string& text) {
    // As editors do it: a new file in the place of the old one.
    std::ofstream(folder_ / "new") << text;
    std::filesystem::rename(folder_ / "new", folder_ / name);
  }
  config::Options Load() {
    config::Options options;
    options.sources.file = (folder_ / "skeinmq.yaml").string();
    config::Problems problems;
    options.config = config::Load(options.sources, &problems);
    EXPECT_THAT(problems.errors, IsEmpty());
    return options;
  }

  const std::filesystem::path folder_;
  Lines log_;
};

TEST_F(ReloadTest, AllOrNothing) {
  const std::string acl = (folder_ / "acl.yaml").string();
  Write("acl.yaml", "rules: [{allow: all, topics: [a]}]\n");
  Write("skeinmq.yaml", "log: {level: info}\nauthorization: {file: " + acl + "}\n");
  const config::Options options = Load();
  Reloader reloader(options, &log_);
  Security security(options.config, &log_);
  ASSERT_TRUE(security.Load(options.config).ok());
  const auth::RulesPtr before = security.rules();
  int applied = 0;
  const auto apply = [&] { ++applied; };

  EXPECT_FALSE(reloader.FilesChanged());
  EXPECT_TRUE(reloader.Reload("test", &security, apply));
  EXPECT_EQ(applied, 1);
  EXPECT_NE(security.rules(), before) << "read again";

  // The level could change, but the rules are broken: nothing changes.
  const auth::RulesPtr good = security.rules();
  Write("skeinmq.yaml", "log: {level: debug}\nauthorization: {file: " + acl + "}\n");
  Write("acl.yaml", "rules: [{allow: everything}]\n");
  EXPECT_FALSE(reloader.FilesChanged()) << "not before it has been quiet for a while";
  EXPECT_TRUE(reloader.FilesChanged());
  EXPECT_FALSE(reloader.Reload("test", &security, apply));
  EXPECT_EQ(reloader.failures(), 1u);
  EXPECT_EQ(applied, 1);
  EXPECT_EQ(security.rules(), good);
  EXPECT_FALSE(log_.Enabled(LogLevel::kDebug));
  EXPECT_FALSE(reloader.FilesChanged()) << "a mistake is told once";

  Write("acl.yaml", "rules: []\n");
  EXPECT_FALSE(reloader.FilesChanged());
  EXPECT_TRUE(reloader.FilesChanged());
  EXPECT_TRUE(reloader.Reload("test", &security, apply));
  EXPECT_TRUE(log_.Enabled(LogLevel::kDebug));
  EXPECT_EQ(security.rules()->size(), 0u);
  EXPECT_THAT(log_.events, Contains("config.refused"));
  EXPECT_THAT(log_.events, Contains("config.reloaded"));

  Write("skeinmq.yaml", "shards: 3\nauthorization: {file: " + acl + "}\n");
  EXPECT_FALSE(reloader.Reload("test", &security, apply)) << "needs a restart";
  EXPECT_EQ(reloader.failures(), 2u);
}

TEST_F(ReloadTest, AFolderThatIsSwapped) {
  // As kubelet does it: name -> ..data/name, ..data -> a folder with the time in its name.
  namespace fs = std::filesystem;
  const auto publish = [&](const char* version, const std::string& text) {
    fs::create_directories(folder_ / version);
    std::ofstream(folder_ / version / "acl.yaml") << text;
    fs::create_directory_symlink(version, folder_ / "..data_tmp");
    fs::rename(folder_ / "..data_tmp", folder_ / "..data");
  };
  publish("..v1", "rules: []\n");
  fs::create_symlink("..data/acl.yaml", folder_ / "acl.yaml");
  Write("skeinmq.yaml", "authorization: {file: " + (folder_ / "acl.yaml").string() + "}\n");
  const config::Options options = Load();
  Reloader reloader(options, &log_);
  EXPECT_FALSE(reloader.FilesChanged());
  publish("..v2", "rules: []\n");
  EXPECT_FALSE(reloader.FilesChanged());
  EXPECT_TRUE(reloader.FilesChanged());
}

}  // namespace
}  // namespace skein
