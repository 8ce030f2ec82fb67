#include "platform/simulated/network.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace holdfast::simulated {

namespace {

using namespace std::chrono_literals;

/// What the kernel hands over at a time, at most; on a slow path what comes through in a moment.
constexpr std::size_t kPieceBytes = 16u << 10;
constexpr std::size_t kSlowPieceBytes = 512;
constexpr std::uint64_t kPiecesPerSecond = 4;

/// What may wait in front of the bottleneck takes so long.
constexpr Duration kBottleneck = 2s;

std::size_t piece_size(const Path& path) {
    return path.bytes_per_second == 0
               ? kPieceBytes
               : std::clamp(static_cast<std::size_t>(path.bytes_per_second / kPiecesPerSecond),
                            kSlowPieceBytes, kPieceBytes);
}
/// A lost segment is repeated after a time-out of this kind.
constexpr Duration kRepeatMin = 200ms;
constexpr Duration kRepeatMax = 3s;

const char* text_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::closed:
            return "the peer closed the connection";
        case ErrorCode::io:
            return "connection reset by peer";
        case ErrorCode::timeout:
            return "connection timed out";
        case ErrorCode::refused:
            return "connection refused";
        default:
            return "the name is not found";
    }
}

}  // namespace

void Network::say(std::uint64_t id, const std::string& what) {
    if (trace) {
        trace("stream " + std::to_string(id) + ": " + what);
    }
}

Network::Stream* Network::find(std::uint64_t id) {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : &found->second;
}

Duration Network::leg(const Path& path) {
    return path.latency + random_.between(0us, path.jitter);
}

/// When what is sent now has left the bottleneck behind. What other streams have sent is in front
/// of it as far as the bottleneck has room; the rest of it waits in their senders.
Instant Network::through(Stream& stream, Side from, std::size_t bytes) {
    Path& path = *stream.path;
    const Instant now = clock_.now();
    if (path.bytes_per_second == 0) {
        return now;
    }
    const Duration takes(
        static_cast<std::int64_t>(std::uint64_t{bytes} * 1'000'000 / path.bytes_per_second));
    Instant& own = stream.ends[from].busy;
    own = std::max(std::min(path.busy[from], now + kBottleneck), std::max(own, now)) + takes;
    path.busy[from] = std::max(path.busy[from], now) + takes;
    return own;
}

/// When what is through at `sent` is there.
Instant Network::arrival(Stream& stream, Side from, Instant sent) {
    const Path& path = *stream.path;
    const Instant now = clock_.now();
    Duration way = leg(path);
    while (path.loss_per_mille > 0 && random_.below(1000) < path.loss_per_mille) {
        way += random_.between(kRepeatMin, kRepeatMax);
    }
    if (path.outage_until > now) {
        // The pauses of TCP's repetitions double, so it takes as long again at most.
        const Duration longest = std::min<Duration>(path.outage_until - now, 60s);
        sent = std::max(sent, path.outage_until + random_.between(0us, longest));
    }
    Instant& delivered = stream.ends[other(from)].delivered;
    delivered = std::max(delivered + 1us, sent + way);
    return delivered;
}

// ---- Opening

SocketId Network::connect(const std::string& from, Path& path, Handler& handler, Duration timeout) {
    const std::uint64_t id = ++last_stream_;
    Stream& stream = streams_[id];
    stream.path = &path;
    stream.cut = path.cut;
    stream.ends[client_side].handler = &handler;
    stream.ends[client_side].host = from;
    stream.ends[server_side].host = path.to;
    ++counters_.streams;
    if (!path.resolves) {
        const bool silent = path.outage_until > clock_.now();
        clock_.after(silent ? std::min<Duration>(timeout, 5s) : leg(path), [this, id] {
            end(id, client_side, {ErrorCode::not_found, text_of(ErrorCode::not_found)});
        });
    } else {
        const Instant deadline = clock_.now() + timeout;
        clock_.after(leg(path) + leg(path), [this, id, deadline] { establish(id, deadline); });
    }
    return id * 2 + client_side;
}

