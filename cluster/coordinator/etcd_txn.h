// Parts of etcd's transactions. For .cc files of this folder only. Thread: pure.
#pragma once

#include <cstdint>
#include <string>

#include "etcd/etcd.pb.h"

namespace skein::cluster {

namespace api = etcdserverpb;

// The end of the range of all keys with the prefix, as etcd wants it.
inline std::string EndOf(std::string prefix) {
  ++prefix.back();  // it ends with '/'
  return prefix;
}

inline void Absent(const std::string& key, api::TxnRequest* txn) {
  api::Compare& compare = *txn->add_compare();
  compare.set_key(key);
  compare.set_target(api::Compare::CREATE);
  compare.set_create_revision(0);
}

inline void Present(const std::string& key, api::TxnRequest* txn) {
  Absent(key, txn);
  txn->mutable_compare()->rbegin()->set_result(api::Compare::NOT_EQUAL);
}

inline void HasValue(const std::string& key, const std::string& value, api::TxnRequest* txn) {
  api::Compare& compare = *txn->add_compare();
  compare.set_key(key);
  compare.set_target(api::Compare::VALUE);
  compare.set_value(value);
}

// No key with the prefix has changed since.
inline void UnchangedSince(const std::string& prefix, int64_t revision, api::TxnRequest* txn) {
  api::Compare& compare = *txn->add_compare();
  compare.set_key(prefix);
  compare.set_range_end(EndOf(prefix));
  compare.set_target(api::Compare::MOD);
  compare.set_result(api::Compare::LESS);
  compare.set_mod_revision(revision + 1);
}

inline void Delete(const std::string& key, api::TxnRequest* txn) {
  txn->add_success()->mutable_request_delete_range()->set_key(key);
}

inline void Put(const std::string& key, const std::string& value, int64_t lease,
                api::TxnRequest* txn) {
  api::PutRequest& put = *txn->add_success()->mutable_request_put();
  put.set_key(key);
  put.set_value(value);
  put.set_lease(lease);
}

}  // namespace skein::cluster
