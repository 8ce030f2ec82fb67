#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "firmware/journal/journal.h"
#include "firmware/journal/store.h"
#include "tests/simulation/setting.h"

namespace holdfast::simulation {

using EpochKey = std::pair<std::string, journal::Epoch>;

/// One number of an origin's epoch, as it was given to its journal.
struct Given {
    enum class Kind : std::uint8_t { reading, clock_fix, refused };
    Kind kind = Kind::reading;
    std::int64_t time_us = 0;  ///< as stamped: of the boot clock if `boot` is not 0
    telemetry::Value value;
    std::string channel;
    std::uint64_t boot = 0;
    std::uint64_t source_number = 0;  ///< 0: not of a source that counts
    std::uint64_t end_position = 0;
    Instant at{};
    WallTime true_time{};
};

/// What was given to all journals, and what has been seen to be stored: the judge of everything
/// that the nodes do.
class Truth {
public:
    explicit Truth(Setting& setting) : setting_(setting) {}

    struct Life {
        std::vector<Given> given;  ///< number 1 is at index 0
        std::size_t owed = 0;      ///< so many of them were said to be durable
        std::size_t released = 0;  ///< so many were given back as delivered
    };
    [[nodiscard]] Life& life(const EpochKey& key) { return lives_[key]; }

    /// A node has committed this. `root`: readings are compared with what was given.
    void stored(const std::string& node, bool root, const journal::Write& write,
                const journal::Journal& journal);
    /// A node has opened its journal: what it was seen to store must be there.
    void opened(const std::string& node, const journal::Journal& journal);
    /// Highest number of an epoch that a node has on stable storage.
    [[nodiscard]] std::uint64_t through(const std::string& node, const EpochKey& key) const;

    /// A node has known the time in this boot for long enough to tell it.
    void knows_time(const std::string& node, std::uint64_t boot) {
        resolvable_.insert({node, boot});
    }
    /// A node's journal may drop what it cannot hold.
    void may_evict() { may_evict_ = true; }

    /// Reads all that the root has, and compares it with all that was given; `present` are the
    /// epochs that are still lived; `told`, by origin and channel, how many readings of each source
    /// were said to be safe.
    void compare(journal::Store& store, const journal::Journal& journal,
                 const std::map<std::string, EpochKey>& present,
                 const std::map<std::string, std::map<std::string, std::uint64_t>>& told);

    [[nodiscard]] std::uint64_t readings() const { return readings_; }
    [[nodiscard]] std::uint64_t gaps() const { return gaps_; }

private:
    void check(const journal::Record& record, const journal::Stream& stream,
               std::span<const telemetry::Channel> channels);
    void check_batch(const journal::Record& record, const EpochKey& key, const Life& life,
                     std::span<const telemetry::Channel> channels);
    void check_gap(const journal::Record& record, const EpochKey& key, const Life& life);
    void check_source(const std::string& name, const std::vector<std::uint64_t>& numbers,
                      std::uint64_t safe);
    void check_times(journal::Store& store, const std::string& origin);

    Setting& setting_;
    std::map<EpochKey, Life> lives_;
    std::map<std::string, std::map<EpochKey, std::uint64_t>> stored_;  ///< by node
    /// Boots of origins, whose readings have a time.
    std::set<std::pair<std::string, std::uint64_t>> resolvable_;
    bool may_evict_ = false;
    std::uint64_t readings_ = 0;
    std::uint64_t gaps_ = 0;
};

/// NaN included, and -0 apart from 0.
[[nodiscard]] bool same(const telemetry::Value& a, const telemetry::Value& b);
[[nodiscard]] std::string text_of(const EpochKey& key, std::uint64_t seq);

}  // namespace holdfast::simulation
