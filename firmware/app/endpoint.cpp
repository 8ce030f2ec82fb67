#include "firmware/app/endpoint.h"

#include <algorithm>
#include <list>
#include <utility>

#include "firmware/app/node.h"
#include "firmware/hub/presence.h"

namespace holdfast::app {

namespace {

using websocket::CloseCode;
using websocket::Opcode;

line::HubEndOptions line_options(const Config& config) {
    line::HubEndOptions options;
    options.max_batch_bytes = std::min(options.max_batch_bytes, config.journal.max_size_bytes / 8);
    return options;
}

class LineEndpoint final : public Endpoint {
public:
    LineEndpoint(Node& node, line::Admission admission)
        : node_(node),
          line_(node.journal(), std::move(admission), line_options(node.config())),
          presence_(node.shared(), line_) {}

    std::optional<Close> received(Opcode opcode, ByteView payload, Now now) override {
        if (opcode != Opcode::binary) {
            return Close{CloseCode::unsupported_data, "a line carries binary messages"};
        }
        // A clock that was never set must not be told to devices as the time.
        now.wall = node_.wall(now);
        const Result<void> result = line_.received(payload, now);
        presence_.follow(now.wall);
        if (!result) {
            const bool forbidden = result.error().code == ErrorCode::unauthorized;
            return Close{forbidden ? CloseCode::policy_violation : CloseCode::protocol_error,
                         result.error().message};
        }
        return std::nullopt;
    }
    void durable() override { line_.durable(); }
    bool waits() const override { return line_.waits(); }
    std::optional<Message> next_message() override {
        std::optional<Bytes> message = line_.next_message();
        return message ? std::optional(Message{Opcode::binary, *std::move(message)}) : std::nullopt;
    }
    line::HubEnd* line() override { return &line_; }

private:
    Node& node_;
    line::HubEnd line_;
    hub::Presence presence_;
};

class PushEndpoint final : public Endpoint {
public:
    PushEndpoint(Node& node, std::string source)
        : node_(node),
          session_(node.shared(), std::move(source),
                   {.text_size_bytes =
                        static_cast<std::size_t>(node.config().listen->max_message_bytes)}) {
        say(session_.greeting());
    }

    std::optional<Close> received(Opcode opcode, ByteView payload, Now now) override {
        if (opcode != Opcode::text) {
            return Close{CloseCode::unsupported_data, "readings are pushed as JSON text"};
        }
        say(session_.received(as_text(payload), node_.stamp(), now.monotonic));
        return std::nullopt;
    }
    void durable() override { say(session_.durable()); }
    bool waits() const override { return !session_.idle(); }
    std::optional<Message> next_message() override {
        if (answers_.empty()) {
            return std::nullopt;
        }
        const std::string answer = std::move(answers_.front());
        answers_.pop_front();
        const ByteView bytes = as_bytes(answer);
        return Message{Opcode::text, Bytes(bytes.begin(), bytes.end())};
    }

private:
    void say(std::optional<std::string> answer) {
        if (answer) {
            answers_.push_back(*std::move(answer));
        }
    }

    Node& node_;
    hub::PushSession session_;
    std::list<std::string> answers_;
};

class LiveEndpoint final : public Endpoint {
public:
    LiveEndpoint(Node& node, std::string device) : feed_(node.live()), device_(std::move(device)) {
        feed_.add_listener();
    }
    ~LiveEndpoint() override { feed_.remove_listener(); }
    LiveEndpoint(const LiveEndpoint&) = delete;
    LiveEndpoint& operator=(const LiveEndpoint&) = delete;

    std::optional<Close> received(Opcode, ByteView, Now) override {
        return Close{CloseCode::policy_violation, "nothing is to be sent on a live feed"};
    }
    bool gives_readings() const override { return false; }
    const std::string* listens_to() const override { return &device_; }

private:
    hub::LiveFeed& feed_;
    std::string device_;
};

}  // namespace

std::unique_ptr<Endpoint> make_line(Node& node, line::Admission admission) {
    return std::make_unique<LineEndpoint>(node, std::move(admission));
}

std::unique_ptr<Endpoint> make_push(Node& node, std::string source) {
    return std::make_unique<PushEndpoint>(node, std::move(source));
}

std::unique_ptr<Endpoint> make_live(Node& node, std::string device) {
    return std::make_unique<LiveEndpoint>(node, std::move(device));
}

}  // namespace holdfast::app
