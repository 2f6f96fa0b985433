#include "tests/support/power_cut_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <vector>

namespace skein::testing_support {
namespace {

namespace fs = std::filesystem;

// One name for a file, however it is written.
std::string Normal(const std::string& path) {
  std::string name = fs::absolute(path).lexically_normal().string();
  while (name.size() > 1 && name.back() == '/')
    name.pop_back();
  return name;
}

std::string FolderOf(const std::string& normal) {
  return fs::path(normal).parent_path().string();
}

void Check(bool ok, const std::string& doing, const std::string& path) {
  if (ok) return;
  std::perror((doing + " " + path).c_str());
  std::abort();
}

bool Refers(const std::map<std::string, uint64_t>& names, uint64_t file) {
  return std::any_of(names.begin(), names.end(),
                     [file](const auto& entry) { return entry.second == file; });
}

}  // namespace

PowerCutJournal::PowerCutJournal(std::string folder) : folder_(Normal(folder)) {
  fs::create_directories(folder_ + "/files");
  Load();
}

PowerCutJournal::~PowerCutJournal() {
  close(log_);
}

std::string PowerCutJournal::Kept(FileId file) const {
  return folder_ + "/files/" + std::to_string(file);
}

void PowerCutJournal::Load() {
  const std::string path = folder_ + "/events";
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  // The kill may have torn the last line: what it would have announced has not been done.
  const size_t whole = text.rfind('\n') + 1;
  std::istringstream lines(text.substr(0, whole));
  for (std::string line; std::getline(lines, line);)
    Replay(line);
  log_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  Check(log_ >= 0 && ftruncate(log_, static_cast<off_t>(whole)) == 0, "journal", path);
}

// A line: the event's letter, then a number or the names, apart from each other by tabs.
void PowerCutJournal::Replay(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream text(line);
  for (std::string field; std::getline(text, field, '\t');)
    fields.push_back(field);
  const auto number = [&fields](size_t i) { return std::stoull(fields.at(i)); };
  switch (line[0]) {
    case 'C':
      DoCreate(number(1), fields.at(2));
      break;
    case 'K':
      next_ = number(1) + 1;
      synced_[number(1)] = number(2);
      now_[fields.at(3)] = durable_[fields.at(3)] = number(1);
      touched_.insert(fields.at(3));
      break;
    case 'S':
      synced_[number(1)] = number(2);
      break;
    case 'R':
      DoRename(fields.at(1), fields.at(2));
      break;
    case 'L':
      DoLink(fields.at(1), fields.at(2));
      break;
    case 'D':
      DoDelete(fields.at(1));
      break;
    case 'F':
      DoFolderSynced(fields.at(1));
      break;
    default:
      Check(false, "unknown event", line);
  }
}

void PowerCutJournal::Write(const std::string& line) {
  const std::string text = line + "\n";
  Check(write(log_, text.data(), text.size()) == static_cast<ssize_t>(text.size()), "journal",
        folder_);
}

PowerCutJournal::FileId PowerCutJournal::Known(const std::string& path) {
  if (const auto found = now_.find(path); found != now_.end()) return found->second;
  const FileId file = next_++;
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  Check(!error && link(path.c_str(), Kept(file).c_str()) == 0, "keep", path);
  Write("K\t" + std::to_string(file) + "\t" + std::to_string(size) + "\t" + path);
  synced_[file] = size;
  now_[path] = durable_[path] = file;
  touched_.insert(path);
  return file;
}

// A file that no name leads to any more cannot come back.
void PowerCutJournal::DropIfGone(FileId file) {
  if (Refers(now_, file) || Refers(durable_, file)) return;
  synced_.erase(file);
  unlink(Kept(file).c_str());
}

void PowerCutJournal::DoCreate(FileId file, const std::string& path) {
  next_ = file + 1;
  synced_[file] = 0;
  const auto before = now_.find(path);
  const FileId replaced = before == now_.end() ? 0 : before->second;
  now_[path] = file;
  touched_.insert(path);
  if (replaced != 0) DropIfGone(replaced);
}

void PowerCutJournal::DoRename(const std::string& from, const std::string& to) {
  const FileId moved = now_.at(from);
  const auto before = now_.find(to);
  const FileId replaced = before == now_.end() ? 0 : before->second;
  now_.erase(from);
  now_[to] = moved;
  touched_.insert(to);
  if (replaced != 0 && replaced != moved) DropIfGone(replaced);
}

void PowerCutJournal::DoLink(const std::string& from, const std::string& to) {
  now_[to] = now_.at(from);
  touched_.insert(to);
}

void PowerCutJournal::DoDelete(const std::string& path) {
  const FileId file = now_.at(path);
  now_.erase(path);
  DropIfGone(file);
}

void PowerCutJournal::DoFolderSynced(const std::string& folder) {
  std::set<FileId> dropped;
  std::erase_if(durable_, [&](const auto& entry) {
    if (FolderOf(entry.first) != folder) return false;
    dropped.insert(entry.second);
    return true;
  });
  for (const auto& [path, file] : now_) {
    if (FolderOf(path) == folder) durable_[path] = file;
  }
  for (const FileId file : dropped)
    DropIfGone(file);
}

PowerCutJournal::FileId PowerCutJournal::Create(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string name = Normal(path);
  if (fs::exists(name)) Known(name);
  const FileId file = next_;
  Write("C\t" + std::to_string(file) + "\t" + name);
  DoCreate(file, name);
  // The old content stays with its link here, and the new file is another one.
  unlink(name.c_str());
  return file;
}

void PowerCutJournal::Created(FileId file, const std::string& path) {
  Check(link(path.c_str(), Kept(file).c_str()) == 0, "keep", path);
}

PowerCutJournal::FileId PowerCutJournal::Reopen(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return Known(Normal(path));
}

void PowerCutJournal::Synced(FileId file, uint64_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto synced = synced_.find(file);
  if (synced == synced_.end() || synced->second >= size) return;
  Write("S\t" + std::to_string(file) + "\t" + std::to_string(size));
  synced->second = size;
}

void PowerCutJournal::Truncated(FileId file, uint64_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto synced = synced_.find(file);
  if (synced == synced_.end() || synced->second <= size) return;
  Write("S\t" + std::to_string(file) + "\t" + std::to_string(size));
  synced->second = size;
}

void PowerCutJournal::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string old_name = Normal(from);
  const std::string new_name = Normal(to);
  if (!fs::exists(old_name)) return;  // it will fail
  Known(old_name);
  if (fs::exists(new_name)) Known(new_name);
  Write("R\t" + old_name + "\t" + new_name);
  DoRename(old_name, new_name);
}

