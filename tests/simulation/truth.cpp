#include "tests/simulation/truth.h"

#include <algorithm>
#include <cstring>

#include "firmware/telemetry/batch_codec.h"

namespace holdfast::simulation {

namespace {

const Given& number(const std::vector<Given>& given, std::uint64_t seq) {
    return given[static_cast<std::size_t>(seq - 1)];
}

}  // namespace

bool same(const telemetry::Value& a, const telemetry::Value& b) {
    if (const auto* left = std::get_if<double>(&a)) {
        const auto* right = std::get_if<double>(&b);
        return right != nullptr && std::memcmp(left, right, sizeof *left) == 0;
    }
    return a == b;
}

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

void Truth::opened(const std::string& node, const journal::Journal& journal) {
    std::map<EpochKey, std::uint64_t> there;
    for (const auto& [id, stream] : journal.streams()) {
        if (id != journal.own().id) {
            there[{stream.origin, stream.epoch}] = stream.through;
        }
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

}  // namespace holdfast::simulation
