#include "tests/simulation/push_client.h"

#include <charconv>
#include <utility>

#include "firmware/base/text.h"

namespace holdfast::simulation {

namespace {

using namespace std::chrono_literals;

constexpr Duration kPatience = 45s;
/// Sent and not yet acknowledged.
constexpr std::uint64_t kWindow = 200;

std::string text_of(std::uint64_t first, std::uint64_t last) {
    std::string out = "[";
    for (std::uint64_t n = first; n <= last; ++n) {
        const std::string number = std::to_string(n);
        out += (n == first ? "" : ",");
        out += R"({"channel":")" + std::string(PushClient::kChannel) + R"(","unit":"u","value":)" +
               number + R"(,"n":)" + number + R"(,"time":")" + format_time(PushClient::time_of(n)) +
               R"("})";
    }
    return out + "]";
}

}  // namespace

WallTime PushClient::time_of(std::uint64_t number) {
    constexpr WallTime kStart{std::chrono::sys_days{std::chrono::year{2026} / 10 / 1}};
    return kStart + number * 1s;
}

PushClient::PushClient(Setting& setting, const std::string& node, simulated::Path& path)
    : setting_(setting),
      node_(node),
      name_("pusher-" + node),
      connector_(setting.clock, setting.network,
                 simulated::ConnectorOptions{.from = name_, .direct = &path, .hub = node}) {
    retry(setting.random.between(0us, 3s));
}

PushClient::~PushClient() {
    *alive_ = false;
}

void PushClient::produce(std::uint64_t count) {
    produced_ += count;
    send_on();
}

// ---- The connection

void PushClient::retry(Duration after) {
    setting_.clock.after(after, [this, alive = alive_] {
        if (*alive && !attempt_ && !stream_) {
            connect();
        }
    });
}

void PushClient::connect() {
    attempt_ = connector_.connect(false, [this](Result<std::unique_ptr<ports::Stream>> stream) {
        connected(std::move(stream));
    });
}

void PushClient::connected(Result<std::unique_ptr<ports::Stream>> stream) {
    attempt_.reset();
    if (!stream) {
        retry(setting_.random.between(200ms, 3s));
        return;
    }
    stream_ = *std::move(stream);
    stream_->start(*this);
    ++connection_;
    progress_at_ = setting_.clock.now();
    reader_ = http::ResponseReader();
    websocket::ClientOffer offer;
    offer.host = node_;
    offer.target = "/v1/push?source=" + std::string(kSource);
    handshake_.emplace(std::move(offer), setting_.random);
    stream_->send(as_bytes(handshake_->request()));
    watch();
}

void PushClient::on_bytes(std::span<std::byte> bytes) {
    if (handshake_) {
        ByteView rest = bytes;
        const Result<std::optional<http::Response>> response = reader_.next(rest);
        if (!response || (*response && !handshake_->check(**response))) {
            setting_.violated("protocol", node_ + " does not take a push connection");
            return;
        }
        if (!*response) {
            return;
        }
        handshake_.reset();
        socket_.emplace(websocket::Role::client, websocket::Limits{}, &setting_.random);
        bytes = bytes.last(rest.size());
    }
    using Kind = websocket::Event::Kind;
    Bytes out;
    while (stream_) {
        const std::optional<websocket::Event> event = socket_->next(bytes, out);
        if (!event) {
            break;
        }
        if (event->kind == Kind::text) {
            heard(as_text(event->payload));
        } else if (event->kind == Kind::close) {
            drop(setting_.random.between(100ms, 3s));
        } else if (event->kind == Kind::error || event->kind == Kind::binary) {
            setting_.violated(
                "protocol", node_ + " broke the WebSocket protocol: " + std::string(event->reason));
            return;
        }
    }
    if (stream_ && !out.empty()) {
        stream_->send(out);
    }
}

void PushClient::on_writable() {
    full_ = false;
    send_on();
}

void PushClient::on_closed(const Error&) {
    drop(setting_.random.between(100ms, 3s));
}

void PushClient::drop(Duration retry_after) {
    stream_.reset();
    handshake_.reset();
    greeted_ = full_ = false;
    ++connection_;
    retry(retry_after);
}

/// A connection on which nothing moves any more is given up.
void PushClient::watch() {
    setting_.clock.after(kPatience, [this, alive = alive_, connection = connection_] {
        if (!*alive || connection != connection_) {
            return;
        }
        const bool waits = !greeted_ || through_ < produced_;
        if (!waits) {
            progress_at_ = setting_.clock.now();
        } else if (setting_.clock.now() - progress_at_ >= kPatience) {
            drop(1s);
            return;
        }
        watch();
    });
}

// ---- Readings

void PushClient::heard(std::string_view answer) {
    constexpr std::string_view kThrough = R"({"through":)";
    if (!answer.starts_with(kThrough)) {
        setting_.say(name_, "is told " + std::string(answer));
        drop(setting_.random.between(500ms, 3s));  // the node cannot store at present
        return;
    }
    std::uint64_t through = 0;
    answer.remove_prefix(kThrough.size());
    std::from_chars(answer.data(), answer.data() + answer.size(), through);
    if (through < through_ || through > produced_) {
        setting_.violated("a source's readings once",
                          node_ + " tells its pusher " + std::to_string(through) + ", which knew " +
                              std::to_string(through_));
    }
    through_ = through;
    progress_at_ = setting_.clock.now();
    if (!std::exchange(greeted_, true)) {
        sent_ = through_;
    }
    send_on();
}

void PushClient::send_on() {
    while (stream_ && greeted_ && !full_ && sent_ < produced_ && sent_ < through_ + kWindow) {
        const std::uint64_t first = sent_ + 1;
        sent_ = std::min(produced_, sent_ + 1 + setting_.random.below(5));
        Bytes out;
        socket_->send_text(text_of(first, sent_), out);
        full_ = !stream_->send(out);
    }
}

}  // namespace holdfast::simulation
