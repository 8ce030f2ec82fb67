#include <cstring>
#include <utility>

#include <sqlite3.h>

#include "firmware/base/check.h"
#include "firmware/ports/database.h"
#include "platform/storage/sqlite_error.h"

namespace holdfast::ports {

ErrorCode error_code(int code) {
    if (code == SQLITE_IOERR_CORRUPTFS || code == SQLITE_IOERR_DATA) {
        return ErrorCode::corrupt;
    }
    switch (code & 0xff) {
        case SQLITE_FULL:
            return ErrorCode::full;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_PROTOCOL:
            return ErrorCode::refused;
        case SQLITE_TOOBIG:
            return ErrorCode::too_large;
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_AUTH:
        case SQLITE_NOMEM:
        case SQLITE_NOLFS:
        case SQLITE_INTERRUPT:
            return ErrorCode::io;
        // Our own statements are right, so a missing table, a broken constraint or a wrong type
        // means that the file does not hold what we wrote.
        default:
            return ErrorCode::corrupt;
    }
}

std::unexpected<Error> sqlite_error(sqlite3* handle, int code, std::string_view what) {
    std::string message(what);
    message.append(": ").append(sqlite3_errstr(code));
    if (handle != nullptr && sqlite3_extended_errcode(handle) == code) {
        const std::string_view detail = sqlite3_errmsg(handle);
        if (!message.ends_with(detail)) {
            message.append(" (").append(detail).append(")");
        }
    }
    // The number is valid only after a failed call of the operating system; otherwise SQLite leaves
    // an older number there.
    const bool from_system =
        (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN || code == SQLITE_FULL;
    if (const int number = handle == nullptr ? 0 : sqlite3_system_errno(handle);
        from_system && number != 0) {
        message.append(": ").append(std::strerror(number));
    }
    return fail(error_code(code), std::move(message));
}

Statement::~Statement() {
    if (statement_ != nullptr) {
        sqlite3_reset(statement_);
        sqlite3_clear_bindings(statement_);
    }
}

Statement::Statement(Statement&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)) {}

void Statement::bind_at(int index, std::int64_t value) {
    HOLDFAST_CHECK(sqlite3_bind_int64(statement_, index, value) == SQLITE_OK);
}

void Statement::bind_at(int index, std::string_view text) {
    // A null pointer would bind NULL.
    const char* data = text.empty() ? "" : text.data();
    HOLDFAST_CHECK(sqlite3_bind_text64(statement_, index, data, text.size(), SQLITE_STATIC,
                                       SQLITE_UTF8) == SQLITE_OK);
}

void Statement::bind_at(int index, ByteView blob) {
    const void* data = blob.empty() ? static_cast<const void*>("") : blob.data();
    HOLDFAST_CHECK(sqlite3_bind_blob64(statement_, index, data, blob.size(), SQLITE_STATIC) ==
                   SQLITE_OK);
}

Result<bool> Statement::step() {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) {
        return true;
    }
    if (code == SQLITE_DONE) {
        return false;
    }
    auto error = sqlite_error(sqlite3_db_handle(statement_), code, sqlite3_sql(statement_));
    sqlite3_reset(statement_);
    return error;
}

Result<void> Statement::run() {
    auto row = step();
    if (!row) {
        return std::unexpected(std::move(row).error());
    }
    HOLDFAST_CHECK(!*row);
    return {};
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

std::string_view Statement::text(int column) const {
    const auto* characters = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return characters == nullptr ? std::string_view{} : std::string_view(characters, size);
}

ByteView Statement::blob(int column) const {
    const auto* bytes = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return bytes == nullptr ? ByteView{} : ByteView(bytes, size);
}

}  // namespace holdfast::ports
