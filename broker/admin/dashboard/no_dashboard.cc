// With SKEINMQ_DASHBOARD=OFF.
#include "broker/admin/dashboard/dashboard.h"

namespace skein::admin {

std::span<const StaticFile> DashboardFiles() {
  return {};
}

}  // namespace skein::admin