void PowerCutJournal::Link(const std::string& from, const std::string& to) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string old_name = Normal(from);
  const std::string new_name = Normal(to);
  if (!fs::exists(old_name) || fs::exists(new_name)) return;  // it will fail
  Known(old_name);
  Write("L\t" + old_name + "\t" + new_name);
  DoLink(old_name, new_name);
}

void PowerCutJournal::Delete(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string name = Normal(path);
  if (!fs::exists(name)) return;  // it will fail
  Known(name);
  Write("D\t" + name);
  DoDelete(name);
}

void PowerCutJournal::FolderSynced(const std::string& folder) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string name = Normal(folder);
  Write("F\t" + name);
  DoFolderSynced(name);
}

void PowerCutJournal::CutFile(FileId file, const std::string& name, std::optional<uint64_t> seed) {
  const std::string kept = Kept(file);
  const uint64_t synced = synced_.at(file);
  const uint64_t size = fs::file_size(kept);
  uint64_t keep = std::min(synced, size);
  if (seed.has_value() && size > keep) {
    std::mt19937_64 random(*seed ^ file);
    keep += random() % (size - keep + 1);
    // A disk writes sectors in any order: those before the last one may be missing.
    constexpr uint64_t kSector = 512;
    const bool holes = fs::path(name).extension() == ".log" && random() % 2 == 0;
    const int fd = open(kept.c_str(), O_WRONLY | O_CLOEXEC);
    Check(fd >= 0, "cut", kept);
    for (uint64_t at = synced; holes && at < keep;) {
      const uint64_t end = std::min(keep, (at / kSector + 1) * kSector);
      const std::string zeros(end - at, '\0');
      if (random() % 2 == 0) {
        Check(pwrite(fd, zeros.data(), zeros.size(), static_cast<off_t>(at)) ==
                  static_cast<ssize_t>(zeros.size()),
              "cut", kept);
      }
      at = end;
    }
    close(fd);
  }
  Check(truncate(kept.c_str(), static_cast<off_t>(keep)) == 0, "cut", name);
}

void PowerCutJournal::Cut(std::optional<uint64_t> seed) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // All names, for the kill may have come between an event and its step.
  for (const std::string& path : touched_)
    unlink(path.c_str());
  std::set<FileId> cut;
  for (const auto& [path, file] : durable_) {
    // Synced before it was there: the kill came before Created(), and nothing is in it.
    if (!fs::exists(Kept(file))) continue;
    if (cut.insert(file).second) CutFile(file, path, seed);
    Check(link(Kept(file).c_str(), path.c_str()) == 0, "restore", path);
  }
  Check(ftruncate(log_, 0) == 0, "journal", folder_);
  fs::remove_all(folder_ + "/files");
  fs::create_directories(folder_ + "/files");
  now_.clear();
  durable_.clear();
  synced_.clear();
  touched_.clear();
}

}  // namespace skein::testing_support
