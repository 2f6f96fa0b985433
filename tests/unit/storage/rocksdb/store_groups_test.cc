// Groups under random load and crashes: all of a group or nothing of it.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/unit/storage/rocksdb/store_node.h"

namespace skein::storage {
namespace {

constexpr ShardId kShards = 3;

// Session n + 1 belongs to shard n: partition (n + 1) is another shard's for other counts, which
// does not matter to the committer.
class Load {
 public:
  explicit Load(uint32_t seed) : random_(seed) {
    StoreOptions options;
    options.shards = kShards;
    options.durability = Durability::kOs;
    node_ = std::make_unique<StoreNode>(options);
    for (ShardId shard = 0; shard < kShards; ++shard) {
      node_->shard(shard).Append(StoreNode::Key(shard + 1u),
                                 session::Connected{"client", UINT32_MAX, 5, {}});
      EXPECT_TRUE(node_->Settle(1, shard));
    }
  }

  void Step() {
    switch (random_() % 6) {
      case 0:
        Begin();
        break;
      case 1:
      case 2:
      case 3:
        FinishAPart();
        break;
      case 4:
        Enqueue(Shard(), "single", {});
        break;
      default:
        node_->shard(Shard()).Commit();
    }
  }

  // Crashes, and counts the parts of each group that are there.
  void CrashAndCheck() {
    ASSERT_TRUE(node_->Crash().ok());
    std::map<std::string, size_t> parts;
    for (uint64_t number = 1; number <= kShards; ++number) {
      for (const std::string& payload : node_->Payloads(number))
        ++parts[payload];
    }
    parts.erase("single");
    for (const auto& [name, count] : parts)
      EXPECT_EQ(count, sizes_[name]) << name;
    found_ = parts.size();
  }
  size_t found() const { return found_; }

 private:
  struct Part {
    ShardId shard;
    std::string name;
    session::CommitGroupPtr group;
  };

  ShardId Shard() { return static_cast<ShardId>(random_() % kShards); }

  void Enqueue(ShardId shard, const std::string& payload, const session::CommitGroupPtr& group) {
    node_->Enqueue(shard + 1u, ++sequences_[shard], payload, group, shard);
  }

  void Begin() {
    const auto group = std::make_shared<session::CommitGroup>();
    const std::string name = "group " + std::to_string(sizes_.size());
    const size_t count = 1 + random_() % 4;
    for (size_t i = 0; i < count; ++i) {
      const ShardId shard = Shard();
      if (i > 0) node_->shard(shard).Open(group);
      parts_.push_back({shard, name, group});
    }
    sizes_[name] = count;
  }

  void FinishAPart() {
    if (parts_.empty()) return;
    std::swap(parts_[random_() % parts_.size()], parts_.back());
    const Part part = parts_.back();
    parts_.pop_back();
    Enqueue(part.shard, part.name, part.group);
    node_->shard(part.shard).Close(part.group);
  }

  std::mt19937 random_;
  std::unique_ptr<StoreNode> node_;
  std::vector<Part> parts_;  // not finished
  std::map<std::string, size_t> sizes_;
  uint64_t sequences_[kShards] = {};
  size_t found_ = 0;
};

TEST(StoreGroups, AreNeverSplitByACrash) {
  size_t found = 0;
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Load load(seed);
    for (int step = 0; step < 400; ++step)
      load.Step();
    load.CrashAndCheck();
    found += load.found();
  }
  EXPECT_GT(found, 20u) << "the load has no groups that become durable";
}

}  // namespace
}  // namespace skein::storage
