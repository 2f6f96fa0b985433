// RouteScan: what operators see of the routing tables, slice by slice.
#include "broker/shard/route_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard/state.h"

namespace skein::shard {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RouteScanTest : public testing::Test {
 protected:
  RouteScanTest() {
    options_.count = 2;
    options_.table = {{1, 0}, {1, 5}, {1, 0}, {0, kNoNode}};
    options_.members = {0, 5};
    ports_.stats = &stats_;
    state_.emplace(options_, ports_, 0);
  }

  PlaceId Peer(NodeNumber node, ShardId shard) const { return state_->PlaceOf(node, shard); }
  RouteList Scan(RouteQuery query) {
    RouteScan scan(std::move(query));
    size_t slices = 1;
    while (!scan.Step(*state_))
      ++slices;
    EXPECT_EQ(slices, routing::RouteTable::kParts);
    return scan.Take();
  }
  std::vector<std::string> Filters(const RouteList& list) {
    std::vector<std::string> filters;
    for (const RouteRow& row : list.rows)
      filters.push_back(row.filter);
    return filters;
  }

  ShardOptions options_;
  ShardStats stats_;
  Ports ports_;
  std::optional<ShardState> state_;
};

TEST_F(RouteScanTest, ShardsOfANodeAreOneRowAndPartitionsNameTheirOwner) {
  state_->routes.Set("b/#", 0, 1);
  state_->routes.Set("b/#", 1, 1);
  state_->routes.Set("b/#", Peer(5, 3), 1);
  state_->routes.Set("$share/g/a", Peer(5, 0), 4);
  state_->routes.Set("$share/g/a", Peer(5, 1), 2);
  state_->durable_routes.Set("b/#", 1, 1);
  state_->durable_routes.Set("c", 3, 1);
  const RouteList list = Scan({});
  EXPECT_FALSE(list.truncated);
  EXPECT_THAT(list.rows,
              ElementsAre(RouteRow{"$share/g/a", std::nullopt, 5, 6},
                          RouteRow{"b/#", std::nullopt, 0, 2}, RouteRow{"b/#", std::nullopt, 5, 1},
                          RouteRow{"b/#", 1, 5, 1}, RouteRow{"c", 3, kNoNode, 1}));
  RouteQuery query;
  query.node = 5;
  query.prefix = "b";
  EXPECT_THAT(Scan(query).rows,
              ElementsAre(RouteRow{"b/#", std::nullopt, 5, 1}, RouteRow{"b/#", 1, 5, 1}));
}

TEST_F(RouteScanTest, TheFirstRowsInOrderAreKept) {
  for (int i = 0; i < 500; ++i)
    state_->routes.Set("t/" + std::to_string(1000 + i), 0, 1);
  RouteQuery query;
  query.limit = 3;
  const RouteList list = Scan(query);
  EXPECT_TRUE(list.truncated);
  EXPECT_THAT(Filters(list), ElementsAre("t/1000", "t/1001", "t/1002"));
  query.prefix = "t/149";
  query.limit = 10;
  EXPECT_FALSE(Scan(query).truncated);
  EXPECT_EQ(Scan(query).rows.size(), 10u);
  query.prefix = "u";
  EXPECT_THAT(Scan(query).rows, IsEmpty());
}

TEST_F(RouteScanTest, ARouteOfSeveralShardsAtTheLimitKeepsItsWeight) {
  for (ShardId shard = 0; shard < 2; ++shard) {
    state_->routes.Set("a", shard, 1);
    state_->routes.Set("b", shard, 1);
  }
  RouteQuery query;
  query.limit = 1;
  const RouteList list = Scan(query);
  EXPECT_TRUE(list.truncated);
  EXPECT_THAT(list.rows, ElementsAre(RouteRow{"a", std::nullopt, 0, 2}));
}

TEST_F(RouteScanTest, WhatComesAndGoesBetweenSlicesDoesNoHarm) {
  for (int i = 0; i < 1'000; ++i)
    state_->routes.Set("stays/" + std::to_string(i), 0, 1);
  RouteQuery query;
  query.limit = 10'000;
  query.prefix = "stays/";
  RouteScan scan(query);
  for (int i = 0; !scan.Step(*state_); ++i) {
    for (int j = 0; j < 100; ++j)
      state_->routes.Set("comes/" + std::to_string(100 * i + j), 0, i % 2 == 0 ? 1 : 0);
  }
  EXPECT_EQ(scan.Take().rows.size(), 1'000u);
}

TEST(RouteScanAlone, ANodeWithOneShardIsAskedForItsSubscriptions) {
  ShardStats stats;
  Ports ports;
  ports.stats = &stats;
  ShardState state(ShardOptions{}, ports, 0);
  const routing::SubscriptionHandle gone = state.subscriptions.Add("gone", 1, {});
  state.subscriptions.Add("a/+", 1, {});
  state.subscriptions.Add("a/+", 2, {});
  state.subscriptions.Add("$share/g/a/+", 1, {});
  state.subscriptions.Remove(gone);
  RouteScan scan({});
  while (!scan.Step(state)) {
  }
  EXPECT_THAT(scan.Take().rows, ElementsAre(RouteRow{"$share/g/a/+", std::nullopt, 0, 1},
                                            RouteRow{"a/+", std::nullopt, 0, 1}));
}

}  // namespace
}  // namespace skein::shard
