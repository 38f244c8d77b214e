// What the admin interface answers.
#pragma once

#include <vector>

#include "admin/admin.h"

namespace cardea::proxy {

class Worker;

// Rows for a server on this worker's loop. The worker outlives the server.
std::vector<admin::Row> admin_rows(Worker& worker);
std::vector<admin::Row> metrics_rows(Worker& worker);  // what metrics_address answers

}  // namespace cardea::proxy
