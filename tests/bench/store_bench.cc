// How many records a second the store makes durable.
//
// Purpose: drives one shard's session store with messages for many offline sessions, as fast as it
// takes them with a bounded number not yet durable, then reads the queues back; beside the rate at
// which the same disk does fdatasync alone. Usage: store_bench DIRECTORY [RECORDS] [SESSIONS]
// [PAYLOAD] [fsync|os|memory]
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <semaphore>
#include <string>
#include <vector>

#include "storage/rocksdb/store.h"

namespace {

using skein::storage::Store;
using skein::storage::StoreOptions;
using Clock = std::chrono::steady_clock;

constexpr uint32_t kPartitions = 256;
constexpr uint64_t kRecordsACommit = 100;
constexpr uint64_t kMaxPending = 20'000;

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

double CpuSeconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double SyncsPerSecond(const std::string& directory) {
  const std::string path = directory + "/raw";
  const int file = open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  const std::string block(size_t{20} << 10, 'x');
  const Clock::time_point start = Clock::now();
  uint64_t count = 0;
  for (; Seconds(start) < 2; ++count) {
    if (write(file, block.data(), block.size()) < 0 || fdatasync(file) != 0) std::abort();
  }
  const double rate = static_cast<double>(count) / Seconds(start);
  close(file);
  unlink(path.c_str());
  return rate;
}

struct Bench {
  StoreOptions options;
  uint64_t records = 2'000'000;
  uint64_t sessions = 1'000;
  size_t payload = 200;

  std::unique_ptr<Store> node;
  std::counting_semaphore<> woken{0};
  std::unique_ptr<skein::session::SessionStore> store;

  void Open() {
    auto opened = Store::Open(options);
    if (!opened.ok()) {
      std::fprintf(stderr, "%s\n", opened.status().ToString().c_str());
      std::exit(1);
    }
    node = std::move(*opened);
    store = node->MakeSessionStore(0, [this] { woken.release(); });
  }
  void AwaitDurable(skein::session::Lsn lsn) {
    while (store->durable() < lsn)
      woken.acquire();
  }
  static skein::session::SessionKey Key(uint64_t session) {
    return {static_cast<uint32_t>(session % kPartitions), session + 1};
  }

  void Connect() {
    skein::session::Lsn last = 0;
    for (uint64_t i = 0; i < sessions; ++i) {
      const std::string id = "client-" + std::to_string(i);
      last = store->Append(Key(i), skein::session::Connected{id, UINT32_MAX, 5, {}});
    }
    store->Commit();
    AwaitDurable(last);
  }

  void Enqueue() {
    std::string payload_bytes(payload, 'p');
    const Clock::time_point start = Clock::now();
    const double cpu = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
    const double own = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
    skein::session::Lsn last = 0;
    for (uint64_t i = 0; i < records; ++i) {
      skein::mqtt::Message::Init init;
      init.topic = "factory/line/7/sensor";
      init.payload = payload_bytes;
      init.qos = skein::Qos::kAtLeastOnce;
      init.received_at = 1'700'000'000'000 + static_cast<int64_t>(i);
      skein::session::Enqueued enqueued;
      enqueued.sequence = i / sessions + 1;
      enqueued.message = skein::mqtt::Message::Make(init);
      last = store->Append(Key(i % sessions), enqueued);
      if (last % kRecordsACommit != 0) continue;
      store->Commit();
      if (last > kMaxPending) AwaitDurable(last - kMaxPending);
    }
    store->Commit();
    AwaitDurable(last);
    const double seconds = Seconds(start);
    const double others =
        CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - cpu - (CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - own);
    const skein::storage::StoreStats& stats = node->stats();
    const uint64_t fsyncs = stats.fsyncs;
    std::printf("enqueue: %.0f records/s, %.2f s, cpu of the store %.2f s\n",
                static_cast<double>(records) / seconds, seconds, others);
    std::printf("  %lu commits, %.0f records each, %lu checkpoints, %.3f ms a write with fsync\n",
                stats.commits.load(), static_cast<double>(records) / double(stats.commits.load()),
                stats.checkpoints.load(),
                fsyncs == 0 ? 0 : double(stats.fsync.sum()) / double(fsyncs) / 1e3);
  }

  void Drain() {
    const Clock::time_point start = Clock::now();
    uint64_t messages = 0;
    std::vector<skein::session::QueuePage> pages;
    for (uint64_t i = 0; i < sessions; ++i)
      store->ReadQueue({Key(i), i, 1, 256, 1u << 20, 0});
    for (uint64_t open = sessions; open > 0;) {
      woken.acquire();
      store->TakePages(&pages);
      for (const skein::session::QueuePage& page : pages) {
        messages += page.entries.size();
        if (page.end) {
          --open;
        } else {
          store->ReadQueue({page.key, page.token, page.next, 256, 1u << 20, 0});
        }
      }
      pages.clear();
    }
    std::printf("read: %.0f messages/s (%lu)\n", static_cast<double>(messages) / Seconds(start),
                messages);
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s DIRECTORY [RECORDS] [SESSIONS] [PAYLOAD] [fsync|os|memory]\n",
                 argv[0]);
    return 2;
  }
  std::filesystem::create_directories(argv[1]);
  std::printf("raw: %.0f fdatasync/s of 20 KiB\n", SyncsPerSecond(argv[1]));
  Bench bench;
  bench.options.database.data_dir = std::string(argv[1]) + "/store";
  std::filesystem::remove_all(bench.options.database.data_dir);
  if (argc > 2) bench.records = std::strtoull(argv[2], nullptr, 10);
  if (argc > 3) bench.sessions = std::strtoull(argv[3], nullptr, 10);
  if (argc > 4) bench.payload = std::strtoull(argv[4], nullptr, 10);
  const std::string mode = argc > 5 ? argv[5] : "fsync";
  if (mode == "os") bench.options.durability = skein::storage::Durability::kOs;
  if (mode == "memory") bench.options.durability = skein::storage::Durability::kMemory;
  bench.Open();
  bench.Connect();
  bench.Enqueue();
  bench.Drain();
  bench.node->Stop();
  std::filesystem::remove_all(bench.options.database.data_dir);
  return 0;
}
