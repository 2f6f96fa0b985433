#include "storage/rocksdb/staged_record.h"

#include <type_traits>
#include <utility>

#include "broker/base/check.h"
#include "skein/storage/v1/record.pb.h"
#include "storage/log/records.h"

namespace skein::storage {
namespace {

// What holds no view can be kept as it is.
template <typename T>
constexpr bool kPlain =
    std::is_constructible_v<StagedBody, T> && !std::is_same_v<T, session::Connected> &&
    !std::is_same_v<T, session::Subscribed> && !std::is_same_v<T, session::Unsubscribed>;

struct Keep {
  const session::RecordBody& whole;

  template <typename Body>
  StagedBody operator()(const Body& body) const {
    if constexpr (kPlain<Body>) {
      return body;
    } else {
      EncodedRecord record(new v1::Record());
      EncodeRecord(0, whole, record.get());
      return record;
    }
  }
  StagedBody operator()(const session::Enqueued& body) const {
    StagedEnqueued staged;
    staged.sequence = body.sequence;
    staged.message = body.message;
    staged.subscription_ids = session::SubscriptionIds(body.subscription_ids);
    staged.qos = body.qos;
    staged.retain = body.retain;
    staged.packet_id = body.packet_id;
    staged.share = body.share;
    return staged;
  }
};

struct Encode {
  uint64_t session;
  v1::Record* out;

  template <typename Body>
  void operator()(const Body& body) const {
    EncodeRecord(session, body, out);
  }
  void operator()(const StagedEnqueued& body) const {
    EncodeEnqueued(session,
                   {body.sequence, body.message, body.subscription_ids.view(), body.qos,
                    body.retain, body.packet_id, body.share},
                   out);
  }
  void operator()(const EncodedRecord& record) const {
    out->CopyFrom(*record);
    out->set_session(session);
  }
  void operator()(const Cancelled&) const { SKEIN_CHECK(false) << "a cancelled record"; }
  void operator()(const RetainedChange&) const { SKEIN_CHECK(false) << "not a session's record"; }
};

}  // namespace

void DeleteRecord::operator()(const v1::Record* record) const {
  delete record;
}

StagedBody Stage(const session::RecordBody& body) {
  return std::visit(Keep{body}, body);
}

void EncodeStaged(const StagedRecord& staged, v1::Record* out) {
  std::visit(Encode{staged.key.number, out}, staged.body);
}

}  // namespace skein::storage
