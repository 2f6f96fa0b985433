#include "cluster/link/hello.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace skein::cluster {
namespace {

// Whether there is a version of the protocol that both speak.
bool Understood(const v1::Hello& hello) {
  const uint32_t oldest = hello.oldest() == 0 ? hello.version() : hello.oldest();
  return hello.version() >= PeerNetOptions::kOldestProtocol && oldest <= PeerNetOptions::kProtocol;
}

}  // namespace

std::string WhyRefuse(const PeerNetOptions& options, const Numbers& numbers, uint64_t digest,
                      const v1::Hello& hello, int expected, int* node) {
  if (!hello.refusal().empty()) return absl::StrCat("it refuses us: ", hello.refusal());
  if (!Understood(hello))
    return absl::StrCat("protocol version ", hello.version(), " instead of ",
                        PeerNetOptions::kProtocol);
  if (hello.cluster() != options.cluster)
    return absl::StrCat("cluster '", hello.cluster(), "' instead of '", options.cluster, "'");
  if (hello.partitions() != options.partitions)
    return absl::StrCat(hello.partitions(), " partitions instead of ", options.partitions);
  if (hello.members() != digest) return "another list of nodes";
  if (hello.shards() == 0 || hello.shards() > shard::kMaxShardsANode)
    return absl::StrCat(hello.shards(), " shards");
  const auto found = numbers.find(hello.node());
  if (found == numbers.end()) return absl::StrCat("node '", hello.node(), "' ", kNotAMember);
  *node = found->second;
  if (expected >= 0 ? *node != expected : *node >= options.self)
    return absl::StrCat("node '", hello.node(), "' is not expected on this link");
  return {};
}

std::string WhyDoubt(const PeerNetOptions& options, const v1::Hello& hello,
                     const std::vector<std::string>& names) {
  if (options.cert_file.empty()) return {};
  if (std::find(names.begin(), names.end(), hello.node()) != names.end()) return {};
  return absl::StrCat("its certificate does not have the name '", hello.node(), "'");
}

}  // namespace skein::cluster
