#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "firmware/base/bytes.h"

namespace holdfast::simulated {

/// A disk in memory that SQLite uses as a VFS, with everything that goes wrong with disks on
/// command. What it does depends on the calls alone: no clock, no threads, no random numbers but
/// those of a given seed.
///
/// It keeps each file twice: as the programs see it, and as it is on the platter. A sync copies the
/// one to the other, and a power cut the other way.
///
/// Lives longer than every database opened on it. Used by one thread at a time.
class Disk {
public:
    enum class Fault { io, full };
    /// Which operations of a kind fail: the `nth` from now (1 is the next one), and with `lasting`
    /// all that follow.
    struct Failure {
        std::uint64_t nth = 0;  ///< 0: none
        Fault fault = Fault::io;
        bool lasting = false;
    };

    /// Registers itself with SQLite as the VFS `name`, until it ends. Give every disk its own name.
    explicit Disk(std::string name);
    ~Disk();
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;

    [[nodiscard]] const std::string& name() const { return name_; }

    /// A write that fails has written the first half of its bytes. Enlarging a file counts as a
    /// write.
    void fail_write(const Failure& failure) { write_failure_ = failure; }
    void fail_sync(const Failure& failure) { sync_failure_ = failure; }
    void fail_truncate(const Failure& failure) { truncate_failure_ = failure; }
    void fail_read(const Failure& failure) { read_failure_ = failure; }
    void heal();

    /// All files together; writing beyond it is SQLITE_FULL.
    void set_size_limit(std::uint64_t bytes) { size_limit_bytes_ = bytes; }

    /// Drops everything that was not synced. With a seed, a pseudo-random part of it is kept,
    /// sector by sector: the torn writes of a real disk. Files that are open fail from now on, and
    /// do nothing more to the disk.
    void power_cut(std::optional<std::uint64_t> seed = std::nullopt);
    /// The program ends without closing its files: they fail from now on, and do nothing more to
    /// the disk. What was written is there.
    void abandon();

    struct Counters {
        std::uint64_t writes = 0;
        std::uint64_t bytes_written = 0;
        std::uint64_t reads = 0;
        std::uint64_t bytes_read = 0;
        std::uint64_t syncs = 0;
        std::uint64_t truncates = 0;
        std::uint64_t failures = 0;  ///< of all of these
    };
    [[nodiscard]] const Counters& counters() const { return counters_; }

    /// Files as programs see them, by their full path.
    [[nodiscard]] std::vector<std::string> files() const;
    [[nodiscard]] bool exists(const std::string& path) const { return names_.contains(path); }
    /// Empty if there is no such file.
    [[nodiscard]] Bytes content(const std::string& path) const;
    [[nodiscard]] std::uint64_t used_bytes() const;
    /// Makes or replaces a file, durably.
    void put(const std::string& path, Bytes content);

private:
    struct File {
        Bytes seen;
        Bytes durable;
        std::set<std::size_t> dirty_sectors;
        bool name_durable = false;
        bool exclusive = false;  ///< an opener holds more than a shared lock
        int shared = 0;
    };
    /// What SQLite holds of an open file; `Vfs` knows its layout.
    struct Handle;
    struct Vfs;

    static constexpr std::size_t kSectorBytes = 512;

    [[nodiscard]] bool fires(Failure& failure);
    [[nodiscard]] bool fits(const File& file, std::size_t new_size) const;
    void write(File& file, std::size_t at, ByteView bytes);
    void resize(File& file, std::size_t size);
    void sync(File& file);
    void lose_power(File& file, std::optional<std::uint64_t>& random);

    std::string name_;
    std::unique_ptr<Vfs> vfs_;
    std::map<std::string, std::shared_ptr<File>> names_;
    /// Deleted without the directory having been synced: a power cut brings them back.
    std::map<std::string, std::shared_ptr<File>> deleted_;
    std::uint64_t generation_ = 0;  ///< counts power cuts; a handle of an earlier one is dead
    std::uint64_t size_limit_bytes_ = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t random_state_ = 1;
    Failure write_failure_;
    Failure sync_failure_;
    Failure truncate_failure_;
    Failure read_failure_;
    Counters counters_;
};

}  // namespace holdfast::simulated