void Network::establish(std::uint64_t id, Instant deadline) {
    Stream* stream = find(id);
    if (stream == nullptr || stream->ends[client_side].handler == nullptr) {
        return;
    }
    const Instant now = clock_.now();
    if (now >= deadline) {
        end(id, client_side, {ErrorCode::timeout, text_of(ErrorCode::timeout)});
        return;
    }
    Host& host = hosts_[stream->path->to];
    if (!host.powered || stream->path->outage_until > now) {
        const Instant again = now + random_.between(500ms, 4s);
        clock_.at(std::min(again, deadline), [this, id, deadline] { establish(id, deadline); });
        return;
    }
    Handler* server =
        host.accept ? host.accept(id * 2 + server_side, stream->ends[client_side].host) : nullptr;
    stream = find(id);
    if (stream == nullptr || stream->ends[client_side].handler == nullptr) {
        return;
    }
    if (server == nullptr) {
        end(id, client_side, {ErrorCode::refused, text_of(ErrorCode::refused)});
        return;
    }
    stream->ends[server_side].handler = server;
    stream->connecting = false;
    stream->counted = now;
    stream->idle_limit = stream->cut.idle + random_.between(0us, stream->cut.idle_jitter);
    watch_idle(id);
    if (stream->cut.lifetime_kind != CutKind::none) {
        clock_.after(stream->cut.lifetime,
                     [this, id, kind = stream->cut.lifetime_kind] { cut(id, kind, "lifetime"); });
    }
    say(id, "from " + stream->ends[client_side].host + " to " + stream->ends[server_side].host);
    stream->ends[client_side].handler->connected(id * 2 + client_side);
}

// ---- Bytes

bool Network::send(SocketId socket, ByteView bytes) {
    const std::uint64_t id = stream_of(socket);
    const Side side = side_of(socket);
    Stream* stream = find(id);
    if (stream == nullptr || stream->ends[side].handler == nullptr || stream->connecting ||
        stream->ends[side].fin_sent) {
        return true;
    }
    stream->ends[side].unsent += bytes.size();
    stream->ends[side].progress.sent_bytes += bytes.size();
    counters_.bytes += bytes.size();
    while (!bytes.empty()) {
        std::size_t size = std::min(bytes.size(), piece_size(*stream->path));
        if (random_.chance(8)) {
            size = 1 + random_.below(size);
        }
        transmit(id, side, Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)));
        bytes = bytes.subspan(size);
    }
    End& end = stream->ends[side];
    end.wants_writable = end.wants_writable || end.unsent > end.limit;
    return !end.wants_writable;
}

void Network::transmit(std::uint64_t id, Side from, Bytes piece) {
    Stream& stream = *find(id);
    if (stream.dropped[from]) {
        vanish(id, from);
        return;
    }
    if (stream.forgotten) {
        clock_.after(leg(*stream.path),
                     [this, id, from] { end(id, from, {ErrorCode::io, text_of(ErrorCode::io)}); });
        return;
    }
    const Instant sent = through(stream, from, piece.size());
    if (sent > clock_.now()) {
        clock_.at(sent, [this, id, from] { passed(id, from); });
    } else {
        count(stream, from);
    }
    const Instant when = arrival(stream, from, sent);
    clock_.at(when, [this, id, to = other(from), piece = std::move(piece)]() mutable {
        deliver(id, to, std::move(piece));
    });
}

/// What `from` sent is never acknowledged.
void Network::vanish(std::uint64_t id, Side from) {
    Stream& stream = *find(id);
    if (stream.ends[from].doubt != kNever) {
        return;
    }
    stream.ends[from].doubt = clock_.now();
    clock_.after(kRetransmission, [this, id, from] {
        end(id, from, {ErrorCode::timeout, text_of(ErrorCode::timeout)});
    });
}

