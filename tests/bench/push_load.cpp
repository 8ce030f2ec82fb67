// Pushes readings as JSON through one connection of /v1/push, as fast as the node takes them, and
// counts what it acknowledges. Over the product's own WebSocket engine and transport, so that the
// client is not what limits. One JSON object on standard output.

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "firmware/base/text.h"
#include "firmware/http/message.h"
#include "firmware/websocket/connection.h"
#include "firmware/websocket/handshake.h"
#include "platform/net/connect.h"
#include "platform/system/entropy.h"
#include "tests/bench/samples.h"

using namespace holdfast;

namespace {

struct Load {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    std::string kind = "ten";
    std::size_t readings = 1'000'000;
    std::size_t per_message = 100;
    std::size_t window = 20'000;
};

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "push_load: %s\n", why.c_str());
    std::exit(1);
}

std::string reading_json(const bench::Sample& sample, const std::string& unit) {
    const WallTime time{std::chrono::microseconds(sample.time_us)};
    std::string out = R"({"channel":"sensor-)" + std::to_string(sample.sensor) + R"(","value":)" +
                      sample.text + R"(,"time":")" + format_time(time) + '"';
    if (!unit.empty()) {
        out += R"(,"unit":")" + unit + '"';
    }
    return out + "}";
}

/// All messages are made before the clock starts.
std::vector<std::string> messages(const bench::Samples& samples, std::size_t per_message) {
    std::vector<std::string> made;
    for (std::size_t i = 0; i < samples.rows.size(); ++i) {
        const bool first = i % per_message == 0;
        const bool last = (i + 1) % per_message == 0 || i + 1 == samples.rows.size();
        if (first) {
            made.emplace_back("[");
        }
        made.back() += reading_json(samples.rows[i], samples.unit);
        made.back() += last ? "]" : ",";
    }
    return made;
}

class Pusher final : public ports::StreamHandler {
public:
    Pusher(boost::asio::io_context& io, std::vector<std::string> messages, const Load& load,
           std::size_t readings)
        : io_(io),
          messages_(std::move(messages)),
          load_(load),
          readings_(readings),
          handshake_(offer(load), entropy_) {}

    boost::asio::awaitable<void> connect() {
        net::ConnectOptions options;
        options.host = load_.host;
        options.port = load_.port;
        auto stream = co_await net::connect(std::move(options));
        if (!stream) {
            give_up(stream.error().message);
        }
        stream_ = *std::move(stream);
        stream_->start(*this);
        stream_->send(as_bytes(handshake_.request()));
    }

    void on_bytes(std::span<std::byte> bytes) override {
        if (!socket_) {
            ByteView unread = bytes;
            const auto response = head_.next(unread);
            if (!response) {
                give_up(response.error().message);
            }
            if (!*response) {
                return;
            }
            if (const auto agreed = handshake_.check(**response); !agreed) {
                give_up(agreed.error().message);
            }
            bytes = bytes.last(unread.size());
            socket_.emplace(websocket::Role::client, websocket::Limits{}, &entropy_);
            began_ = std::chrono::steady_clock::now();
        }
        Bytes out;
        while (const auto event = socket_->next(bytes, out)) {
            if (event->kind != websocket::Event::Kind::text) {
                give_up("the node ended the line");
            }
            take_answer(as_text(event->payload));
        }
        if (acknowledged_ == readings_) {
            report();
            stream_->abort();
            io_.stop();
            return;
        }
        push();
    }

    void on_writable() override {
        writable_ = true;
        push();
    }

    void on_closed(const Error& error) override { give_up(error.message); }

private:
    static websocket::ClientOffer offer(const Load& load) {
        websocket::ClientOffer made;
        made.host = load.host + ":" + std::to_string(load.port);
        made.target = "/v1/push";
        return made;
    }

    void take_answer(std::string_view text) {
        constexpr std::string_view kAck = R"({"ack":)";
        if (!text.starts_with(kAck)) {
            give_up(std::string(text));
        }
        std::from_chars(text.data() + kAck.size(), text.data() + text.size(), acknowledged_);
    }

    void push() {
        Bytes out;
        while (writable_ && next_ < messages_.size() &&
               next_ * load_.per_message < acknowledged_ + load_.window) {
            socket_->send_text(messages_[next_++], out);
            if (out.size() >= kGatheredBytes) {
                writable_ = stream_->send(out);
                out.clear();
            }
        }
        if (!out.empty()) {
            writable_ = stream_->send(out) && writable_;
        }
    }

    void report() const {
        const double seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
        std::printf("{\"readings\":%zu,\"seconds\":%.6f,\"bytes_sent\":%llu}\n", acknowledged_,
                    seconds, static_cast<unsigned long long>(stream_->bytes_sent()));
    }

    static constexpr std::size_t kGatheredBytes = 64u << 10;

    boost::asio::io_context& io_;
    std::vector<std::string> messages_;
    Load load_;
    std::size_t readings_;
    system::SystemEntropy entropy_;
    websocket::ClientHandshake handshake_;
    http::ResponseReader head_;
    std::optional<websocket::Connection> socket_;
    std::unique_ptr<ports::Stream> stream_;
    std::chrono::steady_clock::time_point began_;
    bool writable_ = true;
    std::size_t next_ = 0;
    std::size_t acknowledged_ = 0;
};

bench::Samples samples_of(const Load& load) {
    if (load.kind == "ten") {
        return bench::ten_sensors(load.readings);
    }
    if (load.kind == "counter") {
        return bench::counter(load.readings);
    }
    if (load.kind == "noise") {
        return bench::noise(load.readings);
    }
    return bench::from_csv(load.kind);
}

}  // namespace

int main(int argc, char** argv) {
    Load load;
    CLI::App line("pushes readings through one connection of /v1/push");
    line.add_option("--host", load.host)->capture_default_str();
    line.add_option("--port", load.port)->required();
    line.add_option("--kind", load.kind, "ten, counter, noise, or a CSV file")
        ->capture_default_str();
    line.add_option("--readings", load.readings)->capture_default_str();
    line.add_option("--per-message", load.per_message)->capture_default_str();
    line.add_option("--window", load.window, "readings sent and not yet acknowledged")
        ->capture_default_str();
    CLI11_PARSE(line, argc, argv);
    const bench::Samples samples = samples_of(load);
    if (samples.rows.empty()) {
        give_up("there is nothing to push");
    }
    boost::asio::io_context io;
    Pusher pusher(io, messages(samples, load.per_message), load, samples.rows.size());
    boost::asio::co_spawn(io, pusher.connect(), boost::asio::detached);
    io.run();
    return 0;
}
