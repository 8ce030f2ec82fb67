#include <algorithm>
#include <cstdio>
#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "platform/simulated/disk.h"
#include "tests/firmware/journal/store_fixture.h"
#include "tests/firmware/journal/store_model.h"
#include "tests/stride.h"

using namespace holdfast;
using namespace holdfast::journal;
using simulated::Disk;

namespace {

constexpr StreamId kOthers = 100;
constexpr StreamId kLarge = 200;
constexpr std::size_t kSteps = 24;

enum class Target { write, sync, truncate };
enum class AfterFailure { try_again, cut_power };

/// A journal's life on one disk: small batches of its own, batches and large records of others,
/// releases, evictions.
class Life {
public:
    explicit Life(const std::string& name) : disk(name) {
        options_.origin = "here";
        options_.max_size_bytes = 56 << 10;
        options_.database.vfs = disk.name();
        options_.database.wal_bytes = 8 << 10;
        options_.database.cache_bytes = 16 << 10;
    }

    /// What failed, if something did.
    [[nodiscard]] bool open() {
        store_.reset();
        auto store = Store::open("/d", options_, entropy_, opened);
        if (!store) {
            last_error = store.error().message;
            return false;
        }
        store_ = std::make_unique<Store>(std::move(*store));
        return true;
    }

