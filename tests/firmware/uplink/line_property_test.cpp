#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <CppUTest/TestHarness.h>

#include "platform/simulated/disk.h"
#include "tests/firmware/uplink/line_simulation.h"
#include "tests/stride.h"

using namespace holdfast;
using namespace holdfast::simulation;

namespace {

/// The real store on a disk that loses what was not synced.
class SqliteStorage : public Storage {
public:
    SqliteStorage(const std::string& id, std::size_t max_readings, bool owes_upstream)
        : disk_("line-" + id) {
        options_.origin = id;
        options_.owes_upstream = owes_upstream;
        options_.max_size_bytes = max_readings < 1000 ? 96 << 10 : 64 << 20;
        options_.database.vfs = disk_.name();
        options_.database.wal_bytes = 8 << 10;
    }

    journal::Opened open(ports::Entropy& entropy) override {
        journal::Opened opened;
        auto store = journal::Store::open("/node", options_, entropy, opened);
        if (!store) {
            FAIL(store.error().message.c_str());
        }
        if (opened.moved_aside) {
            FAIL(opened.moved_because.c_str());
        }
        store_.emplace(std::move(*store));
        return opened;
    }
    Result<journal::Written> write(const journal::Write& write) override {
        return store_->write(write);
    }
    Result<std::vector<journal::Record>> read(std::uint64_t position,
                                              std::size_t max_bytes) override {
        return store_->read(position, max_bytes);
    }
    void crash(std::uint64_t seed) override {
        disk_.heal();
        disk_.power_cut(seed);
        store_.reset();
    }
    void fail_next() override {
        if (++failures_ % 2 == 0) {
            disk_.fail_sync({.nth = 1});
        } else {
            disk_.fail_write({.nth = failures_ % 5 + 1, .fault = simulated::Disk::Fault::full});
        }
    }
    void heal() override { disk_.heal(); }

private:
    simulated::Disk disk_;
    journal::StoreOptions options_;
    std::uint64_t failures_ = 0;
    std::optional<journal::Store> store_;
};

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// HOLDFAST_FIRST_SEED and HOLDFAST_SEEDS choose others, or more of them.
void run_seeds(std::uint64_t count, const World::MakeStorage& make) {
    const std::uint64_t first = from_environment("HOLDFAST_FIRST_SEED", 1);
    count = from_environment("HOLDFAST_SEEDS", count);
    World::Counts all;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        World world(seed, make);
        const std::string wrong = world.run();
        if (!wrong.empty()) {
            FAIL(("seed " + std::to_string(seed) + ": " + wrong).c_str());
        }
        all.readings += world.counts().readings;
        all.gaps += world.counts().gaps;
        all.crashes += world.counts().crashes;
        all.cuts += world.counts().cuts;
        all.failures += world.counts().failures;
    }
    std::printf(
        "\n%llu seeds from %llu: %llu readings, %llu crashes, %llu cuts, %llu failures, "
        "%llu gaps\n",
        static_cast<unsigned long long>(count), static_cast<unsigned long long>(first),
        static_cast<unsigned long long>(all.readings), static_cast<unsigned long long>(all.crashes),
        static_cast<unsigned long long>(all.cuts), static_cast<unsigned long long>(all.failures),
        static_cast<unsigned long long>(all.gaps));
    CHECK(all.crashes > 0 || count < 10);
}

}  // namespace

TEST_GROUP(LineProperty){};

TEST(LineProperty, each_reading_arrives_once_in_order_whatever_the_network_and_the_nodes_do) {
    run_seeds(1000 / kStride,
              [](const std::string& id, std::size_t max_readings, bool owes_upstream) {
                  return std::make_unique<ModelStore>(id, max_readings, owes_upstream);
              });
}

TEST(LineProperty, each_reading_arrives_once_in_order_from_sqlite_on_a_disk_that_loses_power) {
    run_seeds(20 / kStride,
              [](const std::string& id, std::size_t max_readings, bool owes_upstream) {
                  return std::make_unique<SqliteStorage>(id, max_readings, owes_upstream);
              });
}
