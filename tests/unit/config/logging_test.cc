// Log lines: rendered, escaped, written by another thread, dropped when nobody reads.
#include "cmd/skeinmqd/logging.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

#include "broker/base/check.h"
#include "cmd/skeinmqd/log_format.h"

namespace skein::config {
namespace {

using ::testing::HasSubstr;

const LogTime kTime{std::chrono::milliseconds(1'769'860'800'123)};

TEST(LogFormat, Text) {
  EXPECT_EQ(FormatTextLine(kTime, LogLevel::kWarn, "client.closed",
                           {{"client_id", "sensor-7"}, {"reason", 0x8d}, {"why", "a b"}}),
            "2026-01-31T12:00:00.123Z WARN client.closed client_id=sensor-7 reason=141 "
            "why=\"a b\"");
}

TEST(LogFormat, Json) {
  EXPECT_EQ(
      FormatJsonLine(kTime, LogLevel::kInfo, "client.closed", {{"client_id", "s"}, {"reason", -1}}),
      R"({"time":"2026-01-31T12:00:00.123Z","level":"info","event":"client.closed",)"
      R"("client_id":"s","reason":-1})");
}

TEST(LogFormat, ValuesCannotForgeText) {
  const auto line = [](std::string_view value) {
    return FormatTextLine(kTime, LogLevel::kInfo, "e", {{"id", value}}).substr(32);
  };
  EXPECT_EQ(line("x\n2026 INFO forged"), R"(id="x\x0a2026 INFO forged")");
  EXPECT_EQ(line("x level=ERROR"), R"(id="x level=ERROR")");
  EXPECT_EQ(line("x=y"), R"(id="x=y")");
  EXPECT_EQ(line("a\"b\\"), R"(id="a\"b\\")");
  EXPECT_EQ(line(""), R"(id="")");
  EXPECT_EQ(line(std::string_view("\0\x1b[31m\x7f\xc2\x85", 9)),
            R"(id="\x00\x1b[31m\x7f\xc2\x85")");
}

TEST(LogFormat, ValuesCannotForgeJson) {
  const std::string hostile = "x\"},\n{\"level\":\"error\xe2\x80\xa8\xff";
  const std::string line =
      FormatJsonLine(kTime, LogLevel::kInfo, "e", {{"id", hostile}, {"level", "fatal"}});
  EXPECT_EQ(line.find('\n'), line.npos);
  for (const char c : line)
    EXPECT_TRUE(c >= ' ' && c < 0x7f);
  const auto object = nlohmann::json::parse(line);
  EXPECT_EQ(object["level"], "info");
  EXPECT_EQ(object["level_"], "fatal");
  EXPECT_EQ(object["id"], "x\"},\n{\"level\":\"error\u2028\ufffd");
}

class LoggerTest : public ::testing::Test {
 protected:
  LoggerTest() { SKEIN_CHECK(pipe(pipe_) == 0); }
  ~LoggerTest() override {
    close(pipe_[0]);
    if (pipe_[1] >= 0) close(pipe_[1]);
  }

  // Everything that was written, after the logger is gone.
  std::string ReadAll() {
    close(pipe_[1]);
    pipe_[1] = -1;
    std::string all;
    char buffer[4096];
    for (ssize_t n; (n = read(pipe_[0], buffer, sizeof buffer)) > 0;) {
      all.append(buffer, static_cast<size_t>(n));
    }
    return all;
  }

  int pipe_[2];
};

TEST_F(LoggerTest, WritesWhatIsEnabledBeforeItEnds) {
  auto logger = MakeLogger(LogLevel::kInfo, LogFormat::kText, pipe_[1]);
  logger->Log(LogLevel::kDebug, "hidden");
  logger->Log(LogLevel::kInfo, "shown", {{"n", 1}});
  logger->set_level(LogLevel::kDebug);
  logger->Log(LogLevel::kDebug, "shown.now");
  EXPECT_EQ(logger->dropped(), 0u);
  logger.reset();
  const std::string text = ReadAll();
  EXPECT_THAT(text, HasSubstr("INFO shown n=1\n"));
  EXPECT_THAT(text, HasSubstr("DEBUG shown.now\n"));
  EXPECT_EQ(text.find("hidden"), text.npos);
}

TEST_F(LoggerTest, LinesOfManyThreadsStayWhole) {
  constexpr int kThreads = 4;
  constexpr int kLines = 100;
  auto logger = MakeLogger(LogLevel::kInfo, LogFormat::kJson, pipe_[1]);
  std::string text;
  std::thread reader([&] {
    char buffer[4096];
    for (ssize_t n; (n = read(pipe_[0], buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<size_t>(n));
    }
  });
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t) {
    writers.emplace_back([&logger, t] {
      for (int i = 0; i < kLines; ++i)
        logger->Log(LogLevel::kInfo, "line", {{"thread", t}, {"i", i}});
    });
  }
  for (std::thread& writer : writers)
    writer.join();
  logger.reset();
  close(pipe_[1]);
  pipe_[1] = -1;
  reader.join();

  std::istringstream lines(text);
  std::vector<int> next(kThreads, 0);
  for (std::string line; std::getline(lines, line);) {
    const auto object = nlohmann::json::parse(line);
    EXPECT_EQ(object["i"], next[object["thread"].get<size_t>()]++);
  }
  EXPECT_THAT(next, ::testing::Each(kLines));
}

TEST_F(LoggerTest, AFullQueueDropsTheOldestAndNeverBlocks) {
  // Nobody reads the pipe: once it is full the writing thread hangs, and the queue fills.
  auto logger = MakeLogger(LogLevel::kInfo, LogFormat::kText, pipe_[1]);
  const std::string filler(200, 'x');
  for (size_t i = 0; i < 2 * kLogQueue; ++i) {
    logger->Log(LogLevel::kInfo, "filler", {{"i", i}, {"text", filler}});
  }
  logger->Log(LogLevel::kInfo, "last");
  EXPECT_GT(logger->dropped(), 0u);

  std::string text;
  std::thread reader([&] {
    char buffer[65536];
    for (ssize_t n; (n = read(pipe_[0], buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<size_t>(n));
    }
  });
  logger.reset();
  close(pipe_[1]);
  pipe_[1] = -1;
  reader.join();
  EXPECT_THAT(text.substr(text.size() - 40), HasSubstr("INFO last\n"));
}

TEST_F(LoggerTest, AReaderThatIsGoneDoesNotMatter) {
  signal(SIGPIPE, SIG_IGN);
  auto logger = MakeLogger(LogLevel::kInfo, LogFormat::kText, pipe_[1]);
  close(pipe_[0]);
  logger->Log(LogLevel::kInfo, "unheard");
  logger.reset();
  pipe_[0] = open("/dev/null", O_RDONLY);
}

TEST(Check, AFailureSaysWhereAndWhatAndAborts) {
  SKEIN_CHECK(1 + 1 == 2) << "never evaluated";
  EXPECT_DEATH(SKEIN_CHECK(1 + 1 == 3) << "sum " << 2,
               "logging_test.cc:[0-9]+: check failed: 1 \\+ 1 == 3 sum 2");
}

}  // namespace
}  // namespace skein::config
