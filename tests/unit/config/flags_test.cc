// Command lines: what runs, what only prints, what is refused with which exit code.
#include "cmd/skeinmqd/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cmd/skeinmqd/keys.h"

namespace skein::config {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

struct Outcome {
  std::optional<int> code;
  std::string out;
  std::string err;
  Options options;
};

Outcome Parse(std::vector<const char*> arguments, std::vector<const char*> environment = {}) {
  arguments.insert(arguments.begin(), "skeinmqd");
  environment.push_back(nullptr);
  Outcome outcome;
  std::ostringstream out;
  std::ostringstream err;
  outcome.code = ParseCommandLine(static_cast<int>(arguments.size()), arguments.data(),
                                  environment.data(), out, err, &outcome.options);
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

TEST(Flags, NoneRunsWithDefaults) {
  const Outcome outcome = Parse({});
  EXPECT_EQ(outcome.code, std::nullopt);
  EXPECT_EQ(PrintYaml(outcome.options.config), PrintYaml(DefaultConfig()));
  EXPECT_EQ(outcome.out + outcome.err, "");
}

TEST(Flags, DedicatedFlagsInBothForms) {
  const Outcome outcome =
      Parse({"--data-dir", "/d", "--listen=tcp://127.0.0.1:1", "--listen", "tcp://[::1]:2",
             "--admin-listen=[::1]:8080", "--node-id", "n1", "--shards=2", "--set",
             "log.level=warn", "--set=limits.max_inflight=7"});
  ASSERT_EQ(outcome.code, std::nullopt) << outcome.err;
  const Config& config = outcome.options.config;
  EXPECT_EQ(config.data_dir, "/d");
  ASSERT_THAT(config.listeners, SizeIs(2));
  EXPECT_EQ(config.listeners[1].address, (Address{"::1", 2}));
  EXPECT_EQ(config.admin_listen, (Address{"::1", 8080}));
  EXPECT_EQ(config.node_id, "n1");
  EXPECT_EQ(config.shards, 2);
  EXPECT_EQ(config.log_level, LogLevel::kWarn);
  EXPECT_EQ(config.limits.max_inflight, 7);
}

TEST(Flags, EnvironmentIsReadAndFlagsWin) {
  const Outcome outcome = Parse({"--shards", "4"}, {"SKEINMQ_SHARDS=2", "SKEINMQ_NODE_ID=e"});
  ASSERT_EQ(outcome.code, std::nullopt);
  EXPECT_EQ(outcome.options.config.shards, 4);
  EXPECT_EQ(outcome.options.config.node_id, "e");
}

TEST(Flags, QuestionsEndWithZero) {
  EXPECT_EQ(Parse({"--version"}).code, kExitOk);
  EXPECT_EQ(Parse({"--version"}).out, std::string("skeinmqd ") + Version() + "\n");
  const Outcome help = Parse({"--help"});
  EXPECT_EQ(help.code, kExitOk);
  for (const char* flag :
       {"--config", "--set", "--check-config", "--print-config", "--version", "--help",
        "--data-dir", "--listen", "--admin-listen", "--node-id", "--shards"}) {
    EXPECT_THAT(help.out, HasSubstr(flag));
  }
  EXPECT_EQ(Parse({"--print-config"}).out, PrintYaml(DefaultConfig()));
  EXPECT_EQ(Parse({"--print-keys"}).out, PrintMarkdown());
}

TEST(Flags, MistakesEndWithTwo) {
  struct Row {
    std::vector<const char*> arguments;
    const char* said;
  };
  const Row rows[] = {
      {{"--nope"}, "--nope"},
      {{"extra"}, "extra"},
      {{"--config"}, "--config"},
      {{"--config", "/nonexistent/c.yaml"}, "/nonexistent/c.yaml: cannot be read"},
      {{"--set", "shards"}, "--set: got 'shards'; allowed: KEY=VALUE"},
      {{"--set", "shrads=1"}, "did you mean 'shards'?"},
      {{"--set", "shards=1", "shards=2"}, "shards=2"},
      {{"--shards", "x"}, "--shards: key 'shards': got 'x'; allowed: integer 0..256"},
      {{"--shards", "1", "--shards", "2"}, "--shards"},
      {{"--listen", "wss://127.0.0.1"}, "cert_file and key_file are missing"},
      {{"--check-config", "--shards", "-3"}, "got '-3'"},
  };
  for (const Row& row : rows) {
    const Outcome outcome = Parse(row.arguments);
    EXPECT_EQ(outcome.code, kExitUsage) << row.said;
    EXPECT_THAT(outcome.err, HasSubstr(row.said));
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(Flags, CheckConfigTellsWarnings) {
  const Outcome outcome = Parse({"--check-config", "--listen", "tcp://0.0.0.0"});
  EXPECT_EQ(outcome.code, std::nullopt) << "the files that it names are still to be looked at";
  EXPECT_THAT(outcome.err, HasSubstr("will refuse every client"));
}

}  // namespace
}  // namespace skein::config
