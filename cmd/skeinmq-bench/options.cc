#include "cmd/skeinmq-bench/options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netdb.h>
#include <unistd.h>

#include <cstring>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace skein::bench {
namespace {

constexpr uint32_t kMaxClients = 1'000'000;
constexpr uint32_t kMaxPublishers = 65'535;  // a stamp holds 16 bits
constexpr uint32_t kMaxPayload = 256 * 1024 * 1024 - 128 * 1024;
constexpr uint32_t kMaxWindow = 32'768;
constexpr double kMaxSeconds = 24 * 3600;

struct Name {
  const char* text;
  Scenario scenario;
};
constexpr Name kScenarios[] = {
    {"connect", Scenario::kConnect}, {"pairs", Scenario::kPairs}, {"pub", Scenario::kPub},
    {"sub", Scenario::kSub},         {"fanin", Scenario::kFanin}, {"fanout", Scenario::kFanout},
};

constexpr option kLongOptions[] = {
    {"host", required_argument, nullptr, 'h'},
    {"port", required_argument, nullptr, 'p'},
    {"version", required_argument, nullptr, 'V'},
    {"clients", required_argument, nullptr, 'n'},
    {"qos", required_argument, nullptr, 'q'},
    {"size", required_argument, nullptr, 's'},
    {"window", required_argument, nullptr, 'w'},
    {"rate", required_argument, nullptr, 'r'},
    {"count", required_argument, nullptr, 'c'},
    {"seconds", required_argument, nullptr, 't'},
    {"warmup", required_argument, nullptr, 'u'},
    {"stall-seconds", required_argument, nullptr, 'S'},
    {"keep-alive", required_argument, nullptr, 'k'},
    {"topic", required_argument, nullptr, 'T'},
    {"broker-pid", required_argument, nullptr, 'P'},
    {"json", no_argument, nullptr, 'j'},
    {"allow-remote", no_argument, nullptr, 'R'},
    {nullptr, 0, nullptr, 0},
};

template <typename T>
bool ReadInteger(std::string_view text, uint64_t low, uint64_t high, T& value) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &number)) return false;
  if (number < low || number > high) return false;
  value = static_cast<T>(number);
  return true;
}

bool ReadNumber(std::string_view text, double low, double high, double& value) {
  return absl::SimpleAtod(absl::string_view(text.data(), text.size()), &value) && value >= low &&
         value <= high;
}

// False: `text` is not allowed for this option.
bool Apply(int name, std::string_view text, Options& options) {
  switch (name) {
    case 'h':
      options.host = text;
      return !text.empty();
    case 'p':
      return ReadInteger(text, 1, 65'535, options.port);
    case 'V':
      options.version = text == "5" ? Version::kV5 : Version::kV311;
      return text == "5" || text == "3.1.1";
    case 'n':
      return ReadInteger(text, 1, kMaxClients, options.clients);
    case 'q':
      return ReadInteger(text, 0, 2, options.qos);
    case 's':
      return ReadInteger(text, 0, kMaxPayload, options.size);
    case 'w':
      return ReadInteger(text, 1, kMaxWindow, options.window);
    case 'r':
      return ReadNumber(text, 0, 1e8, options.rate);
    case 'c':
      return ReadInteger(text, 1, 1'000'000'000, options.count);
    case 't':
      return ReadNumber(text, 0, kMaxSeconds, options.seconds);
    case 'u':
      return ReadNumber(text, 0, kMaxSeconds, options.warmup);
    case 'S':
      return ReadNumber(text, 0.1, kMaxSeconds, options.stall_seconds);
    case 'k':
      return ReadInteger(text, 0, 65'535, options.keep_alive);
    case 'T':
      options.topic = text;
      return !text.empty() && text.find_first_of("+#") == std::string_view::npos;
    case 'P':
      return ReadInteger(text, 1, 1 << 30, options.broker_pid);
    case 'j':
      options.json = true;
      return true;
    case 'R':
      options.allow_remote = true;
      return true;
    default:
      return false;
  }
}

bool IsLoopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0;
}

absl::Status Resolve(Options& options) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(options.host.c_str(), std::to_string(options.port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--host ", options.host, ": ", gai_strerror(error)));
  }
  std::memcpy(&options.address, found->ai_addr, found->ai_addrlen);
  options.address_bytes = found->ai_addrlen;
  freeaddrinfo(found);
  if (!IsLoopback(options.address) && !options.allow_remote) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--host ", options.host, " is not this machine: load on others needs --allow-remote"));
  }
  return absl::OkStatus();
}

absl::Status Complete(Options& options) {
  const bool many_publishers =
      options.scenario != Scenario::kConnect && options.scenario != Scenario::kSub;
  if (many_publishers && options.clients > kMaxPublishers) {
    return absl::InvalidArgumentError(absl::StrCat("--clients: at most ", kMaxPublishers, " here"));
  }
  if (options.window == 0) options.window = options.rate > 0 ? 4096 : 64;
  if (options.topic.empty()) {
    const bool meets_another_run =
        options.scenario == Scenario::kPub || options.scenario == Scenario::kSub;
    options.topic = meets_another_run ? "bench" : absl::StrCat("bench/", getpid());
  }
  return Resolve(options);
}

}  // namespace

