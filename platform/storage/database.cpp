#include "firmware/ports/database.h"

#include <unordered_map>
#include <utility>

#include <sqlite3.h>

#include "firmware/base/check.h"
#include "platform/storage/sqlite_error.h"

namespace holdfast::ports {
namespace {

/// The database file grows in steps of this size; see `reserve`.
constexpr int kChunkBytes = 64 << 10;
/// Of a frame in the WAL (sqlite.org/fileformat2.html, section 4.1).
constexpr std::int64_t kFrameHeaderBytes = 24;
/// A WAL that could not be checkpointed takes no more commits when it has reached this many times
/// `wal_bytes`.
constexpr std::int64_t kWalGrowthLimit = 4;

int remember_frames(void* frames, sqlite3* /*handle*/, const char* /*schema*/, int count) {
    *static_cast<std::int64_t*>(frames) = count;
    return SQLITE_OK;
}

}  // namespace

struct Database::Connection {
    sqlite3* handle = nullptr;
    std::unordered_map<const char*, sqlite3_stmt*> statements;
    int page_size_bytes = 0;
    std::int64_t wal_limit_bytes = 0;
    std::int64_t wal_frames = 0;
    std::int64_t reserved_pages = 0;

    Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() {
        for (const auto& [sql, statement] : statements) {
            sqlite3_finalize(statement);
        }
        sqlite3_close(handle);
    }

    Result<void> execute(const char* sql);
    Result<Statement> prepare(const char* sql);
    /// Prepared, without parameters and rows.
    Result<void> run(const char* sql);
    /// The first column of the only row, as a number.
    Result<std::int64_t> number(const char* sql);
    Result<void> configure(const DatabaseOptions& options);
    Result<void> enter_wal();
    Result<void> checkpoint();
    Result<void> checkpoint_if_due();
    Result<void> reserve();
    void roll_back();

