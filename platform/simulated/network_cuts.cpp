// The boxes on the way, and what they do to streams.

#include <algorithm>
#include <utility>
#include <vector>

#include "platform/simulated/network.h"

namespace holdfast::simulated {

namespace {

using namespace std::chrono_literals;

const char* name(CutKind kind) {
    constexpr const char* kNames[] = {"none",   "FIN",       "RST",        "late RST",
                                      "silent", "silent up", "silent down"};
    return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace

void Network::count(Stream& stream, Side from) {
    const bool counts = stream.cut.counts == Counts::both ||
                        (stream.cut.counts == Counts::from_server) == (from == server_side);
    if (counts) {
        stream.counted = clock_.now();
        stream.idle_limit = stream.cut.idle + random_.between(0us, stream.cut.idle_jitter);
    }
}

void Network::passed(std::uint64_t id, Side from) {
    if (Stream* stream = find(id)) {
        count(*stream, from);
    }
}

void Network::watch_idle(std::uint64_t id) {
    Stream* stream = find(id);
    if (stream == nullptr || stream->cut.kind == CutKind::none || stream->forgotten) {
        return;
    }
    const Instant limit = stream->counted + stream->idle_limit;
    if (clock_.now() < limit) {
        clock_.at(limit, [this, id] { watch_idle(id); });
        return;
    }
    cut(id, stream->cut.kind, "idle");
}

void Network::cut(std::uint64_t id, CutKind kind, const char* why) {
    Stream* stream = find(id);
    if (stream == nullptr || stream->connecting || stream->forgotten ||
        (stream->dropped[0] && stream->dropped[1])) {
        return;
    }
    ++counters_.cuts;
    say(id, std::string("cut, ") + name(kind) + ", " + why);
    switch (kind) {
        case CutKind::none:
            return;
        case CutKind::fin:
        case CutKind::reset:
            for (const Side side : {client_side, server_side}) {
                send_end(id, side, kind == CutKind::fin ? ErrorCode::closed : ErrorCode::io);
            }
            stream->forgotten = true;
            return;
        case CutKind::reset_late:
            stream->forgotten = true;
            return;
        case CutKind::silent:
            stream->dropped[client_side] = stream->dropped[server_side] = true;
            return;
        case CutKind::silent_up:
            stream->dropped[client_side] = true;
            return;
        case CutKind::silent_down:
            stream->dropped[server_side] = true;
            return;
    }
}

void Network::cut_all(const Path& path, CutKind kind) {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, stream] : streams_) {
        if (stream.path == &path) {
            ids.push_back(id);
        }
    }
    for (const std::uint64_t id : ids) {
        cut(id, kind, "all of the path");
    }
}

bool Network::cut_one(const Path& path, CutKind kind) {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, stream] : streams_) {
        if (stream.path == &path && !stream.connecting) {
            ids.push_back(id);
        }
    }
    if (!ids.empty()) {
        cut(ids[random_.below(ids.size())], kind, "at will");
    }
    return !ids.empty();
}

}  // namespace holdfast::simulated