    [[nodiscard]] Write next_write() const {
        Write write;
        if (step_ == 0) {
            write.streams = {{.id = kOthers, .origin = "there", .epoch = {7, 1}, .through = 0},
                             {.id = kLarge, .origin = "camera", .epoch = {8, 1}, .through = 0}};
            write.channels = {{.origin = "there", .journal = 7, .id = 1, .channel = {"t", ""}}};
        }
        std::uint64_t position = position_;
        write.records.push_back(batch_record(opened.own.id, position, seqs_[0], 10));
        position += 10;
        if (step_ % 3 == 1) {
            write.records.push_back(batch_record(kOthers, position, seqs_[1], 100));
            position += 100;
        }
        if (step_ % 3 == 2) {
            write.records.push_back(large_record(kLarge, position, seqs_[2], 7'000));
        }
        if (step_ == 7 || step_ == 19) {
            write.release_before = position_ - 150;
        }
        write.sources = {{.name = "file", .position = step_, .tag = 1}};
        write.notes = {{"the same", std::to_string(step_)}};
        for (int i = 0; i < 3; ++i) {
            write.notes.push_back({std::to_string(step_) + "." + std::to_string(i), "text"});
        }
        return write;
    }

    [[nodiscard]] bool step() {
        const Write write = next_write();
        auto written = store_->write(write);
        if (!written) {
            last_error = written.error().message;
            return false;
        }
        model.apply(write);
        model.evicted += written->evicted_readings;
        for (const Record& record : write.records) {
            position_ = record.end_position();
            const std::size_t which = record.stream == kOthers  ? 1
                                      : record.stream == kLarge ? 2
                                                                : 0;
            seqs_[which] = record.last_seq + 1;
        }
        ++step_;
        return true;
    }
    [[nodiscard]] bool finished() const { return step_ == kSteps; }

    [[nodiscard]] std::string difference(const StoreModel& expected) {
        auto records = store_->read(0, 100 << 20);
        if (!records) {
            return records.error().message;
        }
        return expected.difference(*records, kLarge);
    }

    /// As it was when the journal was last opened.
    [[nodiscard]] std::string source_difference(const StoreModel& expected) const {
        for (const auto& [name, position] : expected.sources) {
            bool found = false;
            for (const SourcePosition& source : opened.sources) {
                found = found || (source.name == name && source.position == position);
            }
            if (!found) {
                return "source " + name + " is not at " + std::to_string(position);
            }
        }
        return "";
    }
    [[nodiscard]] std::string difference_after_opening(const StoreModel& expected) {
        if (opened.notes != expected.notes) {
            return "other notes";
        }
        const std::string in_sources = source_difference(expected);
        return in_sources.empty() ? difference(expected) : in_sources;
    }

    Disk disk;
    Opened opened;
    StoreModel model;
    std::string last_error;

private:
    StoreOptions options_;
    CountingEntropy entropy_;
    std::unique_ptr<Store> store_;
    std::size_t step_ = 0;
    std::uint64_t position_ = 1;
    std::uint64_t seqs_[3] = {1, 1, 1};
};

void arm(Disk& disk, Target target, std::uint64_t nth, Disk::Fault fault) {
    const Disk::Failure failure{.nth = nth, .fault = fault};
    switch (target) {
        case Target::write:
            return disk.fail_write(failure);
        case Target::sync:
            return disk.fail_sync(failure);
        case Target::truncate:
            return disk.fail_truncate(failure);
    }
}

/// Lives with the n-th operation failing, cuts the power at the end or at the failure, and
/// compares. Returns whether the failure was met by a call that said so.
bool live(Target target, std::uint64_t nth, Disk::Fault fault, AfterFailure after,
          std::optional<std::uint64_t> cut_seed) {
    Life life("fault");
    arm(life.disk, target, nth, fault);
    const std::string where =
        "n = " + std::to_string(nth) + ", seed " + std::to_string(cut_seed.value_or(0)) + ": ";
    bool failed = false;
    if (!life.open()) {
        failed = true;
        if (after == AfterFailure::cut_power) {
            life.disk.power_cut(cut_seed);
        }
        CHECK_TRUE_TEXT(life.open(), (where + life.last_error).c_str());
    }
    CHECK_TRUE_TEXT(!life.opened.moved_aside, (where + life.opened.moved_because).c_str());
    StoreModel with_failed = life.model;
    while (!life.finished()) {
        const Write write = life.next_write();
        if (!life.step()) {
            failed = true;
            with_failed = life.model;
            with_failed.apply(write);
            with_failed.evicted += 1'000'000;
            if (after == AfterFailure::cut_power) {
                break;
            }
            CHECK_TRUE_TEXT(life.step(), (where + life.last_error).c_str());
        }
    }
    life.disk.heal();
    life.disk.power_cut(cut_seed);
    CHECK_TRUE_TEXT(life.open(), (where + life.last_error).c_str());
    CHECK_TRUE_TEXT(!life.opened.moved_aside, (where + life.opened.moved_because).c_str());
    std::string difference = life.difference_after_opening(life.model);
    if (!difference.empty() && failed && after == AfterFailure::cut_power) {
        difference = life.difference_after_opening(with_failed);
    }
    CHECK_TRUE_TEXT(difference.empty(), (where + difference).c_str());
    return failed;
}

/// For all n, until a life meets no failure (on the host).
void live_with_each(Target target, Disk::Fault fault, AfterFailure after) {
    Life undisturbed("count");
    CHECK_TRUE(undisturbed.open());
    while (!undisturbed.finished()) {
        CHECK_TRUE(undisturbed.step());
    }
    CHECK_TRUE(undisturbed.model.evicted > 0);
    LONGS_EQUAL(kNotes, undisturbed.model.notes.size());
    const auto& counters = undisturbed.disk.counters();
    const std::uint64_t count = target == Target::write  ? counters.writes
                                : target == Target::sync ? counters.syncs
                                                         : counters.truncates;
    std::uint64_t failures = 0;
    for (std::uint64_t nth = 1; nth <= count + 3; nth += kStride) {
        failures += live(target, nth, fault, after, std::nullopt) ? 1 : 0;
        if (after == AfterFailure::cut_power) {
            failures += live(target, nth, fault, after, nth) ? 1 : 0;
        }
    }
    CHECK_TRUE(failures > 0 || target == Target::truncate);
}

}  // namespace

TEST_GROUP(StoreFaults){};

TEST(StoreFaults, any_failed_write_is_reported_and_can_be_repeated) {
    live_with_each(Target::write, Disk::Fault::io, AfterFailure::try_again);
}

TEST(StoreFaults, any_failed_write_before_a_power_cut_leaves_all_or_nothing) {
    live_with_each(Target::write, Disk::Fault::io, AfterFailure::cut_power);
}

TEST(StoreFaults, a_disk_full_at_any_write_is_reported_and_can_be_repeated) {
    live_with_each(Target::write, Disk::Fault::full, AfterFailure::try_again);
}

TEST(StoreFaults, any_failed_sync_is_reported_and_can_be_repeated) {
    live_with_each(Target::sync, Disk::Fault::io, AfterFailure::try_again);
}

TEST(StoreFaults, any_failed_sync_before_a_power_cut_leaves_all_or_nothing) {
    live_with_each(Target::sync, Disk::Fault::io, AfterFailure::cut_power);
}

TEST(StoreFaults, any_failed_truncate_costs_nothing) {
    live_with_each(Target::truncate, Disk::Fault::io, AfterFailure::try_again);
}

TEST(StoreFaults, a_power_cut_after_any_step_loses_nothing_that_was_written) {
    for (std::size_t steps = 0; steps <= kSteps; ++steps) {
        for (std::uint64_t seed = 0; seed < 8; ++seed) {
            Life life("cut");
            CHECK_TRUE(life.open());
            for (std::size_t i = 0; i < steps; ++i) {
                CHECK_TRUE(life.step());
            }
            life.disk.power_cut(seed == 0 ? std::nullopt : std::optional(seed));
            CHECK_TRUE_TEXT(life.open(), life.last_error.c_str());
            CHECK_TRUE_TEXT(!life.opened.moved_aside, life.opened.moved_because.c_str());
            const std::string difference = life.difference_after_opening(life.model);
            CHECK_TRUE_TEXT(difference.empty(), difference.c_str());
        }
    }
}

TEST(StoreFaults, a_full_disk_refuses_and_takes_again_when_there_is_space) {
    Life life("full");
    CHECK_TRUE(life.open());
    for (int i = 0; i < 12; ++i) {
        CHECK_TRUE(life.step());
    }
    life.disk.set_size_limit(life.disk.used_bytes());
    int steps = 0;
    while (!life.finished() && life.step()) {
        ++steps;
    }
    CHECK_TRUE(!life.finished());
    for (int i = 0; i < 20; ++i) {
        CHECK_TRUE(!life.step());
    }
    STRCMP_EQUAL("", life.difference(life.model).c_str());
    life.disk.set_size_limit(10 << 20);
    while (!life.finished()) {
        CHECK_TRUE_TEXT(life.step(), life.last_error.c_str());
    }
    life.disk.power_cut();
    CHECK_TRUE(life.open());
    STRCMP_EQUAL("", life.difference(life.model).c_str());
}
