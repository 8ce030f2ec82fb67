#include "platform/simulated/disk.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include <sqlite3.h>

#include "firmware/base/check.h"

namespace holdfast::simulated {
namespace {

/// SplitMix64: small, and the same everywhere.
std::uint64_t next_random(std::uint64_t& state) {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

}  // namespace

struct Disk::Handle {
    sqlite3_file base;  ///< first: SQLite sees only this
    Disk* disk;
    std::shared_ptr<File> file;
    std::string path;
    std::uint64_t generation;
    std::size_t chunk_bytes;
    int lock;
    bool delete_on_close;

    [[nodiscard]] bool alive() const { return generation == disk->generation_; }
};

/// The functions SQLite calls, each a thin cover over the disk.
struct Disk::Vfs {
    sqlite3_vfs base{};

    explicit Vfs(Disk& disk);

    static Handle& handle(sqlite3_file* file) { return *reinterpret_cast<Handle*>(file); }
    static Disk& disk(sqlite3_vfs* vfs) { return *static_cast<Disk*>(vfs->pAppData); }
    static int code(Fault fault, int io) { return fault == Fault::full ? SQLITE_FULL : io; }

    static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out);
    static int remove(sqlite3_vfs* vfs, const char* name, int sync_directory);
    static int access(sqlite3_vfs* vfs, const char* name, int flags, int* there);
    static int full_path(sqlite3_vfs* vfs, const char* name, int size, char* out);
    static int randomness(sqlite3_vfs* vfs, int size, char* out);

    static int close(sqlite3_file* file);
    static int read(sqlite3_file* file, void* to, int size, sqlite3_int64 at);
    static int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 at);
    static int truncate(sqlite3_file* file, sqlite3_int64 size);
    static int sync(sqlite3_file* file, int flags);
    static int size(sqlite3_file* file, sqlite3_int64* size);
    static int lock(sqlite3_file* file, int level);
    static int unlock(sqlite3_file* file, int level);
    static int check_reserved(sqlite3_file* file, int* reserved);
    static int control(sqlite3_file* file, int operation, void* argument);

    static const sqlite3_io_methods kMethods;
};

const sqlite3_io_methods Disk::Vfs::kMethods = [] {
    // Version 1: no shared memory, so a WAL needs locking_mode=EXCLUSIVE, as Holdfast has it.
    sqlite3_io_methods methods{};
    methods.iVersion = 1;
    methods.xClose = close;
    methods.xRead = read;
    methods.xWrite = write;
    methods.xTruncate = truncate;
    methods.xSync = sync;
    methods.xFileSize = size;
    methods.xLock = lock;
    methods.xUnlock = unlock;
    methods.xCheckReservedLock = check_reserved;
    methods.xFileControl = control;
    methods.xSectorSize = [](sqlite3_file*) { return static_cast<int>(kSectorBytes); };
    methods.xDeviceCharacteristics = [](sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; };
    return methods;
}();

Disk::Vfs::Vfs(Disk& disk) {
    base.iVersion = 2;
    base.szOsFile = sizeof(Handle);
    base.mxPathname = 512;
    base.zName = disk.name_.c_str();
    base.pAppData = &disk;
    base.xOpen = open;
    base.xDelete = remove;
    base.xAccess = access;
    base.xFullPathname = full_path;
    base.xRandomness = randomness;
    base.xSleep = [](sqlite3_vfs*, int microseconds) { return microseconds; };
    base.xCurrentTime = [](sqlite3_vfs*, double* day) {
        *day = 2440587.5;
        return SQLITE_OK;
    };
    base.xCurrentTimeInt64 = [](sqlite3_vfs*, sqlite3_int64* milliseconds) {
        *milliseconds = 210866760000000;
        return SQLITE_OK;
    };
    base.xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
}

int Disk::Vfs::open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
    file->pMethods = nullptr;
    Disk& self = disk(vfs);
    std::string path = name != nullptr ? name : "";
    std::shared_ptr<File> found;
    if (name == nullptr) {
        found = std::make_shared<File>();
    } else if (const auto known = self.names_.find(path); known != self.names_.end()) {
        found = known->second;
    } else if ((flags & SQLITE_OPEN_CREATE) == 0) {
        return SQLITE_CANTOPEN;
    } else {
        found = std::make_shared<File>();
        self.names_[path] = found;
    }
    new (file) Handle{.base = {&kMethods},
                      .disk = &self,
                      .file = std::move(found),
                      .path = std::move(path),
                      .generation = self.generation_,
                      .chunk_bytes = 0,
                      .lock = SQLITE_LOCK_NONE,
                      .delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0};
    if (out != nullptr) {
        *out = flags;
    }
    return SQLITE_OK;
}

