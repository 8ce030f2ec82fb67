#include "platform/simulated/relay.h"

#include <algorithm>
#include <utility>

namespace holdfast::simulated {

namespace {

using namespace std::chrono_literals;

constexpr Duration kConnectTimeout = 10s;

/// A request's head as it looks behind a proxy that knows nothing of Upgrade.
std::string without_upgrade(const std::string& head) {
    std::string out;
    std::string_view rest = head;
    while (!rest.empty()) {
        const std::size_t end = rest.find("\r\n");
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 2, rest.size()));
        const bool hop = line.starts_with("Upgrade:") || line.starts_with("upgrade:") ||
                         ((line.starts_with("Connection:") || line.starts_with("connection:")) &&
                          line.find("pgrade") != std::string_view::npos);
        if (!hop) {
            out.append(line).append("\r\n");
        }
    }
    return out;
}

}  // namespace

const char* name(Manner manner) {
    constexpr const char* kNames[] = {"pass",          "strip_upgrade",  "answer",
                                      "mute_upgraded", "choke_upgraded", "buffer",
                                      "truncate",      "garbage",        "tunnel"};
    return kNames[static_cast<std::size_t>(manner)];
}

Relay::Relay(Network& network, std::string host, Path onward)
    : network_(network), host_(std::move(host)), onward_(std::move(onward)) {
    start();
}

void Relay::start() {
    network_.listen(host_, [this](SocketId socket, const std::string&) -> Handler* {
        auto pair = std::make_shared<Pair>();
        pair->options = options;
        pair->client = socket;
        pairs_[socket] = pair;
        const Manner manner = pair->options.manner;
        if (manner != Manner::answer && manner != Manner::garbage && manner != Manner::tunnel) {
            open_onward(pair);
        }
        return this;
    });
}

void Relay::open_onward(const PairPtr& pair) {
    pair->server = network_.connect(host_, onward_, *this, kConnectTimeout);
    pairs_[pair->server] = pair;
}

void Relay::connected(SocketId socket) {
    const PairPtr pair = pairs_.at(socket);
    pair->server_up = true;
    if (pair->options.manner == Manner::tunnel) {
        network_.send(pair->client, as_bytes("HTTP/1.1 200 Connection established\r\n\r\n"));
    }
    network_.send(socket, std::exchange(pair->waiting, {}));
}

void Relay::received(SocketId socket, std::span<std::byte> bytes) {
    const auto found = pairs_.find(socket);
    if (found == pairs_.end()) {
        return;
    }
    const PairPtr pair = found->second;
    socket == pair->client ? from_client(pair, bytes) : from_server(pair, bytes);
}

void Relay::writable(SocketId socket) {
    const auto found = pairs_.find(socket);
    if (found != pairs_.end()) {
        const PairPtr& pair = found->second;
        network_.resume(socket == pair->client ? pair->server : pair->client);
    }
}

void Relay::ended(SocketId socket, const Error& error) {
    const auto found = pairs_.find(socket);
    if (found == pairs_.end()) {
        return;
    }
    const PairPtr pair = found->second;
    if (socket == pair->server) {
        if (!pair->server_up && pair->options.manner == Manner::tunnel) {
            answer(pair, 502);
            return;
        }
        network_.send(pair->client, std::exchange(pair->held, {}));
    }
    pairs_.erase(socket);
    (socket == pair->server ? pair->server : pair->client) = 0;
    drop(pair, error.code != ErrorCode::closed);
}

/// What is left of the pair.
void Relay::drop(const PairPtr& pair, bool reset) {
    for (const SocketId socket : {pair->client, pair->server}) {
        if (socket != 0) {
            pairs_.erase(socket);
            reset ? network_.abort(socket) : network_.shut(socket);
        }
    }
    pair->client = pair->server = 0;
}

void Relay::answer(const PairPtr& pair, int status) {
    std::string text = "HTTP/1.1 " + std::to_string(status) + " As it pleases\r\n";
    if (!pair->options.location.empty()) {
        text += "Location: " + pair->options.location + "\r\n";
    }
    if (status == 407) {
        text += "Proxy-Authenticate: Basic realm=\"proxy\"\r\n";
    }
    text +=
        "Content-Type: text/html\r\nContent-Length: " + std::to_string(pair->options.body.size()) +
        "\r\nConnection: close\r\n\r\n" + pair->options.body;
    network_.send(pair->client, as_bytes(text));
    drop(pair, false);
}

