#include "broker/net/socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <string>
#include <vector>

#include "broker/net/signal_fd.h"
#include "gtest/gtest.h"

namespace skein::net {
namespace {

class SocketTest : public testing::Test {
 protected:
  SocketTest() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    near_.Reset(fds[0]);
    far_.Reset(fds[1]);
  }

  Fd near_;
  Fd far_;
  std::array<char, 65'536> buffer_;
};

TEST_F(SocketTest, GathersAndReads) {
  std::string first = "hello ";
  std::string second = "world";
  const iovec parts[] = {{first.data(), first.size()}, {second.data(), second.size()}};
  const IoResult written = Writev(near_.get(), parts, 2);
  EXPECT_EQ(written.status, IoStatus::kOk);
  EXPECT_EQ(written.bytes, 11u);
  const IoResult read = Read(far_.get(), buffer_.data(), buffer_.size());
  EXPECT_EQ(read.status, IoStatus::kOk);
  EXPECT_EQ(std::string(buffer_.data(), read.bytes), "hello world");
  EXPECT_EQ(Read(far_.get(), buffer_.data(), 1).status, IoStatus::kWouldBlock);
}

TEST_F(SocketTest, FullSocketWouldBlock) {
  const iovec part{buffer_.data(), buffer_.size()};
  IoResult result{IoStatus::kOk};
  for (int i = 0; i < 10'000 && result.status == IoStatus::kOk; ++i) {
    result = Writev(near_.get(), &part, 1);
  }
  EXPECT_EQ(result.status, IoStatus::kWouldBlock);
}

TEST_F(SocketTest, MorePartsThanTheSystemTakes) {
  char byte = 'x';
  const std::vector<iovec> parts(IOV_MAX + 10, iovec{&byte, 1});
  const IoResult result = Writev(near_.get(), parts.data(), static_cast<int>(parts.size()));
  EXPECT_EQ(result.status, IoStatus::kOk);
  EXPECT_EQ(result.bytes, static_cast<size_t>(IOV_MAX));
}

TEST_F(SocketTest, ShutdownIsTheEndForTheOtherSide) {
  char byte = 'x';
  const iovec part{&byte, 1};
  ASSERT_EQ(Writev(near_.get(), &part, 1).status, IoStatus::kOk);
  ShutdownWrite(near_.get());
  EXPECT_EQ(Read(far_.get(), buffer_.data(), 10).bytes, 1u);
  EXPECT_EQ(Read(far_.get(), buffer_.data(), 10).status, IoStatus::kClosed);
  far_.Reset();
  ShutdownWrite(near_.get());
}

TEST_F(SocketTest, WritingToAClosedPeerIsAnErrorNotASignal) {
  ASSERT_NE(std::signal(SIGPIPE, SIG_DFL), SIG_ERR);
  far_.Reset();
  char byte = 'x';
  const iovec part{&byte, 1};
  const IoResult result = Writev(near_.get(), &part, 1);
  EXPECT_EQ(result.status, IoStatus::kError);
  EXPECT_EQ(result.error, EPIPE);
}

TEST_F(SocketTest, FdClosesAndMoves) {
  const int number = near_.get();
  Fd moved = std::move(near_);
  EXPECT_EQ(moved.get(), number);
  EXPECT_NE(::fcntl(number, F_GETFD), -1);
  moved = std::move(far_);
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
  const int released = moved.Release();
  EXPECT_FALSE(moved.valid());
  EXPECT_NE(::fcntl(released, F_GETFD), -1);
  Close(released);
}

TEST(FileLimitTest, RisesToTheHardLimit) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(RaiseFileLimit(), before.rlim_max);
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST(SignalFdTest, SignalsAreReadInsteadOfEndingTheProcess) {
  sigset_t before;
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &before), 0);
  absl::StatusOr<SignalFd> signals = SignalFd::Create();
  ASSERT_TRUE(signals.ok()) << signals.status();
  EXPECT_EQ(signals->Next(), 0);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    ASSERT_EQ(::raise(number), 0);
    pollfd ready{signals->fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&ready, 1, 30'000), 1);
    EXPECT_EQ(signals->Next(), number);
  }
  EXPECT_EQ(signals->Next(), 0);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(ErrnoTest, StatusTellsExhaustionApart) {
  EXPECT_EQ(ErrnoStatus(EMFILE, "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(std::string(ErrnoStatus(EACCES, "cannot open it").message()),
            "cannot open it: Permission denied");
}

}  // namespace
}  // namespace skein::net
