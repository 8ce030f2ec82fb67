#pragma once

#include <string>
#include <string_view>

#include <sqlite3.h>

#include "firmware/base/error.h"

namespace holdfast::ports {

/// SQLite's (extended) result code as one of ours.
[[nodiscard]] ErrorCode error_code(int code);

/// `what` and SQLite's message for the failure that `handle` has just reported.
[[nodiscard]] std::unexpected<Error> sqlite_error(sqlite3* handle, int code, std::string_view what);

}  // namespace holdfast::ports
