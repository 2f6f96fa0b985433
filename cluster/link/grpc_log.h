// gRPC's own log lines, as events of ours.
//
// Purpose: what gRPC has to say goes where all else is said, not unformatted to standard error.
// Owner: who runs the links; one at a time, since gRPC has one place for the whole process. Thread:
// made and destroyed on any; gRPC's threads call it. Life cycle: the logger outlives all that uses
// gRPC. Limits: the lines that gRPC writes, errors only unless GRPC_VERBOSITY says otherwise.
#pragma once

#include "broker/base/log.h"

namespace skein::cluster {

class GrpcLog {
 public:
  explicit GrpcLog(Logger* log);
  // From now on it goes where gRPC sends it by itself.
  ~GrpcLog();
  GrpcLog(const GrpcLog&) = delete;
  GrpcLog& operator=(const GrpcLog&) = delete;
};

}  // namespace skein::cluster
