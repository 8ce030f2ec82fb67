// What a node measures, and what is checked of it all along.

#include <algorithm>
#include <bit>
#include <utility>

#include "tests/simulation/node.h"

namespace holdfast::simulation {

namespace {

using namespace std::chrono_literals;

constexpr const char* kSource = "counter";
constexpr std::uint64_t kDiskSlackBytes = 3u << 20;
/// What may have been under way from devices when they were held back.
constexpr std::uint64_t kMemorySlackBytes = 4u << 20;
/// A record may begin within the window and end beyond it, and a flood within memory's share.
constexpr std::uint64_t kRecordBytes = 256u << 10;
constexpr std::uint64_t kFloodReadings = 5500;
/// Of a record in memory beside the readings.
constexpr std::uint64_t kEntryBytes = 200;

}  // namespace

void Node::feed() {
    if (setting_.quiet || !up() || plan_.feed_every == Duration{}) {
        return;
    }
    setting_.clock.after(setting_.random.between(1ms, 2 * plan_.feed_every), [this, life = life_] {
        if (life == life_ && !setting_.quiet) {
            setting_.random.chance(20) ? append_source() : append_some();
            poke();
            feed();
        }
    });
}

Given Node::make_given(telemetry::Reading& reading, const std::string& channel, ingest::Stamp stamp) {
    Given given;
    given.time_us = reading.time_us = stamp.time_us;
    given.boot = stamp.boot;
    given.value = reading.value;
    given.channel = channel;
    given.true_time = setting_.wall();
    return given;
}

void Node::note_given(std::uint64_t first_seq, std::vector<Given> given) {
    Truth::Life& own = truth_.life(epoch());
    if (own.given.size() + 1 != first_seq) {
        setting_.violated("once, in order", plan_.id + " does not number one after the other");
    }
    std::uint64_t position = journal_->next_position() - given.size();
    for (Given& one : given) {
        // A gap takes one position, however many numbers it has.
        one.end_position =
            one.kind == Given::Kind::refused ? journal_->next_position() : ++position;
        one.at = setting_.clock.now();
        own.given.push_back(std::move(one));
    }
}

void Node::append_some() {
    simulated::Random& random = setting_.random;
    const bool at_once = random.chance(25);
    if (at_once && journal_->room() == 0) {
        return;
    }
    const bool refused = !at_once && journal_->room() == 0;
    std::size_t count = 1 + random.below(4);
    if (std::exchange(floods_, false)) {
        count = kFloodReadings - random.below(5000);
    } else if (random.chance(5)) {
        count = plan_.evicts ? 20 : 60;
    }
    const ingest::Stamp stamp = timekeeper_->stamp(now());
    std::vector<telemetry::Reading> readings;
    std::vector<Given> given;
    for (; count > 0; --count) {
        const std::string channel = random.chance(97) ? "c" + std::to_string(random.below(3))
                                                      : "x" + std::to_string(random.below(500));
        telemetry::Value value = static_cast<std::int64_t>(random.below(100'000));
        if (random.chance(30)) {
            value = std::bit_cast<double>(random.next());
        } else if (random.chance(10)) {
            value = std::string(random.below(random.chance(20) ? 2000 : 40), 'x');
        }
        const auto id = journal_->channel({channel, "u"});
        telemetry::Reading reading{*id, 0, std::move(value)};
        given.push_back(make_given(reading, channel, stamp));
        given.back().kind = refused ? Given::Kind::refused : Given::Kind::reading;
        readings.push_back(std::move(reading));
    }
    const std::uint64_t first_seq = journal_->own_next_seq();
    journal_->append({.readings = readings,
                      .promise = at_once ? journal::Promise::now : journal::Promise::by_deadline,
                      .boot = stamp.boot},
                     now().monotonic);
    note_given(first_seq, std::move(given));
}

/// Of a source that remembers how far it was taken, as a followed file.
void Node::append_source() {
    if (journal_->room() == 0) {
        return;
    }
    const ingest::Stamp stamp = timekeeper_->stamp(now());
    journal::SourcePosition source = journal_->source(kSource);
    std::vector<telemetry::Reading> readings;
    std::vector<Given> given;
    for (std::size_t count = 1 + setting_.random.below(4); count > 0; --count) {
        const auto id = journal_->channel({"source", "u"});
        telemetry::Reading reading{*id, 0, static_cast<std::int64_t>(++source.position)};
        given.push_back(make_given(reading, "source", stamp));
        given.back().source_number = source.position;
        readings.push_back(std::move(reading));
    }
    const std::uint64_t first_seq = journal_->own_next_seq();
    journal_->append({.readings = readings,
                      .promise = journal::Promise::now,
                      .boot = stamp.boot,
                      .source = &source},
                     now().monotonic);
    note_given(first_seq, std::move(given));
}

/// The invariants that hold at any time.
void Node::check() {
    Truth::Life& own = truth_.life(epoch());
    const std::vector<Given>& given = own.given;
    while (own.owed < given.size() && given[own.owed].end_position <= journal_->durable_before()) {
        ++own.owed;
    }
    const Instant time = setting_.clock.now();
    if (now().wall < ingest::Timekeeper::kEarliest) {
        known_since_ = kNever;
    } else if (known_since_ == kNever) {
        known_since_ = time;
    } else if (time - known_since_ > 1s && own.owed == given.size()) {
        truth_.knows_time(plan_.id, boot_);
    }
    source_told_ = std::max(source_told_, journal_->durable_source(kSource));
    const std::uint64_t memory = journal_->memory_used_bytes();
    const std::uint64_t flood = kRecordBytes + kFloodReadings / plan_.batch_readings * kEntryBytes;
    if (memory > plan_.memory_bytes + (plan_.listens ? kMemorySlackBytes : flood)) {
        setting_.violated("limits", plan_.id + " has " + std::to_string(memory) + " B in memory");
    }
    const std::uint64_t disk = disk_.used_bytes();
    if (disk > plan_.max_size_bytes + plan_.max_size_bytes / 4 + kDiskSlackBytes) {
        setting_.violated("limits", plan_.id + " has " + std::to_string(disk) + " B on disk");
    }
    if (!port_) {
        return;
    }
    const uplink::Uplink& engine = port_->client().engine();
    // A site gateway's word is as good as that of the hub, which it has passed it on to.
    std::uint64_t there = 0;
    for (Node* above = upstream_; above != nullptr; above = above->upstream()) {
        there = std::max(there, truth_.through(above->id(), epoch()));
    }
    if (engine.own_acknowledged_through() > there) {
        setting_.violated("acknowledged is stable",
                          text_of(epoch(), engine.own_acknowledged_through()) +
                              " was acknowledged, and upstream has " + std::to_string(there));
    }
    while (own.released < given.size() &&
           given[own.released].end_position <= journal_->first_position()) {
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
    const bool live = port_->live();
    const std::uint64_t backlog = journal_->backlog();
    if (setting_.quiet && was_live_ && live && !plan_.listens && backlog > backlog_ &&
        given.size() == given_then_) {
        setting_.violated("backlog only falls", plan_.id + " has " + std::to_string(backlog) +
                                                    " to deliver, and had " +
                                                    std::to_string(backlog_));
    }
    backlog_ = backlog;
    given_then_ = given.size();
    drops_ += was_live_ && !live ? 1 : 0;
    was_live_ = live;
}

}  // namespace holdfast::simulation
