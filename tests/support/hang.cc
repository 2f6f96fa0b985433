// Preloaded into a program under test: makes a disk, or an event loop, hang while a file exists.
//
//   LD_PRELOAD=libskein_hang.so SKEIN_HANG=FOLDER program
//
// While FOLDER/sync exists, whoever calls fsync() or fdatasync() does not come back; while
// FOLDER/loop exists, the first thread that calls epoll_wait() does not. Each makes a file of the
// same name with ".held" when it holds somebody.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <ctime>
#include <string>

namespace {

bool Exists(const std::string& file) {
  return access(file.c_str(), F_OK) == 0;
}

void HoldWhile(const std::string& file) {
  const int held = open((file + ".held").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (held >= 0) close(held);
  constexpr timespec kLook{0, 10'000'000};
  while (Exists(file))
    nanosleep(&kLook, nullptr);
}

// Empty: nothing is to hang.
std::string FileOf(const char* name) {
  const char* const folder = std::getenv("SKEIN_HANG");
  return folder == nullptr ? std::string() : std::string(folder) + "/" + name;
}

void HoldSync() {
  static const std::string file = FileOf("sync");
  if (!file.empty() && Exists(file)) HoldWhile(file);
}

template <typename Function>
Function* Real(const char* name, Function*) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int fsync(int fd) {
  static const auto real = Real("fsync", &fsync);
  HoldSync();
  return real(fd);
}

int fdatasync(int fd) {
  static const auto real = Real("fdatasync", &fdatasync);
  HoldSync();
  return real(fd);
}

int epoll_wait(int epoll, epoll_event* events, int size, int timeout_ms) {
  static const auto real = Real("epoll_wait", &epoll_wait);
  static const std::string file = FileOf("loop");
  static std::atomic<bool> held{false};
  if (!file.empty() && Exists(file) && !held.exchange(true)) {
    HoldWhile(file);
    held = false;
  }
  return real(epoll, events, size, timeout_ms);
}

}  // extern "C"
