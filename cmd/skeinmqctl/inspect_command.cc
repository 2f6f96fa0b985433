#include <iomanip>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "cmd/skeinmqctl/commands.h"
#include "cmd/skeinmqctl/json.h"
#include "storage/rocksdb/inspect.h"

namespace skein::ctl {
namespace {

using Json = nlohmann::ordered_json;
using storage::PartitionSummary;
using storage::RetainedSummary;
using storage::StoreView;

std::string Text(const Json& json, bool pretty) {
  return json.dump(pretty ? 2 : -1, ' ', false, Json::error_handler_t::replace) + "\n";
}

int Fail(const std::string& why, std::ostream& err) {
  err << "skeinmqctl: " << why << "\n";
  return kExitProblem;
}

Json PartitionJson(const PartitionSummary& each) {
  Json json;
  json["partition"] = each.partition;
  json["sessions"] = each.sessions;
  json["connected"] = each.connected;
  json["subscriptions"] = each.subscriptions;
  json["queued_messages"] = each.queued_messages;
  json["queued_bytes"] = each.queued_bytes;
  json["log"] = {{"first_frame", each.first_frame},
                 {"last_frame", each.last_frame},
                 {"applied_frame", each.applied_frame}};
  return json;
}

void PrintPartition(const PartitionSummary& each, std::ostream& out) {
  out << std::setw(9) << each.partition << std::setw(12) << each.sessions << std::setw(15)
      << each.subscriptions << std::setw(12) << each.queued_messages << std::setw(15)
      << each.queued_bytes << std::setw(12) << each.last_frame << std::setw(12)
      << each.applied_frame << "\n";
}

PartitionSummary Sum(const std::vector<PartitionSummary>& partitions) {
  PartitionSummary sum;
  for (const PartitionSummary& each : partitions) {
    sum.sessions += each.sessions;
    sum.connected += each.connected;
    sum.subscriptions += each.subscriptions;
    sum.queued_messages += each.queued_messages;
    sum.queued_bytes += each.queued_bytes;
  }
  return sum;
}

void PrintStore(const StoreView& view, const std::vector<PartitionSummary>& partitions,
                const RetainedSummary& retained, std::ostream& out) {
  const PartitionSummary sum = Sum(partitions);
  out << "format           " << view.format_version() << "\n"
      << "in use           " << (view.running() ? "yes, by a running broker" : "no") << "\n"
      << "partitions       " << view.partitions() << "\n"
      << "sessions         " << sum.sessions << " (" << sum.connected << " connected)\n"
      << "subscriptions    " << sum.subscriptions << "\n"
      << "queued messages  " << sum.queued_messages << "\n"
      << "queued bytes     " << sum.queued_bytes << "\n"
      << "retained         " << retained.messages << " messages, " << retained.bytes << " bytes\n\n"
      << "partition    sessions  subscriptions      queued   queued bytes  last frame     "
         "applied\n";
  for (const PartitionSummary& each : partitions) {
    if (each.sessions > 0 || each.last_frame > 0) PrintPartition(each, out);
  }
}

int InspectAll(StoreView* view, bool json, std::ostream& out, std::ostream& err) {
  std::vector<PartitionSummary> partitions;
  for (session::PartitionId partition = 0; partition < view->partitions(); ++partition) {
    const auto summary = view->Summarize(partition);
    if (!summary.ok()) return Fail(std::string(summary.status().message()), err);
    partitions.push_back(*summary);
  }
  const auto retained = view->SummarizeRetained();
  if (!retained.ok()) return Fail(std::string(retained.status().message()), err);
  if (!json) {
    PrintStore(*view, partitions, *retained, out);
    return kExitOk;
  }
  const PartitionSummary sum = Sum(partitions);
  Json result;
  result["format_version"] = view->format_version();
  result["in_use"] = view->running();
  result["sessions"] = sum.sessions;
  result["connected"] = sum.connected;
  result["subscriptions"] = sum.subscriptions;
  result["queued_messages"] = sum.queued_messages;
  result["queued_bytes"] = sum.queued_bytes;
  result["retained"] = {{"messages", retained->messages}, {"bytes", retained->bytes}};
  result["partitions"] = Json::array();
  for (const PartitionSummary& each : partitions)
    result["partitions"].push_back(PartitionJson(each));
  out << Text(result, /*pretty=*/false);
  return kExitOk;
}

int InspectPartition(StoreView* view, session::PartitionId partition, bool json, std::ostream& out,
                     std::ostream& err) {
  if (partition >= view->partitions()) {
    return Fail("there is no partition " + std::to_string(partition) + ", the store has " +
                    std::to_string(view->partitions()),
                err);
  }
  const auto summary = view->Summarize(partition);
  if (!summary.ok()) return Fail(std::string(summary.status().message()), err);
  Json result = PartitionJson(*summary);
  result["clients"] = Json::array();
  view->ForEachSession(partition, [&](const session::SessionImage& image) {
    result["clients"].push_back({{"client_id", image.client_id},
                                 {"connected", image.disconnected_at == kNever},
                                 {"subscriptions", image.subscriptions.size()},
                                 {"queued_messages", image.queued_messages},
                                 {"queued_bytes", image.queued_bytes}});
  });
  out << Text(result, !json);
  return kExitOk;
}

int InspectSession(StoreView* view, const std::string& client_id, bool json, std::ostream& out,
                   std::ostream& err) {
  bool found = false;
  for (session::PartitionId partition = 0; partition < view->partitions() && !found; ++partition) {
    view->ForEachSession(partition, [&](const session::SessionImage& image) {
      if (image.client_id != client_id) return;
      found = true;
      out << SessionJson(image, !json);
    });
  }
  return found ? kExitOk : Fail("no session of client id '" + client_id + "'", err);
}

}  // namespace

int InspectStore(const InspectOptions& options, std::ostream& out, std::ostream& err) {
  const auto view = StoreView::Open(options.data_dir);
  if (!view.ok()) return Fail(std::string(view.status().message()), err);
  if (options.client_id)
    return InspectSession(view->get(), *options.client_id, options.json, out, err);
  if (options.partition)
    return InspectPartition(view->get(), *options.partition, options.json, out, err);
  return InspectAll(view->get(), options.json, out, err);
}

}  // namespace skein::ctl