const char* ScenarioName(Scenario scenario) {
  for (const Name& name : kScenarios) {
    if (name.scenario == scenario) return name.text;
  }
  return "?";
}

std::string UsageText() {
  return R"(usage: skeinmq-bench SCENARIO [options]

Scenarios (N is --clients)
  connect   N connections that stay idle for --seconds; --rate: connections a second
  pairs     N publishers, each with one subscriber of its own
  pub       N publishers, nobody listening from here (topics PREFIX/0 ... PREFIX/N-1)
  sub       N subscribers to PREFIX/#, nobody publishing from here
  fanin     N publishers, one subscriber
  fanout    one publisher, N subscribers

Options
  --host HOST --port PORT   the broker (127.0.0.1 1883)
  --allow-remote            HOST may be another machine
  --version 3.1.1|5         protocol version (3.1.1)
  --clients N               (50)
  --qos 0|1|2               of publishes and subscriptions (0)
  --size BYTES              payload, at least 16 (64)
  --window W                messages a publisher may have outstanding: not yet acknowledged or not
                            yet with every subscriber (64; with --rate 4096)
  --rate R                  messages a second in total, whatever the broker does; latency counts
                            from the moment a message was due
  --seconds T               measured time (10); --count M: end after M messages instead
  --warmup T                time before measuring starts (1)
  --stall-seconds T         no progress for so long is a failure (10)
  --keep-alive S            connect: keep alive, with pings (0: none)
  --topic PREFIX
  --broker-pid PID          report the broker's CPU time and memory
  --json                    one JSON object instead of a table

Exit code: 0 all well, 1 lost or repeated messages or a protocol error, 2 wrong usage.
)";
}

absl::StatusOr<Options> ParseOptions(int argc, char** argv) {
  if (argc < 2) return absl::InvalidArgumentError("a scenario is missing");
  Options options;
  bool known = false;
  for (const Name& name : kScenarios) {
    if (std::string_view(argv[1]) != name.text) continue;
    options.scenario = name.scenario;
    known = true;
  }
  if (!known) return absl::InvalidArgumentError(absl::StrCat("unknown scenario '", argv[1], "'"));
  optind = 2;
  opterr = 0;
  int index = 0;
  for (int name; (name = getopt_long(argc, argv, "", kLongOptions, &index)) != -1;) {
    if (name == '?') {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown option or missing value: ", argv[optind - 1]));
    }
    const char* text = optarg == nullptr ? "" : optarg;
    if (!Apply(name, text, options)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", kLongOptions[index].name, ": '", text, "' is not allowed"));
    }
  }
  if (optind < argc)
    return absl::InvalidArgumentError(absl::StrCat("unexpected '", argv[optind], "'"));
  if (absl::Status status = Complete(options); !status.ok()) return status;
  return options;
}

}  // namespace skein::bench
