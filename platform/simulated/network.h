#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "firmware/base/bytes.h"
#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "platform/simulated/clock.h"
#include "platform/simulated/random.h"

namespace holdfast::simulated {

/// One end of a stream; never used twice.
using SocketId = std::uint64_t;

/// What a box does to a stream that it drops.
enum class CutKind : std::uint8_t {
    none,
    fin,         ///< both ends see a FIN
    reset,       ///< both ends see an RST
    reset_late,  ///< whoever sends next gets an RST
    silent,      ///< packets vanish
    silent_up,   ///< those of the client alone vanish
    silent_down  ///< those to the client alone vanish
};
enum class Counts : std::uint8_t { both, from_server, from_client };

/// A box on the way which drops streams that were idle for too long, or are too old.
struct Cut {
    CutKind kind = CutKind::none;
    Duration idle = std::chrono::minutes(1);
    Duration idle_jitter{};        ///< each idle time has a limit between idle and idle + jitter
    Counts counts = Counts::both;  ///< whose bytes make a stream not idle
    CutKind lifetime_kind = CutKind::none;
    Duration lifetime = std::chrono::hours(2);
};

/// The way from a client to where it connects. May be changed at any time; a stream keeps the `cut`
/// it was opened with.
struct Path {
    std::string to;        ///< a host of the network
    bool resolves = true;  ///< false: its name is not found
    Duration latency = std::chrono::milliseconds(20);
    Duration jitter = std::chrono::milliseconds(5);
    std::uint64_t bytes_per_second = 0;  ///< 0: no limit; bytes trickle, and the box sees it
    unsigned loss_per_mille = 0;         ///< of segments; a loss delays what follows
    Cut cut = {};
    Instant outage_until{};  ///< nothing passes; TCP repeats it afterwards

    Instant busy[2] = {};  ///< the bottleneck, up and down, by all that was sent over it
};

/// Who owns sockets. Calls back into the network are allowed from each of these.
class Handler {
public:
    virtual ~Handler() = default;
    /// The client's `connect` succeeded.
    virtual void connected(SocketId) {}
    /// `bytes` may be changed.
    virtual void received(SocketId socket, std::span<std::byte> bytes) = 0;
    virtual void writable(SocketId) {}
    /// The peer will send no more. True: `ended` (closed) follows, and a FIN goes back behind what
    /// was sent in this call. False: the socket has more to send, and is shut when it has.
    virtual bool finished(SocketId) { return true; }
    /// It is over, or did not come about; the socket is no more. closed: FIN; io: RST; timeout;
    /// refused; not_found.
    virtual void ended(SocketId socket, const Error& error) = 0;
};

/// Byte streams between named hosts, on a virtual clock, with the troubles that real ones have.
/// What happens depends on the calls and the seed alone.
///
/// A stream is TCP as programs see it: bytes arrive in order, cut into pieces anywhere; what was
/// lost is repeated for a while; an end that vanished is noticed by who sends to it, or never.
class Network {
public:
    /// Bytes that one end has sent and the other has not taken: above it `send` says so, unless
    /// `limit` has said otherwise.
    static constexpr std::size_t kSendLimitBytes = 256u << 10;
    /// What was sent and not acknowledged for so long ends the stream.
    static constexpr Duration kRetransmission = std::chrono::minutes(15);

    Network(Clock& clock, std::uint64_t seed) : clock_(clock), random_(seed) {}
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    /// Who answers on a host; nullptr: nobody listens.
    using Accept = std::function<Handler*(SocketId, const std::string& peer)>;
    void listen(const std::string& host, Accept accept) { hosts_[host].accept = std::move(accept); }
    /// The host's sockets end as if its programs were killed: their peers see FIN or RST.
    void kill(const std::string& host);
    /// The host loses power: its peers see nothing. It answers nobody until `power_on`; then it
    /// knows nothing of its streams, and says so to who asks.
    void power_off(const std::string& host);
    void power_on(const std::string& host) { hosts_[host].powered = true; }

