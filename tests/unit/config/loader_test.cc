// Files with mistakes, and which source wins.
#include "cmd/skeinmqd/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "cmd/skeinmqd/keys.h"
#include "cmd/skeinmqd/shared_groups.h"
#include "cmd/skeinmqd/yaml_reader.h"

namespace skein::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::vector<std::string> ErrorsOf(const std::string& yaml, Config* config) {
  Problems problems;
  ReadYaml("c.yaml", yaml, config, &problems);
  return problems.errors;
}

std::vector<std::string> ErrorsOf(const std::string& yaml) {
  Config config = DefaultConfig();
  return ErrorsOf(yaml, &config);
}

TEST(ReadYaml, AFullFile) {
  Config config = DefaultConfig();
  EXPECT_THAT(ErrorsOf(R"(
node: {id: edge-1}
data_dir: /var/lib/skeinmq
shards: 2
log:
  level: debug
  format: json
admin.listen: 127.0.0.1:8081
listeners:
  - tcp://[::1]:1884
  - url: tcp://0.0.0.0:1885
    allow_anonymous: true
    name: field
    max_connections: 10
limits:
  max_packet_size: 1MiB
  connect_timeout_ms: 5s
)",
                       &config),
              IsEmpty());
  EXPECT_EQ(config.node_id, "edge-1");
  EXPECT_EQ(config.data_dir, "/var/lib/skeinmq");
  EXPECT_EQ(config.shards, 2);
  EXPECT_EQ(config.log_level, LogLevel::kDebug);
  EXPECT_EQ(config.log_format, LogFormat::kJson);
  EXPECT_EQ(config.admin_listen, (Address{"127.0.0.1", 8081}));
  EXPECT_THAT(config.listeners, ElementsAre(Listener{{"::1", 1884}, "tcp://[::1]:1884", true},
                                            Listener{{"0.0.0.0", 1885}, "field", true, 10}));
  EXPECT_EQ(config.limits.max_packet_size, 1u << 20);
  EXPECT_EQ(config.limits.connect_timeout_ms, 5000);
}

TEST(ReadYaml, EmptyFilesAndSectionsKeepTheDefaults) {
  for (const char* yaml : {"", "# nothing\n", "---\n", "{}", "log:\nlimits: {}\n"}) {
    Config config = DefaultConfig();
    EXPECT_THAT(ErrorsOf(yaml, &config), IsEmpty()) << yaml;
    EXPECT_EQ(PrintYaml(config), PrintYaml(DefaultConfig()));
  }
}

TEST(ReadYaml, WrongValuesAreToldWithPlaceKeyAndWhatIsAllowed) {
  EXPECT_THAT(ErrorsOf("limits:\n  max_inflight: abc\n"),
              ElementsAre("c.yaml:2:17: key 'limits.max_inflight': got 'abc'; allowed: "
                          "integer 1..65535"));
  EXPECT_THAT(ErrorsOf("log:\n  level:\n"),
              ElementsAre(HasSubstr("key 'log.level': got 'nothing'; allowed: trace, debug")));
  EXPECT_THAT(ErrorsOf("log: {level: [debug]}"),
              ElementsAre(HasSubstr("c.yaml:1:14: key 'log.level': got 'a list'")));
  EXPECT_THAT(ErrorsOf("log: debug"),
              ElementsAre("c.yaml:1:6: key 'log': got 'debug'; allowed: a map of keys"));
  EXPECT_THAT(ErrorsOf("shards: -1"), ElementsAre(HasSubstr("allowed: integer 0..256")));
}

TEST(ReadYaml, UnknownKeysAreToldWithTheNearest) {
  EXPECT_THAT(ErrorsOf("log:\n  levle: debug\n"),
              ElementsAre("c.yaml:2:3: unknown key 'log.levle'; did you mean 'log.level'?"));
  EXPECT_THAT(ErrorsOf("shard: 2"),
              ElementsAre("c.yaml:1:1: unknown key 'shard'; did you mean 'shards'?"));
  EXPECT_THAT(ErrorsOf("listeners: [{url: 'tcp://[::1]', anonymous: true}]"),
              ElementsAre(HasSubstr("did you mean 'listeners[0].allow_anonymous'?")));
}

