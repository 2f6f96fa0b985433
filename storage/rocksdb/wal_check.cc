#include "storage/rocksdb/wal_check.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/rocksdb/crc32c.h"

namespace skein::storage {
namespace {

constexpr size_t kBlock = 32 * 1024;
constexpr size_t kHeader = 7;
enum Type : uint8_t { kZero = 0, kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

absl::Status Failed(const std::string& path, const rocksdb::IOStatus& status) {
  return absl::UnavailableError(absl::StrCat(path, ": ", status.ToString()));
}

// A little-endian number.
uint64_t Little(const char* at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = bytes; i > 0; --i)
    value = value << 8 | static_cast<uint8_t>(at[i - 1]);
  return value;
}

// One fragment at the front of what is left of a block.
struct Fragment {
  bool valid = false;
  Type type = kZero;
  size_t size = 0;  // header and payload

  bool begins() const { return type == kFull || type == kFirst; }
};

Fragment ReadFragment(const char* at, size_t left) {
  Fragment fragment;
  if (left < kHeader) return fragment;
  const size_t length = Little(at + 4, 2);
  const auto type = static_cast<uint8_t>(at[6]);
  fragment.size = kHeader + length;
  if (type < kFull || type > kLast || fragment.size > left) return fragment;
  const uint32_t crc = Crc32c(at + 6, 1 + length);
  const uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
  fragment.type = static_cast<Type>(type);
  fragment.valid = masked == Little(at, 4);
  return fragment;
}

// A record is a write batch, which begins with its sequence number and its count.
constexpr size_t kBatchHeader = 12;
// Farther ahead no record is taken for a later one, but for bytes that look like one.
constexpr uint64_t kMaxSequencesAhead = uint64_t{1} << 32;

// What is in one file of the log.
struct Scan {
  uint64_t records = 0;
  uint64_t good_end = 0;  // after the last whole record before anything is wrong
  uint64_t size = 0;
  bool whole = true;          // nothing but zeros after good_end
  bool begins_later = false;  // a record begins after something was wrong
};

class Scanner {
 public:
  void Block(const char* block, size_t size, uint64_t offset) {
    size_t at = 0;
    while (size - at >= kHeader) {
      const Fragment fragment = ReadFragment(block + at, size - at);
      if (!fragment.valid) {
        broken_ = true;
        break;
      }
      Take(fragment, block + at, offset + at);
      at += fragment.size;
    }
    const bool zeros = std::all_of(block + at, block + size, [](char c) { return c == '\0'; });
    if (size - at < kHeader && size == kBlock && zeros) return;  // a block's ordinary end
    if (at == size) return;
    broken_ = true;
    if (zeros) return;
    scan_.whole = false;
    LookForLater(block + at, size - at);
  }

  Scan Finish(uint64_t size) {
    scan_.size = size;
    if (in_record_) scan_.whole = false;
    return scan_;
  }

 private:
  void Take(const Fragment& fragment, const char* at, uint64_t offset) {
    if (broken_ || fragment.begins() == in_record_) {
      broken_ = true;
      scan_.whole = false;
      if (fragment.begins()) scan_.begins_later = true;
      return;
    }
    if (fragment.begins() && fragment.size >= kHeader + kBatchHeader)
      sequence_ = Little(at + kHeader, 8);
    in_record_ = fragment.type == kFirst || fragment.type == kMiddle;
    if (in_record_) return;
    ++scan_.records;
    scan_.good_end = offset + fragment.size;
  }

  // The length of what is wrong may be wrong, too, so that a record may begin anywhere behind it.
  // One whose number does not go on from the last good one is part of a torn record's payload.
  void LookForLater(const char* block, size_t size) {
    for (size_t at = 1; at + kHeader + kBatchHeader <= size && !scan_.begins_later; ++at) {
      if (block[at + 6] != kFull && block[at + 6] != kFirst) continue;
      const uint64_t sequence = Little(block + at + kHeader, 8);
      if (sequence < sequence_ || sequence - sequence_ > kMaxSequencesAhead) continue;
      const Fragment fragment = ReadFragment(block + at, size - at);
      scan_.begins_later = fragment.valid && fragment.size >= kHeader + kBatchHeader;
    }
  }