    /// `handler` is told `connected` or `ended`, never before this returns. `path` must outlive the
    /// network.
    SocketId connect(const std::string& from, Path& path, Handler& handler, Duration timeout);
    /// False: more waits than is good; `writable` will be told.
    bool send(SocketId socket, ByteView bytes);
    /// Above so many bytes `send` says that more waits than is good.
    void limit(SocketId socket, std::size_t bytes);
    /// From now on `handler` is told.
    void hand_to(SocketId socket, Handler& handler);
    /// FIN behind what was sent, and nothing can be sent any more; what the peer says is told.
    void shut_output(SocketId socket);
    /// FIN behind what was sent. Nothing more is told of the socket.
    void shut(SocketId socket);
    /// RST. Nothing more is told of the socket.
    void abort(SocketId socket);
    void pause(SocketId socket);
    void resume(SocketId socket);
    /// Sent, and not yet taken by the other end.
    [[nodiscard]] std::size_t unsent_bytes(SocketId socket) const;
    struct Progress {
        std::uint64_t sent_bytes = 0;
        std::uint64_t acknowledged_bytes = 0;  ///< by the other end's TCP
    };
    [[nodiscard]] Progress progress(SocketId socket) const;

    // ---- Troubles

    /// Does to all streams over `path` what a box with this habit would.
    void cut_all(const Path& path, CutKind kind);
    /// As above, to one that is picked. False: there is none.
    bool cut_one(const Path& path, CutKind kind);

    struct Counters {
        std::uint64_t streams = 0;
        std::uint64_t bytes = 0;
        std::uint64_t cuts = 0;
    };
    [[nodiscard]] const Counters& counters() const { return counters_; }
    [[nodiscard]] std::size_t open_sockets(const std::string& host) const;
    /// Those of them that it has opened itself.
    [[nodiscard]] std::size_t open_clients(const std::string& host) const;
    /// Tells of all that happens to streams, if it is set.
    std::function<void(const std::string&)> trace;

private:
    enum Side : std::size_t { client_side = 0, server_side = 1 };
    struct End {
        Handler* handler = nullptr;  ///< null: the socket is gone
        std::string host;
        bool paused = false;
        bool wants_writable = false;
        bool fin_sent = false;
        std::size_t unsent = 0;  ///< by this end, not taken by the other
        std::size_t limit = kSendLimitBytes;
        Progress progress;
        Instant delivered{};      ///< to this end: in order
        Instant busy{};           ///< the bottleneck, by what this end sent
        std::deque<Bytes> inbox;  ///< while it is paused
        bool fin_waits = false;   ///< behind the inbox
        Instant doubt = kNever;   ///< since when what it sent vanishes
    };
    struct Stream {
        Path* path = nullptr;
        Cut cut;
        End ends[2];
        bool dropped[2] = {false, false};  ///< what is sent by this side vanishes
        bool forgotten = false;            ///< the box answers with RST
        bool connecting = true;
        Instant counted{};
        Duration idle_limit{};
        [[nodiscard]] bool over() const {
            return ends[0].handler == nullptr && ends[1].handler == nullptr;
        }
    };
    struct Host {
        bool powered = true;
        Accept accept;
    };

    [[nodiscard]] static std::uint64_t stream_of(SocketId socket) { return socket / 2; }
    [[nodiscard]] static Side side_of(SocketId socket) { return static_cast<Side>(socket % 2); }
    [[nodiscard]] static Side other(Side side) {
        return side == client_side ? server_side : client_side;
    }
    [[nodiscard]] Stream* find(std::uint64_t id);
    [[nodiscard]] Duration leg(const Path& path);
    [[nodiscard]] Instant through(Stream& stream, Side from, std::size_t bytes);
    [[nodiscard]] Instant arrival(Stream& stream, Side from, Instant sent);
    void establish(std::uint64_t id, Instant deadline);
    void transmit(std::uint64_t id, Side from, Bytes piece);
    void deliver(std::uint64_t id, Side to, Bytes piece);
    void hand_over(std::uint64_t id, Side to, Bytes piece);
    void deliver_end(std::uint64_t id, Side to, ErrorCode code);
    void finish(std::uint64_t id, Side side);
    void end(std::uint64_t id, Side side, const Error& error);
    void vanish(std::uint64_t id, Side from);
    void send_end(std::uint64_t id, Side from, ErrorCode code);
    void close(std::uint64_t id, Side side);
    void forget_if_over(std::uint64_t id);
    void passed(std::uint64_t id, Side from);
    void count(Stream& stream, Side from);
    void watch_idle(std::uint64_t id);
    void cut(std::uint64_t id, CutKind kind, const char* why);
    void say(std::uint64_t id, const std::string& what);

    Clock& clock_;
    Random random_;
    std::map<std::uint64_t, Stream> streams_;
    std::map<std::string, Host> hosts_;
    std::uint64_t last_stream_ = 0;
    Counters counters_;
};

}  // namespace holdfast::simulated