TEST(ReadYaml, DuplicatesAreRefused) {
  EXPECT_THAT(ErrorsOf("shards: 1\nshards: 2\n"),
              ElementsAre("c.yaml:2:1: key 'shards' is given twice"));
  EXPECT_THAT(ErrorsOf("log: {level: info}\nlog.level: warn\n"),
              ElementsAre("c.yaml:2:1: key 'log.level' is given twice"));
  EXPECT_THAT(ErrorsOf("log: {level: info}\nlog: {format: json}\n"),
              ElementsAre("c.yaml:2:1: key 'log' is given twice"));
  EXPECT_THAT(ErrorsOf("listeners: [{url: 'tcp://[::1]', name: a, name: b}]"),
              ElementsAre(HasSubstr("key 'listeners[0].name' is given twice")));
}

TEST(ReadYaml, WrongListeners) {
  EXPECT_THAT(ErrorsOf("listeners: []"), ElementsAre(HasSubstr("at least one listener")));
  EXPECT_THAT(ErrorsOf("listeners: tcp://[::1]"), ElementsAre(HasSubstr("a list of at least")));
  EXPECT_THAT(ErrorsOf("listeners: [[]]"), ElementsAre(HasSubstr("key 'listeners[0]'")));
  EXPECT_THAT(ErrorsOf("listeners: [{name: a}]"),
              ElementsAre("c.yaml:1:13: key 'listeners[0].url' is missing"));
  EXPECT_THAT(ErrorsOf("listeners: [mqtt://127.0.0.1]"),
              ElementsAre(HasSubstr("c.yaml:1:13: key 'listeners[0]': got 'mqtt://127.0.0.1'; "
                                    "allowed: tcp://HOST:PORT")));
  EXPECT_THAT(ErrorsOf("listeners: [{url: 'tcp://[::1]', max_connections: 0}]"),
              ElementsAre(HasSubstr("key 'listeners[0].max_connections': got '0'")));
}

TEST(ReadYaml, ListenersOfEveryKind) {
  Problems problems;
  Config config = DefaultConfig();
  ReadYaml("c.yaml", R"(
listeners:
  - url: tls://0.0.0.0
    cert_file: [a.pem, b.pem]
    key_file: a.key,b.key
    client_ca_file: ca.pem
    authentication: [users, certs]
  - url: wss://[::]
    cert_file: a.pem
    key_file: a.key
    origins: ["https://a.example", "https://b.example"]
    paths: []
authentication:
  - {name: users, type: password_file, file: users.txt, unknown_user: deny, remember: 1m}
  - {name: certs, type: certificate, from: dns}
)",
           &config, &problems);
  EXPECT_THAT(problems.errors, IsEmpty());
  ASSERT_THAT(config.listeners, SizeIs(2));
  const Listener& tls = config.listeners[0];
  EXPECT_EQ(tls.address, (Address{"0.0.0.0", 8883}));
  EXPECT_THAT(tls.key_files, ElementsAre("a.key", "b.key"));
  EXPECT_EQ(tls.client_certificates, ClientCertificates::kRequired);
  EXPECT_THAT(tls.authentication, ElementsAre("users", "certs"));
  EXPECT_FALSE(tls.allow_anonymous);
  EXPECT_EQ(config.listeners[1].address.port, 8084);
  EXPECT_THAT(config.listeners[1].origins, ElementsAre("https://a.example", "https://b.example"));
  EXPECT_THAT(config.listeners[1].paths, IsEmpty());
  EXPECT_EQ(config.authentication[0].remember_seconds, 60u);
  EXPECT_TRUE(config.authentication[0].unknown_user_denied);
  EXPECT_EQ(config.authentication[1].from, CertificateName::kDns);
}

TEST(ReadYaml, WrongAuthentication) {
  EXPECT_THAT(
      ErrorsOf("authentication: [{name: a, type: pam}]"),
      ElementsAre(HasSubstr("allowed: password_file, certificate, scram_file, jwt or http")));
  EXPECT_THAT(ErrorsOf("authentication: [{name: a}]"),
              ElementsAre("c.yaml:1:18: key 'authentication[0].type' is missing"));
  EXPECT_THAT(ErrorsOf("authentication: users.txt"), ElementsAre(HasSubstr("a list of maps")));
}

TEST(ReadYaml, AllMistakesAreToldAtOnce) {
  EXPECT_THAT(ErrorsOf("shards: x\nlog: {level: y}\nnope: 1\n"), SizeIs(3));
}

