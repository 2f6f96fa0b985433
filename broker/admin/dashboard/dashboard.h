// The page for operators, as it was built into this program.
//
// Purpose: hands over the files that build.mjs made of src/. Thread: constants. Limits: empty when
// the program was built with SKEINMQ_DASHBOARD=OFF.
#pragma once

#include <span>

#include "broker/admin/static_files.h"

namespace skein::admin {

std::span<const StaticFile> DashboardFiles();

}  // namespace skein::admin
