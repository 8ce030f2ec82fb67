#pragma once

#include <cstdint>
#include <span>

#include "firmware/base/error.h"
#include "firmware/ports/database.h"

namespace holdfast::journal {

/// Brings a journal from one schema version to the next. Runs inside a transaction.
using Migration = Result<void> (*)(ports::Database& database);

/// The one at index n leads from version n to n + 1. What was once released is never changed.
[[nodiscard]] std::span<const Migration> migrations();

/// Runs what is missing, each step in a transaction of its own. A newer file whose `oldest_writer`
/// is among `steps` has only got additions: it is left as it is, and may be written.
/// Errors: unsupported (the file is newer than `steps`; it was not touched), and those of the
/// steps: the file is then at the last version that was reached.
[[nodiscard]] Result<void> migrate(ports::Database& database, std::span<const Migration> steps);

}  // namespace holdfast::journal