TEST(ReadYaml, BrokenYaml) {
  EXPECT_THAT(ErrorsOf("log: {level: info\n"), ElementsAre(HasSubstr("c.yaml:")));
  EXPECT_THAT(ErrorsOf("- a\n- b\n"), ElementsAre("c.yaml:1:1: a map of keys is expected"));
  EXPECT_THAT(ErrorsOf("shards: 1\n---\nshards: 2\n"), ElementsAre(HasSubstr("several YAML")));
  EXPECT_THAT(ErrorsOf("[a], b"), SizeIs(1)) << "yaml-cpp's LoadAll() does not come back from it";
  EXPECT_THAT(ErrorsOf("a: *missing"), ElementsAre(HasSubstr("c.yaml:1:")));
}

class LoadTest : public ::testing::Test {
 protected:
  // A file of its own for each test, so that tests may run side by side.
  LoadTest()
      : file_(::testing::TempDir() + "skeinmqd_" + std::to_string(getpid()) + "_" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".yaml") {}
  ~LoadTest() override { std::remove(file_.c_str()); }

  void WriteFile(const std::string& yaml) { std::ofstream(file_) << yaml; }

  const std::string file_;
  Sources sources_;
  Problems problems_;
};

TEST_F(LoadTest, NothingGivesADefaultThatWorks) {
  const Config config = Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors, IsEmpty());
  EXPECT_THAT(problems_.warnings, IsEmpty());
  EXPECT_THAT(config.listeners,
              ElementsAre(Listener{{"127.0.0.1", 1883}, "tcp://127.0.0.1:1883", true}));
}

TEST_F(LoadTest, LaterSourcesWin) {
  const auto shards = [this] { return Load(sources_, &problems_).shards; };
  WriteFile("shards: 1");
  sources_.file = file_;
  EXPECT_EQ(shards(), 1);
  sources_.environment = {"PATH=/bin", "SKEINMQ_SHARDS=2"};
  EXPECT_EQ(shards(), 2);
  sources_.sets = {{"--set", "shards", "3"}, {"--set", "shards", "4"}};
  EXPECT_EQ(shards(), 4);
  sources_.flags = {{"--shards", "shards", "5"}};
  EXPECT_EQ(shards(), 5);
  EXPECT_THAT(problems_.errors, IsEmpty());
}

TEST_F(LoadTest, ListenReplacesConfiguredListeners) {
  WriteFile("listeners: [tcp://127.0.0.1:1, tcp://127.0.0.1:2]");
  sources_.file = file_;
  EXPECT_THAT(Load(sources_, &problems_).listeners, SizeIs(2));
  sources_.environment = {"SKEINMQ_LISTENERS=tcp://127.0.0.1:3,tcp://[::1]:3"};
  EXPECT_EQ(Load(sources_, &problems_).listeners[1].address, (Address{"::1", 3}));
  sources_.listen = {"tcp://127.0.0.1:4"};
  EXPECT_THAT(Load(sources_, &problems_).listeners,
              ElementsAre(Listener{{"127.0.0.1", 4}, "tcp://127.0.0.1:4", true}));
  EXPECT_THAT(problems_.errors, IsEmpty());
}

TEST_F(LoadTest, ErrorsNameTheirSource) {
  sources_.environment = {"SKEINMQ_SHARDS=many"};
  sources_.sets = {{"--set", "log.levle", "info"}};
  sources_.flags = {{"--admin-listen", "admin.listen", "here"}};
  sources_.listen = {"mqtts://127.0.0.1"};
  Load(sources_, &problems_);
  EXPECT_THAT(
      problems_.errors,
      ElementsAre(
          "environment SKEINMQ_SHARDS: key 'shards': got 'many'; allowed: integer 0..256",
          "--set: unknown key 'log.levle'; did you mean 'log.level'?",
          "--admin-listen: key 'admin.listen': got 'here'; allowed: ADDR:PORT, or empty",
          HasSubstr(
              "--listen: key 'listeners': got 'mqtts://127.0.0.1'; allowed: tcp://HOST:PORT")));
}

TEST_F(LoadTest, MissingFile) {
  sources_.file = file_;
  Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors, ElementsAre(file_ + ": cannot be read: No such file or directory"));
}

