/// Consumers over the real store on a simulated disk: random appends, evictions, failures, crashes.

#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "firmware/journal/consumer.h"
#include "platform/simulated/disk.h"
#include "tests/firmware/journal/store_fixture.h"
#include "tests/stride.h"

using namespace holdfast;
using namespace holdfast::journal;
using namespace std::chrono_literals;
using simulated::Disk;

namespace {

struct Setting {
    std::uint64_t seed = 0;
    bool owes_upstream = false;
    bool evicts = false;
};

/// (run, number) of our own readings.
using Number = std::pair<StreamId, std::uint64_t>;

/// Does not compress.
std::int64_t value_of(std::uint64_t seq) {
    return static_cast<std::int64_t>(Random(seq).number());
}

/// A reader with a name, and what it was given over all runs.
struct Reader {
    ConsumerOptions options;
    std::optional<Consumer> consumer = {};
    std::uint64_t start = 0;
    std::map<std::uint64_t, Number> seen = {};
    std::vector<Missed> missed = {};
    std::map<StreamId, std::uint64_t> covered = {};  ///< by readings and Gaps, without a hole
    std::uint64_t confirmed = 0;                     ///< that is durable
    int sleeps = 0;                                  ///< so many turns are not taken
};

class World {
public:
    explicit World(const Setting& setting)
        : setting_(setting),
          random_(setting.seed),
          disk_("consumers-" + std::to_string(setting.seed)) {
        options_.origin = "here";
        options_.owes_upstream = setting.owes_upstream;
        options_.max_size_bytes = setting.evicts ? 96 << 10 : 64 << 20;
        options_.database.vfs = disk_.name();
        options_.database.wal_bytes = 8 << 10;
        readers_.push_back({.options = {.name = "relay", .holds = true, .read_bytes = 9'000}});
        readers_.push_back({.options = {.name = "watch", .read_bytes = 9'000}});
        readers_.push_back({.options = {.name = "early", .early = true, .read_bytes = 9'000}});
        open();
    }

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            step();
        }
        while (write()) {
        }
        for (Reader& reader : readers_) {
            while (turn(reader, 1000)) {
            }
            LONGS_EQUAL(journal_->next_position(),
                        journal_->past_hole(reader.consumer->position()));
            check(reader);
        }
    }

private:
    void open() {
        now_ += 1s;
        Opened opened;
        auto store = Store::open("/d", options_, entropy_, opened);
        CHECK_TRUE_TEXT(store.has_value(), store ? "" : store.error().message.c_str());
        CHECK_TRUE(!opened.moved_aside);
        CHECK_TRUE(generation_ == 0 || generation_ == opened.generation);
        generation_ = opened.generation;
        store_.emplace(*std::move(store));
        std::erase_if(truth_, [&](const auto& entry) {
            const bool is_lost = entry.first >= opened.store_end;
            return is_lost;
        });
        JournalOptions options;
        options.origin = "here";
        options.owes_upstream = setting_.owes_upstream;
        options.memory_bytes = 60'000;
        options.batch_bytes = 1'000;
        journal_ = std::make_unique<Journal>(opened, options);
        uplink_.reset();
        if (setting_.owes_upstream) {
            uplink_.emplace(*journal_, ConsumerOptions{.read_bytes = 9'000});
        }
        for (Reader& reader : readers_) {
            const ConsumerPosition* kept = journal_->consumer(reader.options.name);
            CHECK_TRUE((kept == nullptr ? 0 : kept->position) >= reader.confirmed);
            reader.consumer.emplace(*Consumer::open(*journal_, reader.options, now_));
            CHECK_TRUE(!reader.consumer->take_missed());
            if (kept == nullptr) {
                reader.start = reader.consumer->position();
            }
        }
    }

    void crash() {
        uplink_.reset();
        for (Reader& reader : readers_) {
            reader.consumer.reset();
        }
        journal_.reset();
        disk_.heal();
        disk_.power_cut(random_.number());
        store_.reset();
        open();
    }

    void append() {
        const auto channel = journal_->channel({"t", ""});
        std::vector<telemetry::Reading> readings(1 + random_.below(120));
        const std::uint64_t first_seq = journal_->own_next_seq();
        for (std::size_t i = 0; i < readings.size(); ++i) {
            readings[i] = reading(first_seq + i);
            readings[i].channel = *channel;
            readings[i].value = value_of(first_seq + i);
        }
        const std::uint64_t first = journal_->next_position();
        const Promise promise = random_.below(3) == 0 ? Promise::now : Promise::by_deadline;
        const std::uint64_t end =
            journal_->append({.readings = readings, .promise = promise, .keep = true}, now_);
        for (std::uint64_t position = first; position < end; ++position) {
            const Number number{journal_->own().id, first_seq + position - first};
            for (const Reader& reader : readers_) {
                CHECK_TRUE_TEXT(!reader.seen.contains(position), "a position is used twice");
            }
            truth_[position] = number;
        }
    }

    bool write() {
        const auto write = journal_->take_write(now_);
        if (!write) {
            const Instant due = journal_->deadline();
            if (due == kNever || due - now_ > 1min) {
                return false;
            }
            now_ = std::max(now_, due);
            return true;
        }
        const auto written = store_->write(*write);
        if (random_.below(40) == 0) {
            crash();
            return true;
        }
        journal_->written(written, now_);
        evicted_ += written ? written->evicted_readings : 0;
        for (Reader& reader : readers_) {
            reader.confirmed = std::max(reader.confirmed, reader.consumer->durable_position());
        }
        return true;
    }

    void take_read(Consumer& consumer) {
        if (const auto read = consumer.take_read(now_)) {
            (void)consumer.fetched(store_->read(read->position, read->max_bytes), now_);
        }
    }

    /// Whether it got on.
    bool turn(Reader& reader, std::size_t records) {
        Consumer& consumer = *reader.consumer;
        const std::uint64_t before = consumer.position();
        take_read(consumer);
        for (; records > 0; --records) {
            const auto record = consumer.next();
            const auto missed = consumer.take_missed();
            if (missed) {
                CHECK_TRUE(!record && !reader.options.holds);
                CHECK_TRUE(missed->why == Missed::Why::gone && missed->first < missed->end);
                CHECK_TRUE(missed->end == consumer.position());
                // Only a small journal, or one whose rows are given back, loses anything; and what
                // was not durable may be lost.
                CHECK_TRUE(setting_.evicts || setting_.owes_upstream || reader.options.early);
                reader.missed.push_back(*missed);
                continue;
            }
            if (!record) {
                break;
            }
            take(reader, *record);
            consumer.move_to(record->end_position());
        }
        return consumer.position() > before;
    }

    void take(Reader& reader, const Record& record) {
        CHECK_TRUE(record.end_position() > reader.consumer->position());
        const bool is_durable = record.end_position() <= journal_->durable_before();
        CHECK_TRUE(reader.options.early || is_durable);
        std::uint64_t& covered = reader.covered[record.stream];
        CHECK_TRUE_TEXT(!reader.options.holds || record.first_seq <= covered + 1,
                        "numbers are missing without a Gap");
        covered = std::max(covered, record.last_seq);
        if (record.kind != RecordKind::batch) {
            // A Gap stands at the last of the positions that were evicted.
            reader.missed.push_back({.first = record.position, .end = record.end_position()});
            return;
        }
        const auto batch = telemetry::decode(*record.body);
        for (std::size_t i = 0; i < batch->readings.size(); ++i) {
            const Number number{record.stream, record.first_seq + i};
            CHECK_TRUE(batch->readings[i].value == telemetry::Value(value_of(number.second)));
            const auto [at, is_new] = reader.seen.emplace(record.position + i, number);
            CHECK_TRUE_TEXT(is_new || at->second == number, "a position means two things");
        }
    }

    void step() {
        now_ += Duration(random_.below(60'000));
        switch (random_.below(8)) {
            case 0:
            case 1:
                append();
                break;
            case 2:
                (void)write();
                break;
            case 3:
                if (uplink_) {
                    take_read(*uplink_);
                    while (const auto record = uplink_->next()) {
                        uplink_->move_to(record->end_position());
                    }
                    uplink_->confirm(uplink_->position() - random_.below(2), now_);
                }
                break;
            case 4:
                if (random_.below(4) == 0) {
                    confirm(readers_[random_.below(readers_.size())]);
                } else if (random_.below(30) == 0) {
                    disk_.fail_sync({.nth = 1 + random_.below(3), .fault = Disk::Fault::io});
                } else if (random_.below(30) == 0) {
                    crash();
                }
                break;
            default: {
                Reader& reader = readers_[random_.below(readers_.size())];
                if (reader.sleeps > 0) {
                    --reader.sleeps;
                } else {
                    (void)turn(reader, random_.below(20));
                    reader.sleeps = random_.below(60) == 0 ? 100 : 0;
                }
            }
        }
    }

    void confirm(Reader& reader) {
        Consumer& consumer = *reader.consumer;
        const std::uint64_t position = consumer.position();
        consumer.confirm(position - std::min<std::uint64_t>(position, random_.below(30)), now_);
        if (random_.below(4) == 0) {
            consumer.rewind();
        }
    }

    /// Each reading at a position that it has passed was given, or told as missing.
    void check(const Reader& reader) {
        for (const auto& [position, number] : truth_) {
            if (position < reader.start) {
                continue;
            }
            const auto seen = reader.seen.find(position);
            if (seen != reader.seen.end()) {
                CHECK_TRUE(seen->second == number);
                continue;
            }
            const bool is_told =
                reader.options.holds
                    ? number.second <= reader.covered.at(number.first)
                    : std::ranges::any_of(reader.missed, [at = position](const Missed& missed) {
                          return missed.first <= at && at < missed.end;
                      });
            CHECK_TRUE_TEXT(is_told, (reader.options.name + " was not told of position " +
                                      std::to_string(position))
                                         .c_str());
            CHECK_TRUE(setting_.evicts || !reader.options.holds);
        }
        told_ += reader.missed.size();
        seen_ += reader.seen.size();
    }

    Setting setting_;
    Random random_;
    CountingEntropy entropy_;
    Disk disk_;
    StoreOptions options_;
    std::optional<Store> store_;
    std::unique_ptr<Journal> journal_;
    std::optional<Consumer> uplink_;
    std::vector<Reader> readers_;
    std::map<std::uint64_t, Number> truth_;
    std::uint64_t generation_ = 0;
    Instant now_{100s};

public:
    std::size_t told_ = 0;
    std::size_t seen_ = 0;
    std::uint64_t evicted_ = 0;
};

}  // namespace

TEST_GROUP(ConsumerProperty){};

TEST(ConsumerProperty, what_is_not_given_is_told_and_no_position_means_two_things) {
    std::size_t told = 0;
    std::uint64_t evicted[2] = {};
    for (std::uint64_t seed = 1; seed <= 24; seed += kStride) {
        std::printf("seed %llu ", static_cast<unsigned long long>(seed));
        World world({.seed = seed, .owes_upstream = seed % 2 == 0, .evicts = seed % 4 < 2});
        world.run(1'500);
        CHECK_TRUE(world.seen_ > 1'000);
        CHECK_TRUE(world.evicted_ == 0 || seed % 4 < 2);
        evicted[seed % 2] += world.evicted_;
        told += world.told_;
    }
    CHECK_TRUE(told > 0);
    CHECK_TRUE(evicted[0] > 0 && evicted[1] > 0);
}
