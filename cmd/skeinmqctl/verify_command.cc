#include <nlohmann/json.hpp>
#include <ostream>

#include "cmd/skeinmqctl/commands.h"
#include "storage/rocksdb/verify.h"

namespace skein::ctl {
namespace {

void PrintJson(const storage::VerifyReport& report, std::ostream& out) {
  nlohmann::ordered_json json;
  json["sound"] = report.problem_count == 0;
  json["frames"] = report.frames;
  json["sessions"] = report.sessions;
  json["subscriptions"] = report.subscriptions;
  json["queue_entries"] = report.queue_entries;
  json["bodies"] = report.bodies;
  json["retained"] = report.retained;
  json["notes"] = report.notes;
  json["problem_count"] = report.problem_count;
  json["problems"] = report.problems;
  out << json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
}

void PrintText(const storage::VerifyReport& report, std::ostream& out) {
  for (const std::string& problem : report.problems)
    out << "problem: " << problem << "\n";
  if (report.problem_count > report.problems.size())
    out << "problem: and " << report.problem_count - report.problems.size() << " more\n";
  for (const std::string& note : report.notes)
    out << "note: " << note << "\n";
  out << "checked " << report.frames << " frames, " << report.sessions << " sessions, "
      << report.subscriptions << " subscriptions, " << report.queue_entries << " queue entries, "
      << report.bodies << " shared bodies, " << report.retained << " retained messages: ";
  if (report.problem_count == 0) {
    out << "sound\n";
  } else {
    out << report.problem_count << " problems\n";
  }
}

}  // namespace

int VerifyStore(const VerifyOptions& options, std::ostream& out, std::ostream& /*err*/) {
  const storage::VerifyReport report = storage::VerifyStore(options.data_dir);
  if (options.json) {
    PrintJson(report, out);
  } else {
    PrintText(report, out);
  }
  return report.problem_count == 0 ? kExitOk : kExitProblem;
}

}  // namespace skein::ctl