void Network::deliver(std::uint64_t id, Side to, Bytes piece) {
    Stream* stream = find(id);
    if (stream == nullptr) {
        return;
    }
    const Side from = other(to);
    if (stream->dropped[from] || !hosts_[stream->ends[to].host].powered) {
        vanish(id, from);
        return;
    }
    if (stream->ends[to].handler == nullptr) {
        send_end(id, to, ErrorCode::io);
        return;
    }
    stream->ends[from].progress.acknowledged_bytes += piece.size();
    if (stream->ends[to].paused || !stream->ends[to].inbox.empty()) {
        stream->ends[to].inbox.push_back(std::move(piece));
        return;
    }
    hand_over(id, to, std::move(piece));
}

void Network::hand_over(std::uint64_t id, Side to, Bytes piece) {
    Stream& stream = *find(id);
    End& from = stream.ends[other(to)];
    from.unsent -= piece.size();
    if (from.wants_writable && from.unsent <= from.limit / 2) {
        from.wants_writable = false;
        clock_.after(leg(*stream.path), [this, id, side = other(to)] {
            Stream* again = find(id);
            if (again != nullptr && again->ends[side].handler != nullptr) {
                again->ends[side].handler->writable(id * 2 + side);
            }
        });
    }
    stream.ends[to].handler->received(id * 2 + to, piece);
}

void Network::pause(SocketId socket) {
    if (Stream* stream = find(stream_of(socket))) {
        stream->ends[side_of(socket)].paused = true;
    }
}

void Network::resume(SocketId socket) {
    const std::uint64_t id = stream_of(socket);
    const Side side = side_of(socket);
    Stream* stream = find(id);
    if (stream == nullptr) {
        return;
    }
    stream->ends[side].paused = false;
    clock_.after(0us, [this, id, side] {
        Stream* again = find(id);
        while (again != nullptr && again->ends[side].handler != nullptr &&
               !again->ends[side].paused && !again->ends[side].inbox.empty()) {
            Bytes piece = std::move(again->ends[side].inbox.front());
            again->ends[side].inbox.pop_front();
            hand_over(id, side, std::move(piece));
            again = find(id);
        }
        if (again != nullptr && again->ends[side].fin_waits && again->ends[side].inbox.empty()) {
            again->ends[side].fin_waits = false;
            finish(id, side);
        }
    });
}

void Network::limit(SocketId socket, std::size_t bytes) {
    if (Stream* stream = find(stream_of(socket))) {
        stream->ends[side_of(socket)].limit = bytes;
    }
}

void Network::hand_to(SocketId socket, Handler& handler) {
    Stream* stream = find(stream_of(socket));
    if (stream != nullptr && stream->ends[side_of(socket)].handler != nullptr) {
        stream->ends[side_of(socket)].handler = &handler;
    }
}

Network::Progress Network::progress(SocketId socket) const {
    const auto found = streams_.find(stream_of(socket));
    return found == streams_.end() ? Progress{} : found->second.ends[side_of(socket)].progress;
}

std::size_t Network::unsent_bytes(SocketId socket) const {
    const auto found = streams_.find(stream_of(socket));
    return found == streams_.end() ? 0 : found->second.ends[side_of(socket)].unsent;
}

std::size_t Network::open_sockets(const std::string& host) const {
    std::size_t count = 0;
    for (const auto& [id, stream] : streams_) {
        for (const End& end : stream.ends) {
            count += end.host == host && end.handler != nullptr ? 1 : 0;
        }
    }
    return count;
}

std::size_t Network::open_clients(const std::string& host) const {
    return static_cast<std::size_t>(std::ranges::count_if(streams_, [&host](const auto& entry) {
        const End& end = entry.second.ends[client_side];
        return end.handler != nullptr && end.host == host;
    }));
}

// ---- Ends

