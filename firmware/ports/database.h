#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace holdfast::ports {

/// A prepared statement in use: bind, step, read columns. Belongs to its Database, which keeps it
/// prepared; when this object ends, the statement is reset and its bindings are cleared. Views
/// returned by `text` and `blob` are valid until the next `step`.
class Statement {
public:
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
    ~Statement();
    Statement(Statement&& other) noexcept;
    Statement& operator=(Statement&&) = delete;

    /// Binds `?1`, `?2` … in order; integers, std::string_view, ByteView (as BLOB).
    /// Text and blobs are not copied: they must live until the statement has been stepped.
    template <class... Values>
    Statement& bind(const Values&... values) {
        int index = 0;
        (bind_at(++index, values), ...);
        return *this;
    }

    /// true: a row is there. false: done.
    /// Errors: full (disk or size limit), corrupt, io; the transaction must then be rolled back.
    [[nodiscard]] Result<bool> step();
    /// For statements without rows.
    [[nodiscard]] Result<void> run();

    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string_view text(int column) const;
    [[nodiscard]] ByteView blob(int column) const;

private:
    void bind_at(int index, std::int64_t value);
    void bind_at(int index, std::string_view text);
    void bind_at(int index, ByteView blob);

    sqlite3_stmt* statement_;
};

struct DatabaseOptions {
    int page_size_bytes = 1024;
    /// A registered SQLite VFS; "" for the system's own. Tests put a fault-injecting one here.
    std::string vfs;
    std::int64_t cache_bytes = 512 << 10;
    /// The WAL is checkpointed when it has grown to this; so its file stays below this and one
    /// transaction.
    std::int64_t wal_bytes = 1 << 20;
};

/// One SQLite database file, opened for this process alone (locking_mode=EXCLUSIVE, so there is no
/// -shm file), WAL, synchronous=FULL: when a transaction has committed it survives a power cut. All
/// PRAGMAs of the program are in database.cpp. Used by one thread at a time.
class Database {
public:
    /// Errors: io (cannot be created or opened), corrupt (not a database, or damaged), full,
    /// refused (another process has it open).
    [[nodiscard]] static Result<Database> open(const std::filesystem::path& file,
                                               const DatabaseOptions& options = {});
    ~Database();
    Database(Database&&) noexcept;
    Database& operator=(Database&&) noexcept;

    /// Several statements, no parameters, no rows: schema and migrations.
    [[nodiscard]] Result<void> execute(const std::string& sql);
    /// Prepares on first use and keeps the statement. `sql` must be a literal (it is identified by
    /// its address).
    [[nodiscard]] Result<Statement> prepare(const char* sql);

    [[nodiscard]] Result<std::int64_t> user_version();
    [[nodiscard]] Result<void> set_user_version(std::int64_t version);

    /// Of the file, which keeps the page size it was created with.
    [[nodiscard]] int page_size_bytes() const;
    /// Pages in use, without those on the free list, times the page size; inside a transaction as
    /// it will be after it.
    [[nodiscard]] Result<std::int64_t> used_bytes();

    /// Moves `file` and its WAL to the first free name of `file`.unreadable-1, -2 …, which is
    /// returned. No Database may have it open. Errors: io, full.
    [[nodiscard]] static Result<std::filesystem::path> move_aside(
        const std::filesystem::path& file, const DatabaseOptions& options = {});

    /// Moves the WAL into the database file. The WAL file keeps its length, and is filled again
    /// from its beginning.
    [[nodiscard]] Result<void> checkpoint();

    /// Whether the content can be read through and hangs together (`PRAGMA quick_check`). Errors:
    /// corrupt, io.
    [[nodiscard]] Result<void> verify();

private:
    friend class Transaction;
    struct Connection;
    explicit Database(std::unique_ptr<Connection> connection);
    std::unique_ptr<Connection> connection_;
};

/// BEGIN IMMEDIATE … COMMIT; rolled back when it ends without `commit`, and when `commit` fails.
class Transaction {
public:
    [[nodiscard]] static Result<Transaction> begin(Database& database);
    ~Transaction();
    Transaction(Transaction&& other) noexcept;
    Transaction& operator=(Transaction&&) = delete;

    /// When this returns success, the writes are on stable storage. Errors: full, io, corrupt.
    /// After an error they are not there for this process; what a power cut at this moment would
    /// leave is either all or nothing.
    [[nodiscard]] Result<void> commit();

private:
    explicit Transaction(Database::Connection& connection) : connection_(&connection) {}
    Database::Connection* connection_;  ///< null when committed
};

}  // namespace holdfast::ports
