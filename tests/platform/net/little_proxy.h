#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "firmware/http/proxy.h"
#include "tests/platform/net/loopback.h"

namespace holdfast::net {

/// A forward proxy on a port of its own, which answers CONNECT as it is told and then hands on what
/// comes, both ways, to a port of this machine.
class LittleProxy {
    using tcp = boost::asio::ip::tcp;
    using error_code = boost::system::error_code;

public:
    std::string answer = "HTTP/1.1 200 Connection established\r\n\r\n";
    std::size_t piece_bytes = 1u << 20;  ///< of the answer, each sent on its own
    std::chrono::milliseconds pause{1};  ///< between pieces
    bool repeats = false;                ///< the answer has no end
    bool hangs_up = false;               ///< after the answer
    bool resets = false;                 ///< and does so with RST
    std::uint16_t relays_to = 0;         ///< 0: it keeps what comes

    std::string request;   ///< up to its empty line
    std::string received;  ///< what came behind it, if not relayed
    bool client_gone = false;

    explicit LittleProxy(Loopback& net)
        : acceptor_(net.io, {boost::asio::ip::make_address("127.0.0.1"), 0}),
          client_(net.io),
          far_(net.io),
          timer_(net.io) {
        acceptor_.async_accept(client_, [this](const error_code& error) {
            if (!error) {
                read_request();
            }
        });
    }

    [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
    [[nodiscard]] http::Proxy settings() const {
        return {.host = "127.0.0.1", .port = port(), .user = {}, .password = {}};
    }

private:
    void read_request() {
        client_.async_read_some(boost::asio::buffer(from_client_),
                                [this](const error_code& error, std::size_t size) {
                                    client_gone = client_gone || error;
                                    received.append(from_client_.data(), size);
                                    const std::size_t end = received.find("\r\n\r\n");
                                    if (end != std::string::npos && request.empty()) {
                                        request = received.substr(0, end + 4);
                                        received.erase(0, end + 4);
                                        give_answer(0);
                                    }
                                    if (!error && (relays_to == 0 || request.empty())) {
                                        read_request();
                                    }
                                });
    }

    void give_answer(std::size_t at) {
        if (at >= answer.size() && repeats) {
            at = 0;
        }
        if (at >= answer.size()) {
            answered();
            return;
        }
        const std::string piece = answer.substr(at, piece_bytes);
        error_code error;
        boost::asio::write(client_, boost::asio::buffer(piece), error);
        if (error) {
            client_gone = true;
            return;
        }
        timer_.expires_after(pause);
        timer_.async_wait([this, next = at + piece.size()](const error_code& cancelled) {
            if (!cancelled) {
                give_answer(next);
            }
        });
    }

    void answered() {
        error_code ignored;
        if (resets) {
            client_.set_option(boost::asio::socket_base::linger(true, 0), ignored);
        }
        if (hangs_up || resets) {
            client_.close(ignored);
        }
        if (relays_to != 0) {
            far_.connect({boost::asio::ip::make_address("127.0.0.1"), relays_to});
            relay(client_, far_, from_client_);
            relay(far_, client_, from_far_);
        }
    }

    static void relay(tcp::socket& from, tcp::socket& to, std::array<char, 4096>& buffer) {
        from.async_read_some(
            boost::asio::buffer(buffer), [&](const error_code& error, std::size_t size) {
                error_code ignored;
                if (error) {
                    to.shutdown(tcp::socket::shutdown_send, ignored);
                    return;
                }
                boost::asio::write(to, boost::asio::buffer(buffer.data(), size), ignored);
                relay(from, to, buffer);
            });
    }

    tcp::acceptor acceptor_;
    tcp::socket client_;
    tcp::socket far_;
    boost::asio::steady_timer timer_;
    std::array<char, 4096> from_client_{};
    std::array<char, 4096> from_far_{};
};

}  // namespace holdfast::net