void Relay::from_client(const PairPtr& pair, ByteView bytes) {
    const RelayOptions& how = pair->options;
    const bool reads =
        !pair->tunnelled && (how.manner == Manner::strip_upgrade || how.manner == Manner::answer ||
                             how.manner == Manner::garbage || how.manner == Manner::tunnel);
    if (how.manner == Manner::choke_upgraded && pair->upgraded) {
        pair->said += bytes.size();
        if (pair->said > how.bytes) {
            drop(pair, true);
            return;
        }
    }
    if (!reads) {
        pass_up(pair, bytes);
        return;
    }
    using Found = HttpScan::Found;
    ByteView taken;
    for (Found found{}; pair->client != 0 && !pair->tunnelled &&
                        (found = pair->up.next(bytes, taken)) != Found::more;) {
        if (found != Found::head) {
            if (how.manner == Manner::strip_upgrade) {
                pass_up(pair, taken);
            }
        } else if (how.manner == Manner::strip_upgrade) {
            pass_up(pair, as_bytes(without_upgrade(pair->up.head())));
        } else if (how.manner == Manner::answer) {
            answer(pair, how.status);
        } else if (how.manner == Manner::garbage) {
            network_.send(pair->client, Bytes(how.bytes, std::byte{0x15}));
            drop(pair, false);
        } else if (!how.authorization.empty() &&
                   pair->up.header("Proxy-Authorization") != how.authorization) {
            answer(pair, 407);
        } else if (how.status != 200 || !pair->up.head().starts_with("CONNECT ")) {
            answer(pair, how.status != 200 ? how.status : 400);
        } else {
            pair->tunnelled = true;
            open_onward(pair);
        }
    }
    if (pair->tunnelled && !bytes.empty()) {
        pass_up(pair, bytes);
    }
}

void Relay::from_server(const PairPtr& pair, ByteView bytes) {
    using Found = HttpScan::Found;
    ByteView taken;
    switch (pair->options.manner) {
        case Manner::mute_upgraded:
        case Manner::choke_upgraded: {
            const bool mute = pair->options.manner == Manner::mute_upgraded;
            for (Found found{}; !(mute && pair->upgraded) &&
                                (found = pair->down.next(bytes, taken)) != Found::more;) {
                if (found == Found::head) {
                    pass_down(pair, as_bytes(pair->down.head()));
                    pair->upgraded = pair->down.status() == 101;
                } else {
                    pass_down(pair, taken);
                }
            }
            return;
        }
        case Manner::buffer: {
            for (Found found{}; (found = pair->down.next(bytes, taken)) != Found::more;) {
                append(pair->held, found == Found::head ? as_bytes(pair->down.head()) : taken);
                if (found == Found::end || found == Found::raw || pair->down.status() == 101) {
                    pass_down(pair, std::exchange(pair->held, {}));
                }
            }
            return;
        }
        case Manner::truncate: {
            const std::size_t left =
                pair->options.bytes - std::min(pair->passed, pair->options.bytes);
            pass_down(pair, bytes.first(std::min(left, bytes.size())));
            if (left <= bytes.size()) {
                drop(pair, false);
            }
            return;
        }
        case Manner::pass:
        case Manner::strip_upgrade:
        case Manner::answer:
        case Manner::garbage:
        case Manner::tunnel:
            pass_down(pair, bytes);
            return;
    }
}

void Relay::pass_up(const PairPtr& pair, ByteView bytes) {
    if (!pair->server_up) {
        append(pair->waiting, bytes);
    } else if (!network_.send(pair->server, bytes)) {
        network_.pause(pair->client);
    }
}

void Relay::pass_down(const PairPtr& pair, ByteView bytes) {
    pair->passed += bytes.size();
    if (!bytes.empty() && !network_.send(pair->client, bytes)) {
        network_.pause(pair->server);
    }
}

}  // namespace holdfast::simulated