TEST_F(LoadTest, AFolderIsNoFile) {
  sources_.file = ::testing::TempDir();
  Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors, ElementsAre(HasSubstr("cannot be read")));
}

TEST_F(LoadTest, AnEmptyFileIsFine) {
  WriteFile("");
  sources_.file = file_;
  Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors, IsEmpty());
}

TEST_F(LoadTest, UnknownEnvironmentIsAWarningExceptKubernetesServiceLinks) {
  sources_.environment = {"SKEINMQ_LOGLEVEL=debug", "SKEINMQ_SERVICE_HOST=10.0.0.1",
                          "SKEINMQ_PORT=tcp://10.0.0.1:1883", "SKEINMQ_PORT_1883_TCP_PROTO=tcp",
                          "SKEINMQD=/usr/bin/skeinmqd"};
  Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors, IsEmpty());
  EXPECT_THAT(problems_.warnings,
              ElementsAre("environment SKEINMQ_LOGLEVEL names no key and is ignored"));
}

TEST_F(LoadTest, AnOpenAddressWithoutAnonymousIsAWarning) {
  sources_.listen = {"tcp://0.0.0.0:1883"};
  Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors, IsEmpty());
  EXPECT_THAT(problems_.warnings, ElementsAre(HasSubstr("will refuse every client")));
}

