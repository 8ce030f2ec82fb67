// What is checked of a machine all along.

#include <algorithm>

#include "tests/simulation/machine.h"

namespace holdfast::simulation {

namespace {

using namespace std::chrono_literals;

constexpr const char* kLinesSource = "lines:/lines";
constexpr std::uint64_t kDiskSlackBytes = 3u << 20;
/// What may have been under way from devices when they were held back.
constexpr std::uint64_t kMemorySlackBytes = 4u << 20;
/// A record may begin within the window and end beyond it, and a flood within memory's share.
constexpr std::uint64_t kRecordBytes = 256u << 10;
constexpr std::uint64_t kFloodReadings = 5500;
/// Of a record in memory beside the readings.
constexpr std::uint64_t kEntryBytes = 200;
constexpr unsigned kMostTurnsAtOnce = 5000;

}  // namespace

void Machine::after_event() {
    if (!up()) {
        return;
    }
    if (!offered_.empty() || journal().own_next_seq() - 1 != own_->given.size()) {
        note_appended();
    }
    seen_position_ = journal().next_position();
    if (program_->loop.events() == seen_turns_) {
        return;
    }
    seen_turns_ = program_->loop.events();
    const Instant before = std::exchange(turn_at_, setting_.clock.now());
    turns_ = before == turn_at_ ? turns_ + 1 : 0;
    if (turns_ > kMostTurnsAtOnce) {
        setting_.violated("limits", plan_.id + " turns without end");
    }
    check();
}

void Machine::written(const journal::Write& write) {
    if (setting_.traces()) {
        setting_.say(plan_.id, "write of " + std::to_string(write.records.size()) +
                                   " records, release before " +
                                   std::to_string(write.release_before));
    }
    truth_.stored(plan_.id, upstream_ == nullptr, write, journal());
}

/// The invariants that hold at any time.
void Machine::check() {
    Truth::Life& own = *own_;
    const std::vector<Given>& given = own.given;
    const Instant time = setting_.clock.now();
    while (own.owed < given.size() && given[own.owed].end_position <= journal().durable_before()) {
        ++own.owed;
    }
    if (journal().storage_error() != nullptr) {
        storage_failed_at_ = time;
    }
    if (clock_.now().wall < ingest::Timekeeper::kEarliest) {
        known_since_ = kNever;
    } else if (known_since_ == kNever) {
        known_since_ = time;
    } else if (time - known_since_ > 1s && own.owed == given.size()) {
        truth_.knows_time(plan_.id, clock_.boot_id());
    }
    if (plan_.feed_every != Duration{}) {
        lines_told_ = std::max<std::uint64_t>(
            lines_told_, lines_.lines_before(journal().durable_source(kLinesSource)));
    }
    const std::uint64_t memory = journal().memory_used_bytes();
    const std::uint64_t flood = kRecordBytes + kFloodReadings / plan_.batch_readings * kEntryBytes;
    if (memory > plan_.memory_bytes + (plan_.listens ? kMemorySlackBytes : flood)) {
        setting_.violated("limits", plan_.id + " has " + std::to_string(memory) + " B in memory");
    }
    const std::uint64_t disk = disk_.used_bytes();
    if (disk > plan_.max_size_bytes + plan_.max_size_bytes / 4 + kDiskSlackBytes) {
        setting_.violated("limits", plan_.id + " has " + std::to_string(disk) + " B on disk");
    }
    const Instant alive_at = program_->supervisor.alive_at();
    if (plan_.watchdog && time - alive_at > *plan_.watchdog && stalled_at_ < alive_at) {
        setting_.violated("watchdog", plan_.id + " was silent for " +
                                          std::to_string((time - alive_at) / 1s) + " s");
    }
    check_revoked();
    if (uplink() != nullptr) {
        check_uplink(own);
    }
}

void Machine::check_revoked() {
    for (const auto& [device, taken] : revoked_) {
        if (taken && accepted_of(device) != *taken) {
            setting_.violated("without a token nobody is served",
                              plan_.id + " takes records of " + device);
        }
    }
}

void Machine::check_uplink(Truth::Life& own) {
    const std::vector<Given>& given = own.given;
    const uplink::Uplink& engine = uplink()->engine();
    // A site gateway's word is as good as that of the hub, which it has passed it on to.
    std::uint64_t there = 0;
    for (Machine* above = upstream_; above != nullptr; above = above->upstream()) {
        there = std::max(there, truth_.through(above->id(), epoch()));
    }
    if (engine.own_acknowledged_through() > there) {
        setting_.violated("acknowledged is stable",
                          text_of(epoch(), engine.own_acknowledged_through()) +
                              " was acknowledged, and upstream has " + std::to_string(there));
    }
    while (own.released < given.size() &&
           given[own.released].end_position <= journal().first_position()) {
        ++own.released;
    }
    // Where readings were evicted, nothing is left at their positions, and the Gap that tells of
    // them stands behind.
    if (own.released > there && !plan_.evicts) {
        setting_.violated(
            "nothing is given back too early",
            text_of(epoch(), own.released) + " was, and upstream has " + std::to_string(there));
    }
    if (engine.in_flight_bytes() > plan_.window_bytes + kRecordBytes) {
        setting_.violated("limits", plan_.id + " has " + std::to_string(engine.in_flight_bytes()) +
                                        " B in flight");
    }
    // No readings are taken any more, and a site's devices may still bring theirs.
    const bool is_live = live();
    const std::uint64_t backlog = journal().backlog();
    if (setting_.quiet && was_live_ && is_live && !plan_.listens && backlog > backlog_ &&
        given.size() == given_then_) {
        setting_.violated("backlog only falls", plan_.id + " has " + std::to_string(backlog) +
                                                    " to deliver, and had " +
                                                    std::to_string(backlog_));
    }
    backlog_ = backlog;
    given_then_ = given.size();
    drops_ += was_live_ && !is_live ? 1 : 0;
    was_live_ = is_live;
}

/// Before the program ends without having been asked.
void Machine::check_before_end() {
    check();
    const Instant now = setting_.clock.now();
    const Duration bound = 1s + 3 * slowest_write_;
    const bool storage_well = now - storage_failed_at_ > 10s || storage_failed_at_ == Instant{};
    if (storage_well && !doomed_ && plan_.memory_bytes >= (64u << 10) &&
        own_->owed < own_->given.size() && own_->given[own_->owed].at + bound < now) {
        setting_.violated("commit interval",
                          text_of(epoch(), own_->owed + 1) + " is not durable after " +
                              std::to_string((now - own_->given[own_->owed].at) / 1ms) + " ms");
    }
}

std::map<std::string, std::uint64_t> Machine::told() const {
    return {{"line", lines_told_}, {PushClient::kChannel, pusher_ ? pusher_->through() : 0}};
}

}  // namespace holdfast::simulation
