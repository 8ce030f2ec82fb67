// What the root has in the end, beside what was given.

#include <algorithm>
#include <set>

#include "tests/simulation/truth.h"

namespace holdfast::simulation {

namespace {

/// A clock fix from the hub's word is late by as much as the word was under way.
constexpr Duration kFixTolerance = std::chrono::seconds(15);

}  // namespace

void Truth::compare(journal::Store& store, const journal::Journal& journal,
                    const std::map<std::string, EpochKey>& present,
                    const std::map<std::string, std::map<std::string, std::uint64_t>>& told) {
    readings_ = gaps_ = 0;  // counted anew
    std::map<EpochKey, std::uint64_t> through;
    std::map<std::pair<std::string, std::uint64_t>, std::uint32_t> newest;
    std::map<std::pair<std::string, std::string>, std::vector<std::uint64_t>> counted;
    std::set<std::string> origins;
    for (std::uint64_t position = 1; setting_.broken.empty();) {
        const auto records = store.read(position, 256 << 10);
        if (!records || records->empty()) {
            break;
        }
        for (const journal::Record& record : *records) {
            position = record.end_position();
            const journal::Stream& stream = journal.streams().at(record.stream);
            const EpochKey key{stream.origin, stream.epoch};
            std::uint32_t& run = newest[{stream.origin, stream.epoch.journal}];
            if (stream.epoch.run < run || record.first_seq != through[key] + 1) {
                setting_.violated("once, in order", text_of(key, record.first_seq) + " follows " +
                                                        std::to_string(through[key]));
                return;
            }
            run = stream.epoch.run;
            through[key] = record.last_seq;
            origins.insert(key.first);
            check(record, stream, journal.channels(stream.origin, stream.epoch.journal));
            if (!setting_.broken.empty()) {
                return;
            }
            for (std::uint64_t seq = record.first_seq; seq <= record.last_seq; ++seq) {
                const Given& given = lives_[key].given[static_cast<std::size_t>(seq - 1)];
                if (given.source_number != 0) {
                    counted[{key.first, given.channel}].push_back(given.source_number);
                }
            }
        }
    }
    for (const auto& [key, life] : lives_) {
        const std::uint64_t have = through.contains(key) ? through.at(key) : 0;
        if (have < life.owed) {
            setting_.violated("what was durable arrives", text_of(key, have + 1) + " is missing");
        }
    }
    for (const auto& [node, key] : present) {
        if (through[key] != lives_[key].given.size()) {
            setting_.violated("everything arrives", text_of(key, through[key] + 1) + " is missing");
        }
    }
    for (const auto& [origin, sources] : told) {
        for (const auto& [channel, safe] : sources) {
            check_source(origin + ", " + channel, counted[{origin, channel}], safe);
        }
    }
    for (const std::string& origin : origins) {
        check_times(store, origin);
    }
}

/// 1, 2, 3 … and all that were said to be safe.
void Truth::check_source(const std::string& name, const std::vector<std::uint64_t>& numbers,
                         std::uint64_t safe) {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (numbers[i] != i + 1) {
            setting_.violated("a source's readings once", name + ": in the place of number " +
                                                              std::to_string(i + 1) + " is " +
                                                              std::to_string(numbers[i]));
            return;
        }
    }
    if (numbers.size() < safe) {
        setting_.violated("a source's readings once",
                          name + ": number " + std::to_string(numbers.size() + 1) + " is missing");
    }
}

/// As a user of the hub sees them: resolved by clock fixes.
void Truth::check_times(journal::Store& store, const std::string& origin) {
    journal::Query query{.origin = origin, .channel = "", .from_us = {}, .to_us = {}};
    query.limit = 5000;
    std::map<std::uint64_t, std::vector<const Given*>> by_seq;
    for (const auto& [key, life] : lives_) {
        if (key.first == origin) {
            for (std::size_t i = 0; i < life.given.size(); ++i) {
                by_seq[i + 1].push_back(&life.given[i]);
            }
        }
    }
    while (setting_.broken.empty()) {
        const auto page = store.query(query);
        if (!page) {
            setting_.violated("right time", origin + ": " + page.error().message);
            return;
        }
        for (const journal::QueryRow& row : page->rows) {
            // The same number of another epoch is told by channel and value; whichever fits, fits.
            const bool fits = std::ranges::any_of(by_seq[row.seq], [&](const Given* gave) {
                if (gave->kind != Given::Kind::reading || gave->channel != row.channel.name ||
                    !same(gave->value, row.value)) {
                    return false;
                }
                if (gave->boot == 0) {
                    return row.time_us == gave->time_us;
                }
                if (!row.time_us) {
                    return !resolvable_.contains({origin, gave->boot});
                }
                const Duration off{*row.time_us - gave->true_time.time_since_epoch().count()};
                return std::chrono::abs(off) <= kFixTolerance;
            });
            if (!fits) {
                std::string what = origin + " number " + std::to_string(row.seq) + " of channel " +
                                   row.channel.name + " has the time " +
                                   (row.time_us ? std::to_string(*row.time_us) : "unknown");
                for (const Given* gave : by_seq[row.seq]) {
                    what += "; " + gave->channel + " was given " + std::to_string(gave->time_us) +
                            " of boot " + std::to_string(gave->boot) + " at " +
                            std::to_string(gave->true_time.time_since_epoch().count());
                }
                setting_.violated("right time", what);
                return;
            }
        }
        if (!page->next) {
            return;
        }
        query.after = *page->next;
    }
}

}  // namespace holdfast::simulation