TEST_F(LoadTest, WhatDoesNotFitTogetherIsRefused) {
  WriteFile(R"(
listeners:
  - {url: tls://127.0.0.1, name: no-cert}
  - {url: tcp://127.0.0.1, name: plain, cert_file: a, key_file: a}
  - {url: tls://127.0.0.1:1, name: uneven, cert_file: [a, b], key_file: a, crl_file: c}
  - {url: tcp://127.0.0.1:2, name: nobody, authentication: users}
authentication:
  - {name: file, type: password_file}
)");
  sources_.file = file_;
  Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors,
              UnorderedElementsAre(
                  "listener 'no-cert': cert_file and key_file are missing",
                  "listener 'plain': certificates and TLS settings are for tls:// and wss:// only",
                  "listener 'uneven': cert_file and key_file must name as many files",
                  "listener 'uneven': crl_file needs client certificates",
                  "listener 'nobody': there is no authenticator 'users'; known: file",
                  "authentication 'file': file is missing"));
}

TEST_F(LoadTest, SettingsThatDoNothingAreNotTakenSilently) {
  WriteFile(R"(
listeners:
  - {url: tcp://127.0.0.1, name: plain, client_certificates: required}
  - {url: ws://127.0.0.1, name: web, tls_min_version: 1.3}
)");
  sources_.file = file_;
  Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors,
              ElementsAre("listener 'plain': certificates and TLS settings are for tls:// and "
                          "wss:// only",
                          "listener 'web': certificates and TLS settings are for tls:// and "
                          "wss:// only"));
}

TEST_F(LoadTest, AuthenticatorsThatKnowNobodyAreWarnings) {
  WriteFile(R"(
listeners:
  - {url: tls://127.0.0.1, name: devices, cert_file: a, key_file: b, authentication: certs}
authentication:
  - {name: certs, type: certificate}
  - {name: unused, type: certificate}
)");
  sources_.file = file_;
  Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors, IsEmpty());
  EXPECT_THAT(problems_.warnings,
              ElementsAre(HasSubstr("without access rules"),
                          "listener 'devices': authenticator 'certs' knows nobody: clients are not "
                          "asked for a certificate",
                          "authentication 'unused': no listener names it"));
}

TEST_F(LoadTest, AClusterAsAListOrAText) {
  WriteFile(R"(
node: {id: b}
cluster:
  listen: 127.0.0.1:7883
  peers: [a=host-a:7883, "b=[::1]:7884"]
)");
  sources_.file = file_;
  const Config config = Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors, IsEmpty());
  EXPECT_THAT(problems_.warnings, IsEmpty()) << "loopback needs no certificates";
  const std::vector<ClusterPeer> peers = {{"a", {"host-a", 7883}}, {"b", {"::1", 7884}}};
  EXPECT_EQ(config.cluster_peers, peers);
  sources_.file.clear();
  sources_.flags = {{"--node-id", "node.id", "b"},
                    {"--cluster-listen", "cluster.listen", "0.0.0.0:7883"},
                    {"--peers", "cluster.peers", "a=host-a:7883,b=[::1]:7884"}};
  EXPECT_EQ(Load(sources_, &problems_).cluster_peers, peers);
  EXPECT_THAT(problems_.errors, IsEmpty());
  EXPECT_THAT(problems_.warnings, ElementsAre(HasSubstr("can act as a node of the cluster")));
}

TEST_F(LoadTest, StrategiesOfSharedGroups) {
  WriteFile(R"(
shared_subscriptions:
  strategy: local_first
  groups: [work=hash_topic, "a=b=sticky"]
)");
  sources_.file = file_;
  const Config config = Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors, IsEmpty());
  EXPECT_EQ(config.share_strategy, shard::ShareStrategy::kLocalFirst);
  const GroupStrategies groups = {{"work", shard::ShareStrategy::kHashTopic},
                                  {"a=b", shard::ShareStrategy::kSticky}};
  EXPECT_EQ(config.share_groups, groups);
  for (const char* wrong : {"work", "work=", "=random", "a/b=random", "a+=random", "g=fast",
                            "g=random,g=sticky", "g=random,,h=random"}) {
    Sources sources;
    sources.flags = {{"--set", "shared_subscriptions.groups", wrong}};
    Problems problems;
    Load(sources, &problems);
    EXPECT_THAT(problems.errors, ElementsAre(HasSubstr("NAME=STRATEGY"))) << wrong;
  }
}

TEST_F(LoadTest, AClusterThatCannotBe) {
  const auto errors = [](std::vector<Assignment> flags) {
    Sources sources;
    sources.flags = std::move(flags);
    Problems problems;
    Load(sources, &problems);
    return problems.errors;
  };
  const Assignment node{"--node-id", "node.id", "a"};
  const Assignment listen{"--cluster-listen", "cluster.listen", "127.0.0.1:1"};
  const auto peers = [](const char* text) { return Assignment{"--peers", "cluster.peers", text}; };
  EXPECT_THAT(errors({node, listen, peers("b=h:1,c=h:2")}),
              ElementsAre(HasSubstr("'a' (node.id)")));
  EXPECT_THAT(errors({node, peers("a=h:1")}), ElementsAre(HasSubstr("needs cluster.listen")));
  EXPECT_THAT(errors({node, listen}), ElementsAre(HasSubstr("needs cluster.peers")));
  for (const char* wrong : {"a", "a=", "a=h", "a=h:0", "=h:1", "a b=h:1", "a=h:1,a=h:2", "a=h:1,,"})
    EXPECT_THAT(errors({node, listen, peers(wrong)}), ElementsAre(HasSubstr("NODE=HOST:PORT")))
        << wrong;
  EXPECT_THAT(errors({node, listen, peers("a=h:1"), {"--set", "cluster.ca_file", "x"}}),
              ElementsAre(HasSubstr("go together")));
}

TEST_F(LoadTest, ARangeOfPeersStandsForOneOfEach) {
  sources_.flags = {{"--node-id", "node.id", "mq-1"},
                    {"--cluster-listen", "cluster.listen", "127.0.0.1:7883"},
                    {"--peers", "cluster.peers", "mq-{0..2}=mq-{0..2}.mq:7883,x=h:1"}};
  const std::vector<ClusterPeer> peers = {{"mq-0", {"mq-0.mq", 7883}},
                                          {"mq-1", {"mq-1.mq", 7883}},
                                          {"mq-2", {"mq-2.mq", 7883}},
                                          {"x", {"h", 1}}};
  EXPECT_EQ(Load(sources_, &problems_).cluster_peers, peers);
  EXPECT_THAT(problems_.errors, IsEmpty());
  for (const char* wrong : {"a{0..1}=h:1,a1=h:2", "a-{1..0}=h:1", "a-{0..}=h:1", "a-{..1}=h:1",
                            "a-{x..1}=h:1", "a-{0..1=h:1", "a-{0}=h:1", "a-{0..1}=h-{0..2}:1",
                            "a={0..1}:1", "a-{0..512}=h:1", "a-{-1..1}=h:1"}) {
    sources_.flags[2].value = wrong;
    Problems problems;
    Load(sources_, &problems);
    EXPECT_THAT(problems.errors, ElementsAre(HasSubstr("NODE=HOST:PORT"))) << wrong;
  }
}

TEST_F(LoadTest, TheOperatorsDoorIsOpenToOtherMachinesOnlyWithAToken) {
  EXPECT_EQ(Load(sources_, &problems_).admin_listen, (Address{"127.0.0.1", 9883}));
  sources_.flags = {{"--admin-listen", "admin.listen", ""}};
  EXPECT_EQ(Load(sources_, &problems_).admin_listen, std::nullopt);
  EXPECT_THAT(problems_.errors, IsEmpty());
  for (const char* open : {"0.0.0.0:9883", "[::]:9883", "192.0.2.1:0", "mq.example:9883"}) {
    sources_.flags = {{"--admin-listen", "admin.listen", open}};
    Problems problems;
    Load(sources_, &problems);
    EXPECT_THAT(problems.errors, ElementsAre(HasSubstr("needs admin.token_file"))) << open;
    sources_.flags.push_back({"--set", "admin.token_file", "/t"});
    EXPECT_EQ(Load(sources_, &problems_).admin_token_file, "/t");
  }
  EXPECT_THAT(problems_.errors, IsEmpty());
  for (const char* here : {"127.0.0.2:9883", "[::1]:0", "localhost:9883"}) {
    sources_.flags = {{"--admin-listen", "admin.listen", here}};
    Load(sources_, &problems_);
    EXPECT_THAT(problems_.errors, IsEmpty()) << here;
  }
}

TEST_F(LoadTest, BackEndsAndBansNeedWhatTheyAreAbout) {
  WriteFile(R"(
authentication:
  - {name: a, type: jwt}
  - {name: b, type: jwt, jwks_file: x, secret_file: y}
  - {name: c, type: http}
  - {name: d, type: http, url: "http://192.0.2.1/", cert_file: x}
bans: [{client_id: a, user_name: b}, {note: nobody}]
)");
  sources_.file = file_;
  Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors,
              ElementsAre(HasSubstr("bans[0]: exactly one"), HasSubstr("bans[1]: exactly one")));
  WriteFile(R"(
authentication:
  - {name: a, type: jwt}
  - {name: b, type: jwt, jwks_file: x, secret_file: y}
  - {name: c, type: http}
  - {name: d, type: http, url: "http://192.0.2.1/", cert_file: x}
)");
  Problems more;
  Load(sources_, &more);
  EXPECT_THAT(more.errors, ElementsAre(HasSubstr("'a': exactly one of jwks_file"),
                                       HasSubstr("'b': exactly one of jwks_file"),
                                       HasSubstr("'c': url is missing"),
                                       HasSubstr("'d': cert_file and key_file go together")));
  EXPECT_THAT(more.warnings, ::testing::Contains(HasSubstr("is not https")));
}

// Authentication is looked up by the listener's name.
TEST_F(LoadTest, ListenersOnAnyPortHaveNamesOfTheirOwn) {
  sources_.listen = {"tcp://127.0.0.1:0", "tcp://127.0.0.1:0", "tcp://127.0.0.1:0?name=a"};
  const Config config = Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors, IsEmpty());
  ASSERT_THAT(config.listeners, SizeIs(3));
  EXPECT_EQ(config.listeners[0].name, "tcp://127.0.0.1:0");
  EXPECT_EQ(config.listeners[1].name, "tcp://127.0.0.1:0#2");
  EXPECT_EQ(config.listeners[2].name, "a");
  sources_.listen = {"tcp://127.0.0.1:1883?name=a", "tcp://127.0.0.1:0?name=a"};
  Problems names;
  Load(sources_, &names);
  EXPECT_THAT(names.errors, ElementsAre("listeners: the name 'a' is given twice"));
}

TEST_F(LoadTest, TheSameAddressOrNameTwiceIsRefused) {
  sources_.listen = {"tcp://127.0.0.1:1883", "tcp://127.0.0.1:1883"};
  Load(sources_, &problems_);
  sources_.listen = {"tcp://127.0.0.1:1883?name=a", "tcp://127.0.0.1:1884?name=a"};
  Problems names;
  Load(sources_, &names);
  EXPECT_THAT(problems_.errors, ElementsAre("listeners: tcp://127.0.0.1:1883 is given twice"));
  EXPECT_THAT(names.errors, ElementsAre("listeners: the name 'a' is given twice"));
}

}  // namespace
}  // namespace skein::config
