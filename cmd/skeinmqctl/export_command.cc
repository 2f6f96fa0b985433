#include <ostream>

#include "cmd/skeinmqctl/commands.h"
#include "cmd/skeinmqctl/json.h"
#include "storage/rocksdb/inspect.h"

namespace skein::ctl {
namespace {

class Export {
 public:
  Export(storage::StoreView* view, const ExportOptions& options, std::ostream& out)
      : view_(*view), options_(options), out_(out) {}

  absl::Status Run() {
    for (session::PartitionId partition = 0; options_.sessions && partition < view_.partitions();
         ++partition) {
      view_.ForEachSession(partition,
                           [this](const session::SessionImage& image) { Session(image); });
    }
    if (!status_.ok() || !options_.retained) return status_;
    return view_.ForEachRetained(
        [this](const mqtt::Message& message) { out_ << RetainedJson(message); });
  }

  uint64_t sessions() const { return sessions_; }

 private:
  void Session(const session::SessionImage& image) {
    if (!status_.ok()) return;
    if (options_.client_id && *options_.client_id != image.client_id) return;
    ++sessions_;
    out_ << SessionJson(image, /*pretty=*/false);
    status_ = view_.ForEachQueued(image.key, [&](const session::StoredDelivery& delivery) {
      out_ << QueuedJson(image.client_id, delivery);
    });
  }

  storage::StoreView& view_;
  const ExportOptions& options_;
  std::ostream& out_;
  absl::Status status_;
  uint64_t sessions_ = 0;
};

}  // namespace

int ExportStore(const ExportOptions& options, std::ostream& out, std::ostream& err) {
  const auto view = storage::StoreView::Open(options.data_dir);
  if (!view.ok()) {
    err << "skeinmqctl: " << std::string(view.status().message()) << "\n";
    return kExitProblem;
  }
  Export run(view->get(), options, out);
  if (const absl::Status status = run.Run(); !status.ok()) {
    err << "skeinmqctl: " << std::string(status.message()) << "\n";
    return kExitProblem;
  }
  if (options.client_id && run.sessions() == 0) {
    err << "skeinmqctl: no session of client id '" << *options.client_id << "'\n";
    return kExitProblem;
  }
  return kExitOk;
}

}  // namespace skein::ctl
