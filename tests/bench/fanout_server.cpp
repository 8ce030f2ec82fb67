// Sends each message that any connection sends to all of them, the speaker included: one encoded
// frame, shared by all receivers. Over the product's own engine and transport.

#include <cstdio>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/intrusive/list.hpp>

#include "firmware/http/message.h"
#include "firmware/websocket/connection.h"
#include "firmware/websocket/handshake.h"
#include "platform/net/listener.h"
#include "platform/net/network_thread.h"
#include "tests/bench/load_lines.h"

using namespace holdfast;

namespace {

class Session;
using Sessions = boost::intrusive::list<Session, boost::intrusive::constant_time_size<false>>;

/// Owns itself: gone when its stream is.
class Session final : public ports::StreamHandler,
                      public boost::intrusive::list_base_hook<
                          boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
public:
    Session(Sessions& all, std::unique_ptr<ports::Stream> stream)
        : all_(all), stream_(std::move(stream)), reader_(std::make_unique<http::RequestReader>()) {
        all_.push_back(*this);
        stream_->start(*this);
    }

    void on_bytes(std::span<std::byte> bytes) override {
        if (reader_) {
            shake_hands(bytes);
        }
        Bytes out;
        while (connection_) {
            const auto event = connection_->next(bytes, out);
            if (!event) {
                break;
            }
            if (event->kind == websocket::Event::Kind::text) {
                send_to_all(websocket::encode_shared(websocket::Opcode::text, event->payload));
            }
        }
        if (!out.empty()) {
            stream_->send(ByteView(out));
        }
    }

    void on_closed(const Error&) override { delete this; }

private:
    void shake_hands(std::span<std::byte>& bytes) {
        ByteView unread = bytes;
        const auto request = reader_->next(unread);
        bytes = bytes.last(unread.size());
        if (!request) {
            stream_->shutdown(std::chrono::seconds(1));
        } else if (*request) {
            const auto answer = websocket::answer(**request, {});
            stream_->send(as_bytes(to_wire(answer.response)));
            reader_.reset();
            connection_.emplace(websocket::Role::server, websocket::Limits{}, nullptr);
        }
    }

    void send_to_all(const SharedBytes& frame) {
        for (Session& session : all_) {
            session.stream_->send(frame);
        }
    }

    Sessions& all_;
    std::unique_ptr<ports::Stream> stream_;
    std::unique_ptr<http::RequestReader> reader_;  ///< until the upgrade
    std::optional<websocket::Connection> connection_;
};

}  // namespace

int main(int argc, char** argv) {
    std::string port;
    CLI::App line("sends every message to all connections");
    line.add_option("--port", port)->required();
    CLI11_PARSE(line, argc, argv);
    bench::raise_descriptor_limit();
    boost::asio::io_context io;
    Sessions sessions;
    net::ListenOptions options;
    options.address = "127.0.0.1:" + port;
    options.max_connections = 19'500;
    const auto listener = net::Listener::open(
        io, std::move(options),
        [&sessions](std::unique_ptr<ports::Stream> stream) {
            new Session(sessions, std::move(stream));
        },
        [](const std::string&, const Error&) {});
    if (!listener) {
        bench::give_up(listener.error().message);
    }
    std::printf("listening on %s\n", (*listener)->address().c_str());
    std::fflush(stdout);
    net::NetworkThread::of(io).run();
    return 0;
}
