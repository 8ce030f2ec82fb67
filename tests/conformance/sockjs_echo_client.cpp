// Our client's end of SockJS over the real transport, for servers that others wrote: sends
// Envelopes to an echo service, and wants each back once and in order.
#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "firmware/http/message.h"
#include "firmware/sockjs/client.h"
#include "firmware/sockjs/frames.h"
#include "platform/net/connect.h"
#include "platform/system/clock.h"
#include "platform/system/entropy.h"

namespace {

using namespace holdfast;
using sockjs::Client;

/// Envelopes on their way; a server's queue has its limit too.
constexpr unsigned kAhead = 50;

struct Options {
    std::string url = "http://127.0.0.1:8081/echo";
    bool polling = false;
    unsigned count = 1000;
};

class EchoClient;

/// One lane's connection, or the one that is being made.
class Lane final : public ports::StreamHandler {
public:
    Lane(EchoClient& owner, Client::Lane lane, std::string first)
        : owner_(owner), lane_(lane), waiting_(std::move(first)) {}

    static boost::asio::awaitable<void> connect(std::shared_ptr<Lane> self,
                                                net::ConnectOptions options) {
        Result<std::unique_ptr<ports::Stream>> stream = co_await net::connect(std::move(options));
        if (self->abandoned_) {
            co_return;
        }
        if (!stream) {
            self->on_closed(stream.error());
            co_return;
        }
        self->stream_ = *std::move(stream);
        self->stream_->start(*self);
        self->stream_->send(as_bytes(self->waiting_));
    }
    void write(const std::string& bytes) { stream_->send(as_bytes(bytes)); }
    /// It is replaced.
    void abandon() {
        abandoned_ = true;
        if (stream_) {
            stream_->abort();
        }
    }

private:
    void on_bytes(std::span<std::byte> bytes) override;
    void on_closed(const Error& error) override;

    EchoClient& owner_;
    Client::Lane lane_;
    std::string waiting_;  ///< the first request, until there is a connection
    std::unique_ptr<ports::Stream> stream_;
    bool abandoned_ = false;
};

class EchoClient {
public:
    EchoClient(boost::asio::io_context& io, const http::Url& url, const Options& options)
        : io_(io),
          url_(url),
          options_(options),
          timer_(io),
          client_(
              {.authority = url.authority(), .prefix = url.target, .streaming = !options.polling},
              {}, entropy_, system::monotonic_now()) {}

    void receive(Client::Lane lane, ByteView bytes) {
        client_.receive(lane, bytes, system::monotonic_now());
        turn();
    }
    void disconnected(Client::Lane lane, const Error& error) {
        client_.disconnected(lane, system::monotonic_now(), error);
        turn();
    }
    void turn() {
        while (const auto event = client_.next_event()) {
            handle(*event);
        }
        while (client_.is_open() && sent_ < options_.count && sent_ < received_ + kAhead &&
               client_.send(sockjs::envelope_text(envelope(sent_)))) {
            ++sent_;
        }
        while (auto request = client_.next_request(system::monotonic_now())) {
            ask(*std::move(request));
        }
        if (client_.is_closed()) {
            io_.stop();
            return;
        }
        timer_.expires_after(std::max(Duration(), client_.deadline() - system::monotonic_now()));
        timer_.async_wait([this](const boost::system::error_code& error) {
            if (!error) {
                client_.tick(system::monotonic_now());
                turn();
            }
        });
    }
    [[nodiscard]] int report() const {
        if (received_ < options_.count) {
            std::printf("%u of %u came back: %s\n", received_, options_.count, why_.c_str());
            return 1;
        }
        std::printf("%u Envelopes came back by %s, %u connections\n", received_,
                    options_.polling ? "xhr" : "xhr_streaming", connections_);
        return 0;
    }

private:
    /// Any bytes, of any length up to 2,000.
    static Bytes envelope(unsigned number) {
        Bytes bytes(number * 37 % 2000);
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] = static_cast<std::byte>((i * 7 + number) & 0xffu);
        }
        return bytes;
    }
    void handle(const Client::Event& event) {
        if (event.kind == Client::Event::Kind::closed) {
            why_ = event.text;
        } else if (event.kind == Client::Event::Kind::message) {
            const Result<Bytes> bytes = sockjs::envelope_bytes(event.text);
            if (!bytes || *bytes != envelope(received_)) {
                why_ = "another one than the next came";
                client_.close();
            } else if (++received_ == options_.count) {
                client_.close();
            }
        }
    }
    void ask(Client::Request request) {
        std::shared_ptr<Lane>& lane = lanes_[static_cast<std::size_t>(request.lane)];
        if (!request.fresh) {
            lane->write(request.bytes);
            return;
        }
        if (lane) {
            lane->abandon();
            old_.push_back(std::move(lane));
        }
        ++connections_;
        lane = std::make_shared<Lane>(*this, request.lane, std::move(request.bytes));
        net::ConnectOptions connect;
        connect.host = url_.host;
        connect.port = url_.port;
        boost::asio::co_spawn(io_, Lane::connect(lane, std::move(connect)),
                              [](std::exception_ptr) {});
    }

    boost::asio::io_context& io_;
    http::Url url_;
    Options options_;
    boost::asio::steady_timer timer_;
    system::SystemEntropy entropy_;
    Client client_;
    /// Shared with the coroutine that makes the connection.
    std::array<std::shared_ptr<Lane>, 2> lanes_;
    std::vector<std::shared_ptr<Lane>> old_;  ///< may still be on the stack
    unsigned sent_ = 0;
    unsigned received_ = 0;
    unsigned connections_ = 0;
    std::string why_;
};

void Lane::on_bytes(std::span<std::byte> bytes) {
    if (!abandoned_) {
        owner_.receive(lane_, bytes);
    }
}

void Lane::on_closed(const Error& error) {
    if (!abandoned_) {
        owner_.disconnected(lane_, error);
    }
}

int run(const Options& options) {
    const Result<http::Url> url = http::parse_url(options.url);
    if (!url) {
        std::fprintf(stderr, "sockjs_echo_client: %s\n", url.error().message.c_str());
        return 2;
    }
    boost::asio::io_context io;
    EchoClient client(io, *url, options);
    client.turn();
    io.run();
    return client.report();
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App line{"Sends Envelopes to a SockJS echo service, and wants each back."};
    line.add_option("url", options.url, "of the service")->capture_default_str();
    line.add_flag("--polling", options.polling, "by xhr, not by xhr_streaming");
    line.add_option("--count", options.count, "how many")->capture_default_str();
    CLI11_PARSE(line, argc, argv);
    return run(options);
}