int Disk::Vfs::remove(sqlite3_vfs* vfs, const char* name, int sync_directory) {
    Disk& self = disk(vfs);
    const auto found = self.names_.find(name);
    if (found == self.names_.end()) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    if (sync_directory != 0) {
        self.deleted_.erase(name);
    } else if (found->second->name_durable) {
        self.deleted_.insert_or_assign(name, found->second);
    }
    self.names_.erase(found);
    return SQLITE_OK;
}

int Disk::Vfs::access(sqlite3_vfs* vfs, const char* name, int /*flags*/, int* there) {
    *there = disk(vfs).exists(name) ? 1 : 0;
    return SQLITE_OK;
}

int Disk::Vfs::full_path(sqlite3_vfs* /*vfs*/, const char* name, int size, char* out) {
    const std::size_t length = std::strlen(name);
    if (length + 1 > static_cast<std::size_t>(size)) {
        return SQLITE_CANTOPEN;
    }
    std::memcpy(out, name, length + 1);
    return SQLITE_OK;
}

int Disk::Vfs::randomness(sqlite3_vfs* vfs, int size, char* out) {
    for (int i = 0; i < size; ++i) {
        out[i] = static_cast<char>(next_random(disk(vfs).random_state_));
    }
    return size;
}

int Disk::Vfs::close(sqlite3_file* file) {
    Handle& self = handle(file);
    unlock(file, SQLITE_LOCK_NONE);
    if (self.delete_on_close && self.alive()) {
        self.disk->names_.erase(self.path);
    }
    self.~Handle();
    file->pMethods = nullptr;
    return SQLITE_OK;
}

