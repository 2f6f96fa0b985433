#include "broker/metrics/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>

namespace skein::metrics {
namespace {

TEST(ProcessTest, ReadsThisProcess) {
  const ProcessFigures before = ReadProcess();
  EXPECT_GT(before.resident_bytes, 1'000'000);
  EXPECT_GT(before.virtual_bytes, before.resident_bytes);
  EXPECT_GE(before.threads, 1);
  EXPECT_GT(before.max_fds, before.open_fds);
  EXPECT_GT(before.start_time, 1'500'000'000);
  EXPECT_LE(before.start_time, static_cast<double>(std::time(nullptr)) + 2);
  const int fd = open("/dev/null", O_RDONLY);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(ReadProcess().open_fds, before.open_fds + 1);
  close(fd);
}

}  // namespace
}  // namespace skein::metrics
