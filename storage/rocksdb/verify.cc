#include "storage/rocksdb/verify.h"

#include <filesystem>
#include <memory>

#include <rocksdb/db.h>

#include "absl/strings/str_cat.h"
#include "broker/routing/retained_scan.h"
#include "storage/rocksdb/data_dir.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/retained_value.h"
#include "storage/rocksdb/verify_partition.h"
#include "storage/rocksdb/wal_check.h"

namespace skein::storage {
namespace {

void VerifyWal(const std::string& data_dir, VerifyReport* report) {
  const absl::StatusOr<WalReport> wal =
      CheckWal(rocksdb::FileSystem::Default().get(), data_dir + "/db", data_dir, /*repair=*/false,
               /*dry_run=*/true);
  if (!wal.ok()) return report->Problem(std::string(wal.status().message()));
  if (wal->dropped_bytes == 0) return;
  report->notes.push_back(
      absl::StrCat("the tail of ", wal->file, " is torn: the last ", wal->dropped_bytes,
                   " bytes were never acknowledged, the next start cuts them off"));
}

void VerifyRetained(Database* database, VerifyReport* report) {
  const std::unique_ptr<rocksdb::Iterator> each(
      database->db()->NewIterator(rocksdb::ReadOptions(), database->family(Family::kRetained)));
  for (each->SeekToFirst(); each->Valid(); each->Next()) {
    ++report->retained;
    const std::string_view key = each->key().ToStringView();
    if (DecodeRetained(key, each->value().ToStringView())) continue;
    report->Problem(absl::StrCat("the retained message of topic '", routing::DecodeRetainedKey(key),
                                 "' is damaged"));
  }
  if (!each->status().ok())
    report->Problem("reading retained messages: " + each->status().ToString());
}

VerifyReport VerifyOnce(const std::string& data_dir) {
  VerifyReport report;
  if (const absl::StatusOr<Format> format = ReadFormat(data_dir); !format.ok()) {
    report.Problem(std::string(format.status().message()));
    return report;
  }
  // The end of the log of a running node is being written.
  if (!StoreInUse(data_dir)) VerifyWal(data_dir, &report);
  absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenForInspection(data_dir);
  if (!database.ok()) {
    report.Problem(std::string(database.status().message()));
    return report;
  }
  for (session::PartitionId partition = 0; partition < (*database)->partitions(); ++partition)
    PartitionVerifier(database->get(), partition, &report).Run();
  VerifyRetained(database->get(), &report);
  return report;
}

}  // namespace

VerifyReport VerifyStore(const std::string& data_dir) {
  const bool running = StoreInUse(data_dir);
  VerifyReport report = VerifyOnce(data_dir);
  // Files of a running node may go while they are looked for; damage is still there the next time.
  for (int again = 0; again < 2 && running && report.problem_count > 0; ++again)
    report = VerifyOnce(data_dir);
  return report;
}

}  // namespace skein::storage
