// MemoryRetainedStore against what every retained store must do.
#include "storage/memory/retained_store.h"
#include "tests/unit/storage/retained_suite.h"

namespace skein::storage {
namespace {

class MemoryNode {
 public:
  explicit MemoryNode(const Limits& limits) : store_(limits) {}
  MemoryRetainedStore& store() { return store_; }
  PutResult Put(const MessagePtr& message) { return store_.Put(message); }

 private:
  MemoryRetainedStore store_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Memory, RetainedSuite, MemoryNode);

}  // namespace
}  // namespace skein::storage