void Network::end(std::uint64_t id, Side side, const Error& error) {
    Stream* stream = find(id);
    if (stream == nullptr || stream->ends[side].handler == nullptr) {
        return;
    }
    Handler* handler = std::exchange(stream->ends[side].handler, nullptr);
    say(id, stream->ends[side].host + " is told: " + error.message);
    forget_if_over(id);
    handler->ended(id * 2 + side, error);
}

void Network::deliver_end(std::uint64_t id, Side to, ErrorCode code) {
    Stream* stream = find(id);
    if (stream == nullptr) {
        return;
    }
    if (stream->dropped[other(to)] || !hosts_[stream->ends[to].host].powered) {
        return;
    }
    if (code == ErrorCode::closed && (stream->ends[to].paused || !stream->ends[to].inbox.empty())) {
        stream->ends[to].fin_waits = true;
        return;
    }
    if (code == ErrorCode::closed) {
        finish(id, to);
    } else {
        end(id, to, {code, text_of(code)});
    }
}

/// The peer's FIN is there, and all before it was taken.
void Network::finish(std::uint64_t id, Side side) {
    Stream* stream = find(id);
    if (stream->ends[side].handler == nullptr ||
        !stream->ends[side].handler->finished(id * 2 + side)) {
        return;
    }
    stream = find(id);
    if (stream != nullptr && stream->ends[side].handler != nullptr) {
        shut_output(id * 2 + side);
        end(id, side, {ErrorCode::closed, text_of(ErrorCode::closed)});
    }
}

/// FIN or RST, from an end to the other.
void Network::send_end(std::uint64_t id, Side from, ErrorCode code) {
    Stream& stream = *find(id);
    if (stream.dropped[from] || stream.forgotten) {
        return;
    }
    count(stream, from);
    clock_.at(arrival(stream, from, through(stream, from, 0)),
              [this, id, to = other(from), code] { deliver_end(id, to, code); });
}

void Network::close(std::uint64_t id, Side side) {
    find(id)->ends[side].handler = nullptr;
    find(id)->ends[side].inbox.clear();
    forget_if_over(id);
}

void Network::shut_output(SocketId socket) {
    const std::uint64_t id = stream_of(socket);
    Stream* stream = find(id);
    if (stream != nullptr && stream->ends[side_of(socket)].handler != nullptr &&
        !std::exchange(stream->ends[side_of(socket)].fin_sent, true)) {
        send_end(id, side_of(socket), ErrorCode::closed);
    }
}

void Network::shut(SocketId socket) {
    const std::uint64_t id = stream_of(socket);
    Stream* stream = find(id);
    if (stream != nullptr && stream->ends[side_of(socket)].handler != nullptr) {
        shut_output(socket);
        close(id, side_of(socket));
    }
}

void Network::abort(SocketId socket) {
    const std::uint64_t id = stream_of(socket);
    Stream* stream = find(id);
    if (stream != nullptr && stream->ends[side_of(socket)].handler != nullptr) {
        send_end(id, side_of(socket), ErrorCode::io);
        close(id, side_of(socket));
    }
}

void Network::forget_if_over(std::uint64_t id) {
    if (find(id)->over()) {
        streams_.erase(id);
    }
}

void Network::kill(const std::string& host) {
    std::vector<SocketId> open;
    for (const auto& [id, stream] : streams_) {
        for (const Side side : {client_side, server_side}) {
            if (stream.ends[side].host == host && stream.ends[side].handler != nullptr) {
                open.push_back(id * 2 + side);
            }
        }
    }
    for (const SocketId socket : open) {
        random_.chance(50) ? shut(socket) : abort(socket);
    }
    hosts_[host].accept = nullptr;
}

void Network::power_off(const std::string& host) {
    hosts_[host].powered = false;
    hosts_[host].accept = nullptr;
    for (auto next = streams_.begin(); next != streams_.end();) {
        const auto entry = next++;
        for (End& end : entry->second.ends) {
            if (end.host == host) {
                end.handler = nullptr;
                end.inbox.clear();
            }
        }
        forget_if_over(entry->first);
    }
}

}  // namespace holdfast::simulated