  Scan scan_;
  uint64_t sequence_ = 0;  // of the last good record
  bool in_record_ = false;
  bool broken_ = false;
};

absl::StatusOr<Scan> ScanFile(rocksdb::FileSystem* files, const std::string& path) {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  rocksdb::IOStatus status = files->NewSequentialFile(path, rocksdb::FileOptions(), &file, nullptr);
  if (!status.ok()) return Failed(path, status);
  Scanner scanner;
  std::vector<char> block(kBlock);
  uint64_t offset = 0;
  for (size_t filled = 0;;) {
    rocksdb::Slice got;
    status =
        file->Read(kBlock - filled, rocksdb::IOOptions(), &got, block.data() + filled, nullptr);
    if (!status.ok()) return Failed(path, status);
    if (!got.empty() && got.data() != block.data() + filled)
      std::copy_n(got.data(), got.size(), block.data() + filled);
    filled += got.size();
    if (filled < kBlock && !got.empty()) continue;
    if (filled > 0) scanner.Block(block.data(), filled, offset);
    offset += filled;
    if (filled < kBlock) return scanner.Finish(offset);
    filled = 0;
  }
}

// Copies [begin, end) of one file to the end of another.
absl::Status CopyPart(rocksdb::FileSystem* files, const std::string& from, uint64_t begin,
                      uint64_t end, rocksdb::FSWritableFile* to) {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  rocksdb::IOStatus status = files->NewSequentialFile(from, rocksdb::FileOptions(), &file, nullptr);
  if (status.ok() && begin > 0) status = file->Skip(begin);
  std::vector<char> buffer(1u << 20);
  for (uint64_t at = begin; status.ok() && at < end;) {
    rocksdb::Slice got;
    const size_t wanted = std::min<uint64_t>(buffer.size(), end - at);
    status = file->Read(wanted, rocksdb::IOOptions(), &got, buffer.data(), nullptr);
    if (status.ok() && got.empty()) status = rocksdb::IOStatus::IOError("shorter than it was");
    if (!status.ok()) break;
    status = to->Append(got, rocksdb::IOOptions(), nullptr);
    at += got.size();
  }
  return status.ok() ? absl::OkStatus() : Failed(from, status);
}

absl::Status SyncFolder(rocksdb::FileSystem* files, const std::string& folder) {
  std::unique_ptr<rocksdb::FSDirectory> dir;
  rocksdb::IOStatus status = files->NewDirectory(folder, rocksdb::IOOptions(), &dir, nullptr);
  if (status.ok()) status = dir->Fsync(rocksdb::IOOptions(), nullptr);
  return status.ok() ? absl::OkStatus() : Failed(folder, status);
}

// Replaces the file by its first `keep` bytes, so that a crash leaves the old or the new one.
absl::Status Cut(rocksdb::FileSystem* files, const std::string& folder, const std::string& path,
                 uint64_t keep) {
  const std::string draft = path + ".cut";
  std::unique_ptr<rocksdb::FSWritableFile> file;
  rocksdb::IOStatus status = files->NewWritableFile(draft, rocksdb::FileOptions(), &file, nullptr);
  if (!status.ok()) return Failed(draft, status);
  if (absl::Status copied = CopyPart(files, path, 0, keep, file.get()); !copied.ok()) return copied;
  status = file->Fsync(rocksdb::IOOptions(), nullptr);
  if (status.ok()) status = file->Close(rocksdb::IOOptions(), nullptr);
  if (status.ok()) status = files->RenameFile(draft, path, rocksdb::IOOptions(), nullptr);
  if (!status.ok()) return Failed(path, status);
  return SyncFolder(files, folder);
}

using WalFiles = std::map<uint64_t, std::string>;

absl::StatusOr<WalFiles> ListWal(rocksdb::FileSystem* files, const std::string& db_path) {
  WalFiles found;
  std::vector<std::string> names;
  const rocksdb::IOStatus status =
      files->GetChildren(db_path, rocksdb::IOOptions(), &names, nullptr);
  if (status.IsNotFound()) return found;
  if (!status.ok()) return Failed(db_path, status);
  for (const std::string& name : names) {
    const size_t dot = name.find('.');
    if (dot == 0 || dot == name.npos || name.substr(dot) != ".log") continue;
    if (!std::all_of(name.begin(), name.begin() + static_cast<ptrdiff_t>(dot),
                     [](char c) { return c >= '0' && c <= '9'; }))
      continue;
    found.emplace(std::stoull(name), db_path + "/" + name);
  }
  return found;
}

// A name that no file has yet.
std::string DroppedName(rocksdb::FileSystem* files, const std::string& folder) {
  const std::string base = absl::StrCat(folder, "/dropped-", std::time(nullptr));
  std::string name = base + ".bin";
  for (int i = 2; files->FileExists(name, rocksdb::IOOptions(), nullptr).ok(); ++i)
    name = absl::StrCat(base, "-", i, ".bin");
  return name;
}

// What follows `keep` bytes of the file, and all later files, goes to a file of its own.
absl::Status SaveDropped(rocksdb::FileSystem* files, const WalFiles& wal,
                         WalFiles::const_iterator broken, const Scan& scan, WalReport* report) {
  std::unique_ptr<rocksdb::FSWritableFile> saved;
  const rocksdb::IOStatus made =
      files->NewWritableFile(report->saved_to, rocksdb::FileOptions(), &saved, nullptr);
  if (!made.ok()) return Failed(report->saved_to, made);
  absl::Status status = CopyPart(files, broken->second, scan.good_end, scan.size, saved.get());
  for (auto later = std::next(broken); status.ok() && later != wal.end(); ++later) {
    uint64_t size = 0;
    const rocksdb::IOStatus sized =
        files->GetFileSize(later->second, rocksdb::IOOptions(), &size, nullptr);
    if (!sized.ok()) return Failed(later->second, sized);
    status = CopyPart(files, later->second, 0, size, saved.get());
    report->dropped_bytes += size;
  }
  if (!status.ok()) return status;
  rocksdb::IOStatus synced = saved->Fsync(rocksdb::IOOptions(), nullptr);
  if (synced.ok()) synced = saved->Close(rocksdb::IOOptions(), nullptr);
  return synced.ok() ? absl::OkStatus() : Failed(report->saved_to, synced);
}

// Cuts the log at the end of what is good.
absl::Status Repair(rocksdb::FileSystem* files, const std::string& db_path,
                    const std::string& save_to_dir, const WalFiles& wal,
                    WalFiles::const_iterator broken, const Scan& scan, WalReport* report) {
  report->saved_to = DroppedName(files, save_to_dir);
  absl::Status status = SaveDropped(files, wal, broken, scan, report);
  if (status.ok()) status = SyncFolder(files, save_to_dir);
  if (!status.ok()) return status;
  // The last file first: whatever a crash leaves goes on without a gap.
  for (auto last = std::prev(wal.end()); last != broken; --last) {
    const rocksdb::IOStatus gone = files->DeleteFile(last->second, rocksdb::IOOptions(), nullptr);
    if (!gone.ok()) return Failed(last->second, gone);
    if (status = SyncFolder(files, db_path); !status.ok()) return status;
  }
  return Cut(files, db_path, broken->second, scan.good_end);
}

}  // namespace

absl::StatusOr<WalReport> CheckWal(rocksdb::FileSystem* files, const std::string& db_path,
                                   const std::string& save_to_dir, bool repair, bool dry_run) {
  WalReport report;
  absl::StatusOr<WalFiles> wal = ListWal(files, db_path);
  if (!wal.ok()) return wal.status();
  std::vector<std::pair<WalFiles::const_iterator, Scan>> scans;
  for (auto file = wal->cbegin(); file != wal->cend(); ++file) {
    absl::StatusOr<Scan> scan = ScanFile(files, file->second);
    if (!scan.ok()) return scan.status();
    report.records += scan->records;
    scans.emplace_back(file, *scan);
  }
  for (size_t i = 0; i < scans.size(); ++i) {
    const auto& [file, scan] = scans[i];
    if (scan.good_end == scan.size) continue;
    const bool followed =
        scan.begins_later ||
        (!scan.whole && std::any_of(scans.begin() + static_cast<ptrdiff_t>(i) + 1, scans.end(),
                                    [](const auto& later) { return later.second.records > 0; }));
    if (!scan.whole) {
      if (report.file.empty()) {
        report.file = file->second;
        report.kept_bytes = scan.good_end;
      }
      report.dropped_bytes += scan.size - scan.good_end;
    }
    if (followed && !repair) {
      return absl::DataLossError(absl::StrCat(
          "the write-ahead log ", file->second, " is damaged at byte ", scan.good_end,
          " and goes on after that: acknowledged messages may be lost. Restore a backup, or run "
          "skeinmqd --repair, which cuts the log there and writes what it drops to a file"));
    }
    if (dry_run) continue;
    if (!followed) {
      if (absl::Status cut = Cut(files, db_path, file->second, scan.good_end); !cut.ok())
        return cut;
      continue;
    }
    absl::Status repaired = Repair(files, db_path, save_to_dir, *wal, file, scan, &report);
    if (!repaired.ok()) return repaired;
    break;
  }
  return report;
}

}  // namespace skein::storage
