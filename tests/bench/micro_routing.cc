// Routing, measured: matching and memory of the subscription table and its neighbours.
//
//   micro_routing [--benchmark_filter=...]
//
// `bytes_per_subscription` is what the heap grew by, texts included, divided by the subscriptions.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/routing/retained_scan.h"
#include "broker/routing/route_table.h"
#include "broker/routing/subscription_table.h"

namespace skein::routing {
namespace {

std::string Device(int64_t i) {
  return "fleet/truck-" + std::to_string(i) + "/state";
}

size_t HeapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// A walk over 0 .. count-1 that caches cannot follow.
class Scatter {
 public:
  explicit Scatter(int64_t count) : count_(static_cast<uint64_t>(count)) {}
  int64_t Next() { return static_cast<int64_t>((state_ += 0x9E3779B97F4A7C15u) % count_); }

 private:
  uint64_t count_;
  uint64_t state_ = 0;
};

void BM_MatchExact(benchmark::State& state) {
  const int64_t count = state.range(0);
  const size_t before = HeapBytes();
  auto table = std::make_unique<SubscriptionTable>();
  size_t text = 0;
  for (int64_t i = 0; i < count; ++i) {
    const std::string filter = Device(i);
    text += filter.size();
    table->Add(filter, static_cast<SessionSlot>(i), {});
  }
  const size_t grown = HeapBytes() - before;
  std::vector<std::string> topics;
  Scatter scatter(count);
  for (int i = 0; i < 65'536; ++i)
    topics.push_back(Device(scatter.Next()));
  SubscriptionTable::Matches matches;
  size_t next = 0;
  for (auto _ : state) {
    table->Match(topics[next++ & 65'535], &matches);
    benchmark::DoNotOptimize(matches.plain.data());
  }
  const double n = static_cast<double>(count);
  state.counters["bytes_per_subscription"] = static_cast<double>(grown) / n;
  state.counters["of_it_text"] = static_cast<double>(text) / n;
}
BENCHMARK(BM_MatchExact)->Arg(1'000)->Arg(1'000'000);

// One wildcard filter a device, as fleets have them, beside three that match everything.
void BM_MatchWildcard(benchmark::State& state) {
  const int64_t count = state.range(0);
  const size_t before = HeapBytes();
  auto table = std::make_unique<SubscriptionTable>();
  for (int64_t i = 0; i < count; ++i) {
    table->Add("fleet/truck-" + std::to_string(i) + (i % 2 == 0 ? "/+" : "/#"),
               static_cast<SessionSlot>(i), {});
  }
  const size_t grown = HeapBytes() - before;
  for (const char* all : {"#", "fleet/+/state", "+/+/+"})
    table->Add(all, 0, {});
  std::vector<std::string> topics;
  Scatter scatter(count);
  for (int i = 0; i < 65'536; ++i)
    topics.push_back(Device(scatter.Next()));
  SubscriptionTable::Matches matches;
  size_t next = 0;
  for (auto _ : state) {
    table->Match(topics[next++ & 65'535], &matches);
    benchmark::DoNotOptimize(matches.plain.data());
  }
  state.counters["bytes_per_subscription"] =
      static_cast<double>(grown) / static_cast<double>(count);
}
BENCHMARK(BM_MatchWildcard)->Arg(1'000)->Arg(100'000);

// 10,000 filters that share all their beginnings and all match: the worst a match can be asked.
void BM_MatchHostile(benchmark::State& state) {
  SubscriptionTable table;
  for (int bits = 0; bits < 10'000; ++bits) {
    std::string filter;
    for (int i = 0; i < 14; ++i)
      filter += (bits >> i & 1) != 0 ? "a/" : "+/";
    table.Add(filter + "a", 0, {});
  }
  std::string topic = "a";
  for (int i = 0; i < 14; ++i)
    topic += "/a";
  SubscriptionTable::Matches matches;
  for (auto _ : state) {
    table.Match(topic, &matches);
    benchmark::DoNotOptimize(matches.plain.data());
  }
  state.counters["matches"] = static_cast<double>(matches.plain.size());
}
BENCHMARK(BM_MatchHostile);

void BM_AddRemove(benchmark::State& state) {
  SubscriptionTable table;
  for (int64_t i = 0; i < state.range(0); ++i)
    table.Add(Device(i), 0, {});
  int64_t next = state.range(0);
  for (auto _ : state)
    table.Remove(table.Add(Device(next++), 1, {}));
}
BENCHMARK(BM_AddRemove)->Arg(100'000);

// Subscribers of one filter: what a subscription costs when the filter is shared.
void BM_BytesOfOneFilter(benchmark::State& state) {
  constexpr uint32_t kSubscribers = 1'000'000;
  for (auto _ : state) {
    const size_t before = HeapBytes();
    SubscriptionTable table;
    for (uint32_t i = 0; i < kSubscribers; ++i)
      table.Add("news", i, {});
    state.counters["bytes_per_subscription"] =
        static_cast<double>(HeapBytes() - before) / kSubscribers;
  }
}
BENCHMARK(BM_BytesOfOneFilter)->Iterations(1)->Unit(benchmark::kMillisecond);

void BM_RouteMatch(benchmark::State& state) {
  const size_t before = HeapBytes();
  auto table = std::make_unique<RouteTable>();
  for (int64_t i = 0; i < state.range(0); ++i) {
    table->Set(Device(i), static_cast<Destination>(i % 8), 1);
  }
  const size_t grown = HeapBytes() - before;
  std::vector<std::string> topics;
  Scatter scatter(state.range(0));
  for (int i = 0; i < 65'536; ++i)
    topics.push_back(Device(scatter.Next()));
  RouteTable::Matches matches;
  size_t next = 0;
  for (auto _ : state) {
    table->Match(topics[next++ & 65'535], &matches);
    benchmark::DoNotOptimize(matches.destinations.data());
  }
  state.counters["bytes_per_route"] =
      static_cast<double>(grown) / static_cast<double>(state.range(0));
}
BENCHMARK(BM_RouteMatch)->Arg(1'000'000);

// "fleet/+/alarm": 10 of 1,000,000 retained topics.
void BM_RetainedScan(benchmark::State& state) {
  std::set<std::string> keys;
  for (int i = 0; i < 1'000'000; ++i) {
    keys.insert(EncodeRetainedKey("site/" + std::to_string(i) + "/alarm"));
  }
  for (int i = 0; i < 10; ++i) {
    keys.insert(EncodeRetainedKey("fleet/truck-" + std::to_string(i) + "/alarm"));
  }
  size_t found = 0;
  std::string seek_to;
  for (auto _ : state) {
    const RetainedScan scan("fleet/+/alarm");
    found = 0;
    auto key = keys.lower_bound(scan.first_key());
    while (key != keys.end()) {
      const RetainedScan::Step step = scan.Check(*key, &seek_to);
      if (step == RetainedScan::Step::kDone) break;
      if (step == RetainedScan::Step::kMatch) {
        ++found;
        ++key;
      } else {
        key = keys.lower_bound(seek_to);
      }
    }
  }
  state.counters["found"] = static_cast<double>(found);
}
BENCHMARK(BM_RetainedScan);

}  // namespace
}  // namespace skein::routing

BENCHMARK_MAIN();
