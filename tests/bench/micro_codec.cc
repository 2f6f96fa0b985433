// Microbenchmarks of the codec's hot path. Run by hand: micro_codec [--benchmark_filter=...].
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "broker/mqtt/codec.h"
#include "broker/mqtt/encode.h"
#include "broker/mqtt/out_queue.h"
#include "broker/mqtt/utf8.h"
#include "tests/support/client_packets.h"

namespace skein::mqtt {
namespace {

constexpr std::string_view kTopic = "plant/hall-7/line-3/robot-42";

ProtocolVersion Version(int64_t argument) {
  return argument == 5 ? ProtocolVersion::k5 : ProtocolVersion::k311;
}

MessagePtr MakeMessage(size_t payload) {
  const std::string bytes(payload, 'p');
  Message::Init init;
  init.topic = kTopic;
  init.payload = bytes;
  return Message::Make(init);
}

// A read buffer full of PUBLISH of 64 B, QoS 1.
void BM_DecodePublish(benchmark::State& state) {
  testing_support::PublishOptions options;
  options.version = Version(state.range(0));
  options.topic = kTopic;
  options.payload = std::string(64, 'p');
  options.qos = Qos::kAtLeastOnce;
  options.packet_id = 7;
  if (state.range(1) != 0)
    options.properties = testing_support::PropertyBlock().User("key", "value").bytes();
  std::string stream;
  for (int i = 0; i < 64; ++i)
    stream += testing_support::EncodePublish(options);
  Publish publish;
  for (auto _ : state) {
    std::string_view rest = stream;
    while (!rest.empty()) {
      const FrameResult next = NextFrame(rest, 1 << 20);
      benchmark::DoNotOptimize(DecodePublish(next.frame, options.version, &publish).has_value());
      rest.remove_prefix(next.frame.size);
    }
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * 64);
}
BENCHMARK(BM_DecodePublish)
    ->ArgNames({"version", "property"})
    ->Args({4, 0})
    ->Args({5, 0})
    ->Args({5, 1});

void BM_DecodePuback(benchmark::State& state) {
  const std::string bytes = testing_support::EncodeClientAck(PacketType::kPuback, 7);
  Ack ack;
  for (auto _ : state) {
    const FrameResult next = NextFrame(bytes, 1 << 20);
    benchmark::DoNotOptimize(DecodeAck(next.frame, ProtocolVersion::k311, &ack).has_value());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_DecodePuback);

// One message to many subscribers: image into each one's output, which is drained now and then.
void BM_FanOut(benchmark::State& state) {
  const MessagePtr message = MakeMessage(64);
  PublishShape shape;
  shape.qos = Qos::kAtLeastOnce;
  PublishImage image;
  image.Build(*message, shape, true);
  ChunkPool pool;
  OutQueue queue;
  PacketId id = 0;
  for (auto _ : state) {
    image.CopyTo(queue.Reserve(pool, image.size()), false, Qos::kAtLeastOnce, false, ++id);
    if (queue.bytes() > 100'000) queue.Clear(pool);
  }
  queue.Clear(pool);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_FanOut);

// One message to one subscriber: head and payload straight into the output.
void BM_EncodePublish(benchmark::State& state) {
  const MessagePtr message = MakeMessage(64);
  PublishShape shape;
  shape.version = Version(state.range(0));
  shape.qos = Qos::kAtLeastOnce;
  shape.packet_id = 9;
  ChunkPool pool;
  OutQueue queue;
  for (auto _ : state) {
    const PublishSize size = MeasurePublish(*message, shape);
    EncodePublishHead(*message, shape, size, queue.Reserve(pool, size.head));
    queue.Append(pool, message->payload());
    if (queue.bytes() > 100'000) queue.Clear(pool);
  }
  queue.Clear(pool);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_EncodePublish)->ArgName("version")->Arg(4)->Arg(5);

void BM_MakeMessage(benchmark::State& state) {
  const std::string payload(64, 'p');
  Message::Init init;
  init.topic = kTopic;
  init.payload = payload;
  for (auto _ : state)
    benchmark::DoNotOptimize(Message::Make(init).get());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_MakeMessage);

void BM_ScanText(benchmark::State& state) {
  std::string text;
  while (text.size() < static_cast<size_t>(state.range(0)))
    text += "level-12/";
  text.resize(static_cast<size_t>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(ScanText(text));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ScanText)->Arg(5)->Arg(28)->Arg(65'535);

void BM_IsUtf8NotAscii(benchmark::State& state) {
  std::string text;
  while (text.size() < 4096)
    text += "температура/";
  for (auto _ : state)
    benchmark::DoNotOptimize(IsUtf8(text));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}
BENCHMARK(BM_IsUtf8NotAscii);

}  // namespace
}  // namespace skein::mqtt

BENCHMARK_MAIN();
