#include "tests/simulation/uplink_port.h"

#include <utility>

namespace holdfast::simulation {

namespace {

using namespace std::chrono_literals;
using simulated::SocketId;
using uplink::Action;

constexpr Duration kConnectTimeout = 10s;
/// Main line, candidate line, probe lines: two streams each at most.
constexpr std::size_t kMostStreams = 2 * (2 + uplink::kProbeLineNumbers);

uplink::ClientOptions options_of(const NodePlan& plan, std::uint64_t boot) {
    uplink::ClientOptions options;
    options.uplink.device = plan.id;
    options.uplink.software = "simulated";
    options.uplink.boot = boot;
    options.uplink.heartbeat = plan.heartbeat;
    if (plan.adaptive) {
        options.uplink.adaptive = uplink::AdaptiveOptions{};
    }
    options.uplink.window_bytes = plan.window_bytes;
    options.uplink.read_bytes = plan.read_bytes;
    options.url = "ws://hub/v1/uplink";
    options.hub = http::parse_url(options.url).value();
    options.proxy = plan.proxy ? "proxy:3128" : "";
    return options;
}

}  // namespace

UplinkPort::UplinkPort(Setting& setting, UplinkOwner& owner, journal::Journal& journal,
                       const NodePlan& plan, std::uint64_t boot)
    : setting_(setting), owner_(owner), client_(journal, options_of(plan, boot), setting.random) {
    proxy_.host = "proxy";
    proxy_.port = 3128;
    if (plan.proxy_asks) {
        proxy_.user = "user";
        proxy_.password = "secret";
    }
}

SocketId UplinkPort::socket_of(uplink::StreamId stream) const {
    const auto found = sockets_.find(stream);
    return found == sockets_.end() ? 0 : found->second;
}

void UplinkPort::forget(uplink::StreamId stream) {
    streams_.erase(socket_of(stream));
    sockets_.erase(stream);
}

void UplinkPort::open(const Action& action) {
    simulated::Path& path = action.proxied ? owner_.proxy_path() : owner_.direct_path();
    const SocketId socket = setting_.network.connect(owner_.id(), path, *this, kConnectTimeout);
    Stream stream{.id = action.stream, .tunnel = nullptr};
    if (action.proxied) {
        stream.tunnel = std::make_unique<http::ProxyTunnel>(proxy_, "hub", 80, "simulated");
    }
    streams_[socket] = std::move(stream);
    sockets_[action.stream] = socket;
    ++opened_;
    if (setting_.clock.now() < not_before_) {
        setting_.violated("Goodbye is obeyed", owner_.id() + " comes back too early");
    }
    if (sockets_.size() > kMostStreams) {
        setting_.violated(
            "limits", owner_.id() + " has " + std::to_string(sockets_.size()) + " streams open");
    }
}

void UplinkPort::act(const Action& action) {
    switch (action.kind) {
        case Action::Kind::open:
            open(action);
            return;
        case Action::Kind::send:
            if (!setting_.network.send(socket_of(action.stream), *action.bytes)) {
                client_.congested(action.stream);
            }
            return;
        case Action::Kind::shut:
            setting_.network.shut(socket_of(action.stream));
            forget(action.stream);
            return;
        case Action::Kind::abort:
            setting_.network.abort(socket_of(action.stream));
            forget(action.stream);
            return;
        case Action::Kind::log:
            setting_.say(owner_.id(), "log " + action.text);
            return;
        case Action::Kind::note:
            owner_.note(action.name, action.text);
            return;
        case Action::Kind::told:
            owner_.told(action.server_time_us);
            return;
    }
}

void UplinkPort::tell_progress() {
    const uplink::StreamId stream = client_.awaited();
    if (const SocketId socket = socket_of(stream); socket != 0) {
        const simulated::Network::Progress progress = setting_.network.progress(socket);
        client_.progress(stream, {progress.sent_bytes, progress.acknowledged_bytes}, owner_.now());
    }
}

Instant UplinkPort::turn() {
    if (client_.engine().state() == uplink::Uplink::State::waiting) {
        client_.on_network(owner_.network_name(), owner_.now());
    }
    tell_progress();
    client_.turn(owner_.now());
    while (const std::optional<Action> action = client_.next_action()) {
        act(*action);
    }
    tell_progress();
    if (const auto read = client_.engine().take_read(owner_.now().monotonic)) {
        owner_.read(*read);
    }
    return client_.deadline();
}

// ---- Streams

void UplinkPort::established(Stream& stream) {
    client_.opened(stream.id, "hub:80", owner_.authorization(), owner_.now());
}

void UplinkPort::connected(SocketId socket) {
    const auto found = streams_.find(socket);
    if (found == streams_.end()) {
        return;
    }
    if (found->second.tunnel) {
        setting_.network.send(socket, as_bytes(found->second.tunnel->request()));
        setting_.clock.after(kConnectTimeout, [this, socket, alive = std::weak_ptr(alive_)] {
            if (!alive.expired()) {
                tunnel_timeout(socket);
            }
        });
    } else {
        established(found->second);
    }
    owner_.poke();
}

void UplinkPort::tunnel_timeout(SocketId socket) {
    const auto found = streams_.find(socket);
    if (found != streams_.end() && found->second.tunnel) {
        const uplink::StreamId id = found->second.id;
        setting_.network.abort(socket);
        forget(id);
        client_.failed(id, {ErrorCode::timeout, "the proxy does not answer"}, owner_.now());
        owner_.poke();
    }
}

void UplinkPort::received(SocketId socket, std::span<std::byte> bytes) {
    const auto found = streams_.find(socket);
    if (found == streams_.end()) {
        return;
    }
    const uplink::StreamId id = found->second.id;
    hear_goodbye(socket, found->second, bytes.size());
    if (found->second.tunnel) {
        ByteView rest = bytes;
        const Result<bool> stands = found->second.tunnel->next(rest);
        if (!stands) {
            setting_.network.abort(socket);
            forget(id);
            client_.failed(id, stands.error(), owner_.now());
        } else if (*stands) {
            found->second.tunnel.reset();
            established(found->second);
        }
        bytes = bytes.last(stands && *stands ? rest.size() : 0);
    }
    if (!bytes.empty()) {
        client_.received(id, bytes, owner_.now());
    }
    owner_.poke();
}

void UplinkPort::hear_goodbye(SocketId socket, Stream& stream, std::size_t bytes) {
    stream.received_bytes += bytes;
    const auto said = setting_.goodbyes.find(socket);
    if (said != setting_.goodbyes.end() && stream.received_bytes >= said->second.bytes) {
        not_before_ = setting_.clock.now() + said->second.retry_after;
        setting_.goodbyes.erase(said);
    }
}

void UplinkPort::writable(SocketId socket) {
    if (const auto found = streams_.find(socket); found != streams_.end()) {
        client_.writable(found->second.id);
        owner_.poke();
    }
}

void UplinkPort::ended(SocketId socket, const Error& error) {
    const auto found = streams_.find(socket);
    if (found == streams_.end()) {
        return;
    }
    const uplink::StreamId id = found->second.id;
    forget(id);
    client_.ended(id, error, owner_.now());
    owner_.poke();
}

}  // namespace holdfast::simulation
