#include "tests/bench/upgrade_gate.h"

#include <utility>

namespace holdfast::bench {

using namespace std::chrono_literals;
using simulated::SocketId;

Gate::Gate(simulated::Network& network, const Hurdle& hurdle, simulated::Path onward)
    : network_(network), hurdle_(hurdle), onward_(std::move(onward)) {
    network_.listen("gate", [this](SocketId socket, const std::string&) {
        heads_[socket];
        return static_cast<simulated::Handler*>(this);
    });
}

void Gate::connected(SocketId server) {
    network_.send(server, as_bytes(std::exchange(waiting_[server], {})));
    waiting_.erase(server);
}

void Gate::received(SocketId socket, std::span<std::byte> bytes) {
    if (const auto head = heads_.find(socket); head != heads_.end()) {
        read_head(socket, head->second, bytes);
    } else if (const auto peer = peers_.find(socket); peer == peers_.end()) {
        return;
    } else if (const auto waits = waiting_.find(peer->second); waits != waiting_.end()) {
        waits->second.append(as_text(bytes));
    } else {
        network_.send(peer->second, bytes);
    }
}

void Gate::ended(SocketId socket, const Error& error) {
    heads_.erase(socket);
    waiting_.erase(socket);
    if (const auto found = peers_.find(socket); found != peers_.end()) {
        const SocketId peer = found->second;
        forget(peer);
        error.code == ErrorCode::closed ? network_.shut(peer) : network_.abort(peer);
    }
}

void Gate::read_head(SocketId socket, simulated::HttpScan& scan, ByteView bytes) {
    ByteView taken;
    if (scan.next(bytes, taken) != simulated::HttpScan::Found::head) {
        return;
    }
    const std::string head = scan.head();
    const bool upgrade = !scan.header("Upgrade").empty();
    const bool muted = peers_.contains(socket);
    heads_.erase(socket);
    if (muted) {
        network_.send(peers_.at(socket), as_bytes(head));
        peers_.erase(peers_.at(socket));
        peers_.erase(socket);
    } else if (!upgrade || hurdle_.block == Block::nothing || hurdle_.block == Block::mute) {
        const SocketId server = network_.connect("gate", onward_, *this, 10s);
        peers_[socket] = server;
        peers_[server] = socket;
        waiting_[server] = head + std::string(as_text(bytes));
        if (upgrade && hurdle_.block == Block::mute) {
            heads_[server];
        }
    } else {
        refuse(socket);
    }
}

void Gate::refuse(SocketId socket) {
    static const std::string kPage = "<html>" + std::string(1000, ' ') + "</html>";
    switch (hurdle_.block) {
        case Block::answer:
            network_.send(
                socket,
                as_bytes("HTTP/1.1 " + std::to_string(hurdle_.status) + " As it pleases\r\n" +
                         (hurdle_.status == 302 ? "Location: http://portal/\r\n" : "") +
                         "Content-Type: text/html\r\nConnection: close\r\nContent-Length: " +
                         std::to_string(kPage.size()) + "\r\n\r\n" + kPage));
            network_.shut(socket);
            return;
        case Block::reset:
            network_.abort(socket);
            return;
        case Block::finish:
            network_.shut(socket);
            return;
        case Block::silence:
        case Block::nothing:
        case Block::mute:
            return;
    }
}

void Gate::forget(SocketId socket) {
    if (const auto found = peers_.find(socket); found != peers_.end()) {
        peers_.erase(found->second);
        peers_.erase(socket);
    }
    heads_.erase(socket);
    waiting_.erase(socket);
}

}  // namespace holdfast::bench
