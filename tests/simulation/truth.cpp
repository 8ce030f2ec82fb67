#include "tests/simulation/truth.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "firmware/telemetry/batch_codec.h"

namespace holdfast::simulation {

namespace {

/// A clock fix from the hub's word is late by as much as the word was under way.
constexpr Duration kFixTolerance = std::chrono::seconds(15);

bool same(const telemetry::Value& a, const telemetry::Value& b) {
    if (const auto* left = std::get_if<double>(&a)) {
        const auto* right = std::get_if<double>(&b);
        return right != nullptr && std::memcmp(left, right, sizeof *left) == 0;
    }
    return a == b;
}

const Given& number(const std::vector<Given>& given, std::uint64_t seq) {
    return given[static_cast<std::size_t>(seq - 1)];
}

}  // namespace

std::string text_of(const EpochKey& key, std::uint64_t seq) {
    return key.first + " run " + std::to_string(key.second.run) + " number " + std::to_string(seq);
}

std::uint64_t Truth::through(const std::string& node, const EpochKey& key) const {
    const auto all = stored_.find(node);
    if (all == stored_.end()) {
        return 0;
    }
    const auto found = all->second.find(key);
    return found == all->second.end() ? 0 : found->second;
}

void Truth::stored(const std::string& node, bool root, const journal::Write& write,
                   const journal::Journal& journal) {
    for (const journal::Record& record : write.records) {
        if (record.stream == journal.own().id) {
            continue;
        }
        const journal::Stream& stream = journal.streams().at(record.stream);
        const EpochKey key{stream.origin, stream.epoch};
        std::uint64_t& through = stored_[node][key];
        // What upstream has acknowledged before it was written here is never written here.
        if (root ? record.first_seq != through + 1 : record.first_seq <= through) {
            setting_.violated("once, in order", node + " stores " + text_of(key, record.first_seq) +
                                                    " behind " + std::to_string(through));
        }
        through = record.last_seq;
        if (root) {
            check(record, stream, journal.channels(stream.origin, stream.epoch.journal));
        }
    }
}

void Truth::opened(const std::string& node, const journal::Opened& opened) {
    std::map<EpochKey, std::uint64_t> there;
    for (const journal::Stream& stream : opened.streams) {
        there[{stream.origin, stream.epoch}] = stream.through;
    }
    for (auto& [key, through] : stored_[node]) {
        // A run that was delivered is forgotten when a newer one has come.
        const bool old = std::ranges::any_of(there, [&](const auto& other) {
            return other.first.first == key.first &&
                   other.first.second.journal == key.second.journal &&
                   other.first.second.run > key.second.run;
        });
        const auto found = there.find(key);
        const std::uint64_t have = found == there.end() ? 0 : found->second;
        if (have < through && !(old && have == 0)) {
            setting_.violated("stable storage", node + " has lost " + text_of(key, through) +
                                                    ", and has " + std::to_string(have));
        }
        through = have;
    }
    for (const auto& [key, through] : there) {
        if (key.first != node) {
            stored_[node][key] = through;  // a commit that failed may have been whole
        }
    }
}

// ---- What the root stores

void Truth::check(const journal::Record& record, const journal::Stream& stream,
                  std::span<const telemetry::Channel> channels) {
    const EpochKey key{stream.origin, stream.epoch};
    const auto found = lives_.find(key);
    if (found == lives_.end() || record.last_seq > found->second.given.size()) {
        setting_.violated("bit for bit", text_of(key, record.last_seq) + " was never given");
        return;
    }
    switch (record.kind) {
        case journal::RecordKind::batch:
            check_batch(record, key, found->second, channels);
            return;
        case journal::RecordKind::gap:
            check_gap(record, key, found->second);
            return;
        case journal::RecordKind::clock_fix:
            if (number(found->second.given, record.first_seq).kind != Given::Kind::clock_fix) {
                setting_.violated("bit for bit", text_of(key, record.first_seq) + " is no fix");
            }
            if (const auto fix = journal::decode_clock_fix(*record.body)) {
                resolvable_.insert({key.first, fix->boot});
            }
            return;
    }
}

void Truth::check_batch(const journal::Record& record, const EpochKey& key, const Life& life,
                        std::span<const telemetry::Channel> channels) {
    const auto batch = telemetry::decode(*record.body);
    if (!batch || batch->readings.size() != record.last_seq - record.first_seq + 1) {
        setting_.violated("bit for bit", text_of(key, record.first_seq) + " cannot be read");
        return;
    }
    for (std::size_t i = 0; i < batch->readings.size(); ++i) {
        const telemetry::Reading& came = batch->readings[i];
        const Given& gave = number(life.given, record.first_seq + i);
        const bool known = came.channel >= 1 && came.channel <= channels.size();
        if (gave.kind != Given::Kind::reading || gave.time_us != came.time_us ||
            gave.boot != batch->boot || !same(gave.value, came.value) || !known ||
            channels[came.channel - 1].name != gave.channel) {
            setting_.violated("bit for bit",
                              text_of(key, record.first_seq + i) + " is not what was given");
            return;
        }
    }
    readings_ += batch->readings.size();
}

void Truth::check_gap(const journal::Record& record, const EpochKey& key, const Life& life) {
    ++gaps_;
    const auto reason = journal::decode_gap(*record.body).value_or(journal::GapReason::corrupt);
    for (std::uint64_t seq = record.first_seq; seq <= record.last_seq; ++seq) {
        const bool honest = reason == journal::GapReason::evicted
                                ? may_evict_
                                : reason == journal::GapReason::refused &&
                                      number(life.given, seq).kind == Given::Kind::refused;
        if (!honest) {
            setting_.violated("nothing is missing without a reason",
                              text_of(key, seq) + " is in a gap: " + to_string(reason));
            return;
        }
    }
}

// ---- At the end

void Truth::compare(journal::Store& store, const journal::Journal& journal,
                    const std::map<std::string, EpochKey>& present,
                    const std::map<std::string, std::uint64_t>& source_told) {
    std::map<EpochKey, std::uint64_t> through;
    std::map<std::pair<std::string, std::uint64_t>, std::uint32_t> newest;
    std::map<std::string, std::vector<std::uint64_t>> counted;
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
                if (const std::uint64_t n = number(lives_[key].given, seq).source_number; n != 0) {
                    counted[key.first].push_back(n);
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
    for (const auto& [origin, told] : source_told) {
        const std::vector<std::uint64_t>& all = counted[origin];
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (all[i] != i + 1) {
                setting_.violated("a source's readings once", origin + ": in the place of number " +
                                                                  std::to_string(i + 1) + " is " +
                                                                  std::to_string(all[i]));
                return;
            }
        }
        if (all.size() < told) {
            setting_.violated(
                "a source's readings once",
                origin + ": number " + std::to_string(all.size() + 1) + " is missing");
        }
    }
    for (const std::string& origin : origins) {
        check_times(store, origin);
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