int Disk::Vfs::read(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
    Handle& self = handle(file);
    if (!self.alive()) {
        return SQLITE_IOERR_READ;
    }
    if (self.disk->fires(self.disk->read_failure_)) {
        return SQLITE_IOERR_READ;
    }
    const Bytes& bytes = self.file->seen;
    const auto wanted = static_cast<std::size_t>(size);
    const auto from = std::min(static_cast<std::size_t>(at), bytes.size());
    const auto there = std::min(wanted, bytes.size() - from);
    self.disk->counters_.reads += 1;
    self.disk->counters_.bytes_read += there;
    std::copy_n(bytes.data() + from, there, static_cast<std::byte*>(to));
    // SQLite relies on the rest being zero.
    std::fill_n(static_cast<std::byte*>(to) + there, wanted - there, std::byte{0});
    return there == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int Disk::Vfs::write(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
    Handle& self = handle(file);
    if (!self.alive()) {
        return SQLITE_IOERR_WRITE;
    }
    Disk& disk = *self.disk;
    ByteView bytes{static_cast<const std::byte*>(from), static_cast<std::size_t>(size)};
    const auto where = static_cast<std::size_t>(at);
    if (disk.fires(disk.write_failure_)) {
        bytes = bytes.first(bytes.size() / 2);
        if (disk.fits(*self.file, where + bytes.size())) {
            disk.write(*self.file, where, bytes);
        }
        return code(disk.write_failure_.fault, SQLITE_IOERR_WRITE);
    }
    if (!disk.fits(*self.file, where + bytes.size())) {
        ++disk.counters_.failures;
        return SQLITE_FULL;
    }
    disk.write(*self.file, where, bytes);
    return SQLITE_OK;
}

int Disk::Vfs::truncate(sqlite3_file* file, sqlite3_int64 size) {
    Handle& self = handle(file);
    if (!self.alive()) {
        return SQLITE_IOERR_TRUNCATE;
    }
    self.disk->counters_.truncates += 1;
    if (self.disk->fires(self.disk->truncate_failure_)) {
        return code(self.disk->truncate_failure_.fault, SQLITE_IOERR_TRUNCATE);
    }
    auto wanted = static_cast<std::size_t>(size);
    if (self.chunk_bytes > 0) {
        wanted = (wanted + self.chunk_bytes - 1) / self.chunk_bytes * self.chunk_bytes;
    }
    if (wanted < self.file->seen.size()) {
        self.disk->resize(*self.file, wanted);
    }
    return SQLITE_OK;
}

int Disk::Vfs::sync(sqlite3_file* file, int /*flags*/) {
    Handle& self = handle(file);
    if (!self.alive()) {
        return SQLITE_IOERR_FSYNC;
    }
    self.disk->counters_.syncs += 1;
    if (self.disk->fires(self.disk->sync_failure_)) {
        return code(self.disk->sync_failure_.fault, SQLITE_IOERR_FSYNC);
    }
    self.disk->sync(*self.file);
    return SQLITE_OK;
}

int Disk::Vfs::size(sqlite3_file* file, sqlite3_int64* size) {
    *size = static_cast<sqlite3_int64>(handle(file).file->seen.size());
    return SQLITE_OK;
}

int Disk::Vfs::lock(sqlite3_file* file, int level) {
    Handle& self = handle(file);
    if (!self.alive()) {
        return SQLITE_IOERR_LOCK;
    }
    if (level <= self.lock) {
        return SQLITE_OK;
    }
    const bool owner = self.lock > SQLITE_LOCK_SHARED;
    const int others = self.file->shared - (self.lock >= SQLITE_LOCK_SHARED ? 1 : 0);
    if ((self.file->exclusive && !owner) || (level == SQLITE_LOCK_EXCLUSIVE && others > 0)) {
        return SQLITE_BUSY;
    }
    self.file->shared += self.lock == SQLITE_LOCK_NONE ? 1 : 0;
    self.file->exclusive = self.file->exclusive || level > SQLITE_LOCK_SHARED;
    self.lock = level;
    return SQLITE_OK;
}

int Disk::Vfs::unlock(sqlite3_file* file, int level) {
    Handle& self = handle(file);
    if (level >= self.lock) {
        return SQLITE_OK;
    }
    if (self.alive()) {
        if (self.lock > SQLITE_LOCK_SHARED && level <= SQLITE_LOCK_SHARED) {
            self.file->exclusive = false;
        }
        self.file->shared -= level == SQLITE_LOCK_NONE ? 1 : 0;
    }
    self.lock = level;
    return SQLITE_OK;
}

int Disk::Vfs::check_reserved(sqlite3_file* file, int* reserved) {
    *reserved = handle(file).file->exclusive ? 1 : 0;
    return SQLITE_OK;
}

int Disk::Vfs::control(sqlite3_file* file, int operation, void* argument) {
    Handle& self = handle(file);
    if (operation == SQLITE_FCNTL_CHUNK_SIZE) {
        self.chunk_bytes = static_cast<std::size_t>(*static_cast<int*>(argument));
        return SQLITE_OK;
    }
    if (operation != SQLITE_FCNTL_SIZE_HINT || self.chunk_bytes == 0) {
        return SQLITE_NOTFOUND;
    }
    const auto hint = static_cast<std::size_t>(*static_cast<sqlite3_int64*>(argument));
    const auto wanted = (hint + self.chunk_bytes - 1) / self.chunk_bytes * self.chunk_bytes;
    if (!self.alive()) {
        return SQLITE_IOERR_WRITE;
    }
    if (wanted <= self.file->seen.size()) {
        return SQLITE_OK;
    }
    self.disk->counters_.writes += 1;
    if (self.disk->fires(self.disk->write_failure_) || !self.disk->fits(*self.file, wanted)) {
        return SQLITE_IOERR_WRITE;  // as unixFile answers, for whatever reason
    }
    self.disk->resize(*self.file, wanted);
    return SQLITE_OK;
}

Disk::Disk(std::string name) : name_(std::move(name)), vfs_(std::make_unique<Vfs>(*this)) {
    HOLDFAST_CHECK(sqlite3_vfs_find(name_.c_str()) == nullptr);
    HOLDFAST_CHECK(sqlite3_vfs_register(&vfs_->base, 0) == SQLITE_OK);
}

Disk::~Disk() {
    sqlite3_vfs_unregister(&vfs_->base);
}

void Disk::heal() {
    write_failure_ = {};
    sync_failure_ = {};
    truncate_failure_ = {};
    read_failure_ = {};
}

bool Disk::fires(Failure& failure) {
    if (failure.nth == 0) {
        return false;
    }
    if (failure.nth > 1) {
        --failure.nth;
        return false;
    }
    failure.nth = failure.lasting ? 1 : 0;
    ++counters_.failures;
    return true;
}

bool Disk::fits(const File& file, std::size_t new_size) const {
    return new_size <= file.seen.size() ||
           used_bytes() + (new_size - file.seen.size()) <= size_limit_bytes_;
}

void Disk::write(File& file, std::size_t at, ByteView bytes) {
    if (bytes.empty()) {
        return;
    }
    if (at + bytes.size() > file.seen.size()) {
        resize(file, at + bytes.size());
    }
    std::ranges::copy(bytes, file.seen.begin() + static_cast<std::ptrdiff_t>(at));
    for (std::size_t sector = at / kSectorBytes; sector <= (at + bytes.size() - 1) / kSectorBytes;
         ++sector) {
        file.dirty_sectors.insert(sector);
    }
    counters_.writes += 1;
    counters_.bytes_written += bytes.size();
}

/// Everything that this adds or takes away is dirty, so that a power cut may or may not have seen
/// it.
void Disk::resize(File& file, std::size_t size) {
    const auto [less, more] = std::minmax({file.seen.size(), size});
    for (std::size_t at = less; at < more; at += kSectorBytes) {
        file.dirty_sectors.insert(at / kSectorBytes);
    }
    file.seen.resize(size);
}

void Disk::sync(File& file) {
    file.durable.resize(file.seen.size());
    for (const std::size_t sector : file.dirty_sectors) {
        const std::size_t from = sector * kSectorBytes;
        if (from < file.seen.size()) {
            const std::size_t count = std::min(kSectorBytes, file.seen.size() - from);
            std::copy_n(file.seen.data() + from, count, file.durable.data() + from);
        }
    }
    file.dirty_sectors.clear();
    if (!std::exchange(file.name_durable, true)) {
        // SQLite's unix VFS syncs the directory of a new file with it.
        deleted_.clear();
    }
}

void Disk::lose_power(File& file, std::optional<std::uint64_t>& random) {
    // A length that was set by truncating has reached the platter or not; one that grew follows
    // from its last sector.
    if (random && file.seen.size() < file.durable.size() && (next_random(*random) & 1) != 0) {
        file.durable.resize(file.seen.size());
    }
    for (const std::size_t sector : file.dirty_sectors) {
        const std::size_t from = sector * kSectorBytes;
        if (!random || (next_random(*random) & 1) == 0 || from >= file.seen.size()) {
            continue;
        }
        const std::size_t count = std::min(kSectorBytes, file.seen.size() - from);
        file.durable.resize(std::max(file.durable.size(), from + count));
        std::copy_n(file.seen.data() + from, count, file.durable.data() + from);
    }
    file.dirty_sectors.clear();
    file.seen = file.durable;
    file.exclusive = false;
    file.shared = 0;
}

void Disk::power_cut(std::optional<std::uint64_t> seed) {
    ++generation_;
    std::optional<std::uint64_t> random = seed;
    for (auto& [path, file] : deleted_) {
        if (!random || (next_random(*random) & 1) != 0) {
            names_.try_emplace(path, file);
        }
    }
    deleted_.clear();
    for (auto entry = names_.begin(); entry != names_.end();) {
        File& file = *entry->second;
        const bool stays = file.name_durable || (random && (next_random(*random) & 1) != 0);
        if (!stays) {
            entry = names_.erase(entry);
            continue;
        }
        lose_power(file, random);
        file.name_durable = true;
        ++entry;
    }
}

void Disk::abandon() {
    ++generation_;
    for (const auto& [path, file] : names_) {
        file->exclusive = false;
        file->shared = 0;
    }
}

std::vector<std::string> Disk::files() const {
    std::vector<std::string> paths;
    for (const auto& [path, file] : names_) {
        paths.push_back(path);
    }
    return paths;
}

Bytes Disk::content(const std::string& path) const {
    const auto found = names_.find(path);
    return found == names_.end() ? Bytes{} : found->second->seen;
}

std::uint64_t Disk::used_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& [path, file] : names_) {
        sum += file->seen.size();
    }
    return sum;
}

void Disk::put(const std::string& path, Bytes content) {
    auto file = std::make_shared<File>();
    file->seen = std::move(content);
    file->durable = file->seen;
    file->name_durable = true;
    names_.insert_or_assign(path, std::move(file));
}

}  // namespace holdfast::simulated
