// What a power cut would leave of a directory tree.
//
// Purpose: keeps a side journal of what a process does to its files: how many bytes of each were
// synced, and which directory entries a sync of the directory has made durable. Cut() turns the
// files into what would be there after the power failed. Owner: the file system of power_cut_fs.h;
// after the process has died, power_cut_apply. Thread: any. Life cycle: what it knows lives in the
// journal's folder and survives kill -9, for the kernel keeps what has been written. A file that
// the journal has never heard of counts as durable. Limits: the folder must be on the file system
// of the files, for it keeps a hard link to each, so that what was deleted or replaced can come
// back; it grows by a line an event. Errors: of the disk, abort.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

namespace skein::testing_support {

class PowerCutJournal {
 public:
  using FileId = uint64_t;

  // Goes on with what is in the folder.
  explicit PowerCutJournal(std::string folder);
  ~PowerCutJournal();
  PowerCutJournal(const PowerCutJournal&) = delete;

  // Each of these is called before the step is done, unless it says otherwise.

  // An empty file takes this name. What had the name before is renounced: the caller must not
  // truncate it, but call Created() once the new file is there.
  FileId Create(const std::string& path);
  void Created(FileId file, const std::string& path);
  // The file goes on being written where it ends.
  FileId Reopen(const std::string& path);
  // After: the first `size` bytes are on disk.
  void Synced(FileId file, uint64_t size);
  // The file was cut; what is beyond `size` was never there.
  void Truncated(FileId file, uint64_t size);
  void Rename(const std::string& from, const std::string& to);
  void Link(const std::string& from, const std::string& to);
  void Delete(const std::string& path);
  // After: all entries of the folder are on disk as they are now.
  void FolderSynced(const std::string& folder);

  // The power fails: nothing remains but what is durable. With a seed, some of the bytes that were
  // not synced remain, too: a piece at the front, of a write-ahead log with holes in it.
  void Cut(std::optional<uint64_t> seed = std::nullopt);

 private:
  using Names = std::map<std::string, FileId>;

  void Load();
  void Replay(const std::string& line);
  void Write(const std::string& line);
  std::string Kept(FileId file) const;
  // Gives an older file an id: it is durable as it is.
  FileId Known(const std::string& path);
  void DropIfGone(FileId file);
  void DoCreate(FileId file, const std::string& path);
  void DoRename(const std::string& from, const std::string& to);
  void DoLink(const std::string& from, const std::string& to);
  void DoDelete(const std::string& path);
  void DoFolderSynced(const std::string& folder);
  void CutFile(FileId file, const std::string& name, std::optional<uint64_t> seed);

  const std::string folder_;
  std::mutex mutex_;
  int log_ = -1;
  FileId next_ = 1;
  Names now_;      // what the process sees
  Names durable_;  // what a power cut leaves
  std::map<FileId, uint64_t> synced_;
  std::set<std::string> touched_;  // every name of now_ and durable_ so far
};

}  // namespace skein::testing_support