    [[nodiscard]] std::int64_t wal_bytes() const {
        return wal_frames * (page_size_bytes + kFrameHeaderBytes);
    }
};

Result<void> Database::Connection::execute(const char* sql) {
    const int code = sqlite3_exec(handle, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
        return sqlite_error(handle, code, sql);
    }
    return {};
}

Result<Statement> Database::Connection::prepare(const char* sql) {
    sqlite3_stmt*& statement = statements[sql];
    if (statement == nullptr) {
        const int code =
            sqlite3_prepare_v3(handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
        if (code != SQLITE_OK) {
            return sqlite_error(handle, code, sql);
        }
    }
    HOLDFAST_CHECK(sqlite3_stmt_busy(statement) == 0);
    return Statement(statement);
}

Result<void> Database::Connection::run(const char* sql) {
    auto statement = prepare(sql);
    if (!statement) {
        return std::unexpected(std::move(statement).error());
    }
    return statement->run();
}

Result<std::int64_t> Database::Connection::number(const char* sql) {
    auto statement = prepare(sql);
    if (!statement) {
        return std::unexpected(std::move(statement).error());
    }
    auto row = statement->step();
    if (!row) {
        return std::unexpected(std::move(row).error());
    }
    if (!*row) {
        return fail(ErrorCode::corrupt, std::string(sql) + ": no answer");
    }
    return statement->integer(0);
}

/// All PRAGMAs of the program that set something. README.md says why each has its value.
Result<void> Database::Connection::configure(const DatabaseOptions& options) {
    const std::string settings =
        "PRAGMA locking_mode = EXCLUSIVE;"
        "PRAGMA page_size = " +
        std::to_string(options.page_size_bytes) +
        ";"
        "PRAGMA auto_vacuum = NONE;"
        "PRAGMA temp_store = MEMORY;"
        "PRAGMA mmap_size = 0;"
        "PRAGMA trusted_schema = OFF;"
        "PRAGMA cell_size_check = ON;"
        "PRAGMA secure_delete = OFF;"
        "PRAGMA synchronous = EXTRA;"
        "PRAGMA wal_autocheckpoint = 0;"
        "PRAGMA journal_size_limit = " +
        std::to_string(options.wal_bytes) +
        ";"
        "PRAGMA cache_size = -" +
        std::to_string(options.cache_bytes / 1024) + ";";
    return execute(settings.c_str());
}

Result<void> Database::Connection::enter_wal() {
    auto statement = prepare("PRAGMA journal_mode = WAL");
    if (!statement) {
        return std::unexpected(std::move(statement).error());
    }
    auto row = statement->step();
    if (!row) {
        return std::unexpected(std::move(row).error());
    }
    if (!*row || statement->text(0) != "wal") {
        return fail(ErrorCode::io, "this file system cannot hold a write-ahead log");
    }
    return {};
}

Result<void> Database::Connection::checkpoint() {
    const int code =
        sqlite3_wal_checkpoint_v2(handle, "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    if (code != SQLITE_OK) {
        return sqlite_error(handle, code, "checkpoint");
    }
    wal_frames = 0;
    return {};
}

/// Nobody else reads the WAL, so a passive checkpoint moves all of it, and the next transaction
/// begins the WAL anew.
Result<void> Database::Connection::checkpoint_if_due() {
    return wal_bytes() < wal_limit_bytes ? Result<void>{} : checkpoint();
}

/// Reserves the space in the database file that the checkpoint of this transaction will need.
/// Otherwise the disk could become full with a WAL that cannot be checkpointed. Then not even rows
/// could be deleted, and the journal could not recover by delivering its readings.
Result<void> Database::Connection::reserve() {
    auto pages = number("PRAGMA page_count");
    if (!pages) {
        return std::unexpected(std::move(pages).error());
    }
    if (*pages <= reserved_pages) {
        return {};
    }
    sqlite3_int64 size_bytes = *pages * page_size_bytes;
    const int code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_SIZE_HINT, &size_bytes);
    // unixFile reports a lack of space here as SQLITE_IOERR_WRITE.
    if (code != SQLITE_OK && code != SQLITE_NOTFOUND) {
        return fail(ErrorCode::full, "no space to enlarge the database file to " +
                                         std::to_string(size_bytes) + " bytes");
    }
    reserved_pages = (size_bytes + kChunkBytes - 1) / kChunkBytes * kChunkBytes / page_size_bytes;
    return {};
}

void Database::Connection::roll_back() {
    // SQLite has rolled back by itself after some errors.
    if (sqlite3_get_autocommit(handle) == 0) {
        sqlite3_exec(handle, "ROLLBACK", nullptr, nullptr, nullptr);
    }
}

Result<Database> Database::open(const std::filesystem::path& file, const DatabaseOptions& options) {
    auto connection = std::make_unique<Connection>();
    connection->wal_limit_bytes = options.wal_bytes;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                      SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;
    const int code = sqlite3_open_v2(file.c_str(), &connection->handle, flags,
                                     options.vfs.empty() ? nullptr : options.vfs.c_str());
    if (code != SQLITE_OK) {
        return sqlite_error(connection->handle, code, "opening " + file.string());
    }
    auto ready = connection->configure(options);
    if (ready) {
        ready = connection->enter_wal();
    }
    if (!ready) {
        return std::unexpected(std::move(ready).error().context(file.string()));
    }
    auto page_size = connection->number("PRAGMA page_size");
    if (!page_size) {
        return std::unexpected(std::move(page_size).error().context(file.string()));
    }
    connection->page_size_bytes = static_cast<int>(*page_size);
    sqlite3_wal_hook(connection->handle, remember_frames, &connection->wal_frames);
    // Not before there is a first page: a file of nothing but reserved space would not be a
    // database.
    int chunk = kChunkBytes;
    sqlite3_file_control(connection->handle, "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk);
    // A WAL left by a killed process counts too, but its length is not known before the first
    // commit.
    return Database(std::move(connection));
}

Database::Database(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Database::~Database() = default;
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;

Result<void> Database::execute(const std::string& sql) {
    return connection_->execute(sql.c_str());
}

Result<Statement> Database::prepare(const char* sql) {
    return connection_->prepare(sql);
}

Result<std::int64_t> Database::user_version() {
    return connection_->number("PRAGMA user_version");
}

Result<void> Database::set_user_version(std::int64_t version) {
    return execute("PRAGMA user_version = " + std::to_string(version));
}

int Database::page_size_bytes() const {
    return connection_->page_size_bytes;
}

Result<std::int64_t> Database::used_bytes() {
    auto pages = connection_->number("PRAGMA page_count");
    if (!pages) {
        return pages;
    }
    auto unused = connection_->number("PRAGMA freelist_count");
    if (!unused) {
        return unused;
    }
    return (*pages - *unused) * connection_->page_size_bytes;
}

Result<void> Database::checkpoint() {
    return connection_->checkpoint();
}

Result<void> Database::verify() {
    auto statement = prepare("PRAGMA quick_check(1)");
    if (!statement) {
        return std::unexpected(std::move(statement).error());
    }
    auto row = statement->step();
    if (!row) {
        return std::unexpected(std::move(row).error());
    }
    if (!*row || statement->text(0) != "ok") {
        return fail(ErrorCode::corrupt, "quick_check: " + std::string(statement->text(0)));
    }
    return {};
}

Result<Transaction> Transaction::begin(Database& database) {
    Database::Connection& connection = *database.connection_;
    // A checkpoint that failed before is tried again; the WAL must not grow for ever meanwhile.
    if (auto moved = connection.checkpoint_if_due();
        !moved && connection.wal_bytes() > kWalGrowthLimit * connection.wal_limit_bytes) {
        return std::unexpected(std::move(moved).error());
    }
    if (auto begun = connection.run("BEGIN IMMEDIATE"); !begun) {
        return std::unexpected(std::move(begun).error());
    }
    return Transaction(connection);
}

Transaction::~Transaction() {
    if (connection_ != nullptr) {
        connection_->roll_back();
    }
}

Transaction::Transaction(Transaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

Result<void> Transaction::commit() {
    Database::Connection& connection = *std::exchange(connection_, nullptr);
    auto done = connection.reserve();
    if (done) {
        done = connection.run("COMMIT");
    }
    if (!done) {
        connection.roll_back();
        if (done.error().code == ErrorCode::full) {
            // Lets the next transaction use the WAL's space from its beginning: enough to delete
            // something.
            (void)connection.checkpoint();
        }
        return done;
    }
    // The commit is durable whether or not this succeeds; after a failure `begin` tries again.
    (void)connection.checkpoint_if_due();
    return {};
}

}  // namespace holdfast::ports
