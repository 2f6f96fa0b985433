#include "tests/support/power_cut_fs.h"

#include <atomic>
#include <utility>

#include "tests/support/power_cut_journal.h"

namespace skein::testing_support {
namespace {

using rocksdb::FileOptions;
using rocksdb::FSDirectory;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using Verification = rocksdb::DataVerificationInfo;

class PowerCutFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  PowerCutFile(std::unique_ptr<FSWritableFile> file, std::shared_ptr<PowerCutJournal> journal,
               PowerCutJournal::FileId id, uint64_t size)
      : FSWritableFileOwnerWrapper(std::move(file)),
        journal_(std::move(journal)),
        id_(id),
        size_(size) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    return Appended(data, target()->Append(data, options, debug));
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const Verification& verification,
                  IODebugContext* debug) override {
    return Appended(data, target()->Append(data, options, verification, debug));
  }
  IOStatus PositionedAppend(const Slice&, uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::NotSupported("direct I/O");
  }
  IOStatus PositionedAppend(const Slice&, uint64_t, const IOOptions&, const Verification&,
                            IODebugContext*) override {
    return IOStatus::NotSupported("direct I/O");
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = target()->Truncate(size, options, debug);
    if (!status.ok()) return status;
    size_ = size;
    journal_->Truncated(id_, size);
    return status;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const uint64_t size = size_;  // what is appended meanwhile may be left out
    return Synced(size, target()->Sync(options, debug));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const uint64_t size = size_;
    return Synced(size, target()->Fsync(options, debug));
  }

 private:
  IOStatus Appended(const Slice& data, IOStatus status) {
    if (status.ok()) size_ += data.size();
    return status;
  }
  IOStatus Synced(uint64_t size, IOStatus status) {
    if (status.ok()) journal_->Synced(id_, size);
    return status;
  }

  const std::shared_ptr<PowerCutJournal> journal_;
  const PowerCutJournal::FileId id_;
  std::atomic<uint64_t> size_;
};

class PowerCutFolder final : public rocksdb::FSDirectoryWrapper {
 public:
  PowerCutFolder(std::unique_ptr<FSDirectory> folder, std::shared_ptr<PowerCutJournal> journal,
                 std::string name)
      : FSDirectoryWrapper(std::move(folder)),
        journal_(std::move(journal)),
        name_(std::move(name)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Synced(FSDirectoryWrapper::Fsync(options, debug));
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions& why) override {
    return Synced(FSDirectoryWrapper::FsyncWithDirOptions(options, debug, why));
  }

 private:
  IOStatus Synced(IOStatus status) {
    if (status.ok()) journal_->FolderSynced(name_);
    return status;
  }

  const std::shared_ptr<PowerCutJournal> journal_;
  const std::string name_;
};

class PowerCutFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit PowerCutFileSystem(const std::string& journal_folder)
      : FileSystemWrapper(rocksdb::FileSystem::Default()),
        journal_(std::make_shared<PowerCutJournal>(journal_folder)) {}

  const char* Name() const override { return "PowerCutFileSystem"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
    const PowerCutJournal::FileId id = journal_->Create(path);
    std::unique_ptr<FSWritableFile> real;
    IOStatus status = target()->NewWritableFile(path, options, &real, debug);
    if (!status.ok()) return status;
    journal_->Created(id, path);
    *file = std::make_unique<PowerCutFile>(std::move(real), journal_, id, 0);
    return status;
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions& options,
                              std::unique_ptr<FSWritableFile>* file,
                              IODebugContext* debug) override {
    uint64_t size = 0;
    if (!target()->GetFileSize(path, IOOptions(), &size, debug).ok())
      return NewWritableFile(path, options, file, debug);
    const PowerCutJournal::FileId id = journal_->Reopen(path);
    std::unique_ptr<FSWritableFile> real;
    IOStatus status = target()->ReopenWritableFile(path, options, &real, debug);
    if (status.ok()) *file = std::make_unique<PowerCutFile>(std::move(real), journal_, id, size);
    return status;
  }
  IOStatus ReuseWritableFile(const std::string&, const std::string&, const FileOptions&,
                             std::unique_ptr<FSWritableFile>*, IODebugContext*) override {
    return IOStatus::NotSupported("a file is written at its end only");
  }
  IOStatus NewRandomRWFile(const std::string&, const FileOptions&,
                           std::unique_ptr<rocksdb::FSRandomRWFile>*, IODebugContext*) override {
    return IOStatus::NotSupported("a file is written at its end only");
  }
  IOStatus NewDirectory(const std::string& name, const IOOptions& options,
                        std::unique_ptr<FSDirectory>* folder, IODebugContext* debug) override {
    std::unique_ptr<FSDirectory> real;
    IOStatus status = target()->NewDirectory(name, options, &real, debug);
    if (status.ok()) *folder = std::make_unique<PowerCutFolder>(std::move(real), journal_, name);
    return status;
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions& options,
                      IODebugContext* debug) override {
    journal_->Delete(path);
    return target()->DeleteFile(path, options, debug);
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* debug) override {
    journal_->Rename(from, to);
    return target()->RenameFile(from, to, options, debug);
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions& options,
                    IODebugContext* debug) override {
    journal_->Link(from, to);
    return target()->LinkFile(from, to, options, debug);
  }
  IOStatus Truncate(const std::string& path, size_t size, const IOOptions& options,
                    IODebugContext* debug) override {
    const PowerCutJournal::FileId id = journal_->Reopen(path);
    IOStatus status = target()->Truncate(path, size, options, debug);
    if (status.ok()) journal_->Truncated(id, size);
    return status;
  }

 private:
  const std::shared_ptr<PowerCutJournal> journal_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> MakePowerCutFileSystem(const std::string& journal_folder) {
  return std::make_shared<PowerCutFileSystem>(journal_folder);
}

}  // namespace skein::testing_support
