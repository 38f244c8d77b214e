// What the admin interface answers.
#pragma once

#include <vector>

#include "admin/admin.h"

namespace cardea::proxy {

class Worker;

// Rows for a server on this worker's loop. The worker outlives the server.
std::vector<admin::Row> admin_rows(Worker& worker);

}  // namespace cardea::proxy
