// What operators may do, and where each value of the configuration comes from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "cmd/skeinmqd/loader.h"

namespace skein::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class OriginsTest : public testing::Test {
 protected:
  OriginsTest() { sources_.file = file_; }
  ~OriginsTest() override { std::remove(file_.c_str()); }

  void WriteFile(const std::string& yaml) { std::ofstream(file_) << yaml; }

  const std::string file_ = testing::TempDir() + "origins-" + std::to_string(getpid()) + ".yaml";
  Sources sources_;
  Problems problems_;
};

TEST_F(OriginsTest, OperatorsHaveRoles) {
  WriteFile(R"(
admin:
  listen: 0.0.0.0:9883
  tokens:
    - {name: grafana, role: read, file: /g}
  tls: {cert_file: /c, key_file: /k, client_ca_file: /a, client_roles: [jane=admin, "a=b=operate"]}
)");
  const Config config = Load(sources_, &problems_);
  EXPECT_THAT(problems_.errors, IsEmpty());
  EXPECT_THAT(config.admin_tokens, ElementsAre(AdminToken{"grafana", AdminRole::kRead, "/g"}));
  EXPECT_EQ(config.admin_client_roles,
            (AdminRoles{{"jane", AdminRole::kAdmin}, {"a=b", AdminRole::kOperate}}));
  for (const char* wrong : {"jane", "=read", "jane=boss", "jane=read,jane=admin"}) {
    sources_.sets = {{"--set", "admin.tls.client_roles", wrong}};
    Problems problems;
    Load(sources_, &problems);
    EXPECT_THAT(problems.errors, ElementsAre(HasSubstr("each name once"))) << wrong;
  }
}

TEST_F(OriginsTest, EachValueHasItsOrigin) {
  WriteFile("shards: 2\nlimits:\n  max_inflight: 7\nlog: {level: debug}\n");
  sources_.environment = {"SKEINMQ_LOG_FORMAT=json"};
  sources_.sets = {{"--set", "log.level", "warn"}};
  Origins origins{{"old", "gone"}};
  Load(sources_, &problems_, &origins);
  EXPECT_EQ(origins, (Origins{{"shards", "file:1"},
                              {"limits.max_inflight", "file:3"},
                              {"log.level", "flag"},
                              {"log.format", "environment"}}));
}

}  // namespace
}  // namespace skein::config
