// Our client against our server, with whatever deflate they negotiate, over a line that cuts
// anywhere: every message arrives once, in order and equal, closes agree, and both ends are closed.
#include "firmware/websocket/connection.h"
#include "firmware/websocket/handshake.h"
#include "tests/firmware/websocket/support.h"
#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::websocket;

namespace {

DeflatePolicy policy(fuzz::Input& input) {
    const unsigned code = input.byte();
    return {.enabled = code % 4 != 0,
            .context_takeover = (code & 4u) != 0,
            .max_window_bits = 9 + static_cast<int>(code >> 3u) % 7,
            .threshold_bytes = (code & 64u) != 0 ? 0u : 16u};
}

struct Agreements {
    std::optional<DeflateAgreement> client, server;
};

/// As the two handshakes do it.
Agreements negotiate(const DeflatePolicy& client, const DeflatePolicy& server) {
    const auto answer = answer_deflate(client.enabled ? deflate_offer(client) : "", server);
    const auto agreed = check_deflate(answer ? answer->header : "", client);
    HOLDFAST_CHECK(agreed.has_value());
    HOLDFAST_CHECK(agreed->has_value() == answer.has_value());
    HOLDFAST_CHECK(answer.has_value() == (client.enabled && server.enabled));
    if (!answer) {
        return {};
    }
    // A sender may use less than the receiver is ready for, never more.
    const auto fits = [](const DeflateAgreement::Direction& send,
                         const DeflateAgreement::Direction& receive) {
        return send.window_bits <= receive.window_bits &&
               (!send.context_takeover || receive.context_takeover);
    };
    HOLDFAST_CHECK(fits((*agreed)->send, answer->agreement.receive));
    HOLDFAST_CHECK(fits(answer->agreement.send, (*agreed)->receive));
    return {*agreed, answer->agreement};
}

class Peer {
public:
    Peer(Role role, const std::optional<DeflateAgreement>& agreement)
        : role_(role),
          entropy_(static_cast<std::uint64_t>(role)),
          connection_(role, {}, &entropy_,
                      agreement ? std::make_unique<Deflate>(contexts_, *agreement) : nullptr) {}

    void act(fuzz::Input& input) {
        const unsigned what = input.byte();
        const Bytes message = content(input, what % 8 == 1 || what % 8 == 2);
        const auto compression = (what & 8u) != 0 ? Compression::off : Compression::automatic;
        switch (what % 8) {
            case 0:
                connection_.release_compressor();
                return;
            case 1:
            case 2:
                expect(Event::Kind::text, message,
                       connection_.send_text(as_text(message), sending_, compression));
                return;
            case 3:
                ping(message);
                return;
            case 4:
                if (role_ == Role::server) {
                    const bool sent =
                        connection_.begin_message(Opcode::binary, message.size(), sending_);
                    append(sending_, sent ? ByteView(message) : ByteView());
                    expect(Event::Kind::binary, message, sent);
                    return;
                }
                break;
            case 5:
                if ((what & 0x70u) == 0) {
                    close(kCodes.at(input.below(kCodes.size())), as_text(message));
                    return;
                }
                break;
            default:
                break;
        }
        const std::size_t cut = input.below(message.size() + 1);
        expect(Event::Kind::binary, message,
               connection_.send_binary(ByteView(message).first(cut), ByteView(message).subspan(cut),
                                       sending_, compression));
    }

    /// Closes, unless that was done.
    void finish() { close(CloseCode::normal, "done"); }

    /// All that waits goes to the other.
    void deliver(Peer& to, fuzz::Input& input) {
        fuzz::Input cuts(input.take(input.byte() % 16));
        const Bytes bytes = std::exchange(sending_, {});
        fuzz::in_pieces(bytes, cuts, [&to](std::span<std::byte> piece) { to.receive(piece); });
        HOLDFAST_CHECK(!to.connection_.in_message() && to.connection_.buffered_bytes() == 0);
    }

    /// This one saw what the other gave, all of it until this one's close, nothing else.
    void compare(const Peer& other) const {
        HOLDFAST_CHECK(connection_.closed());
        HOLDFAST_CHECK(seen_ == other.given_);
        HOLDFAST_CHECK(close_seen_ && pongs_ <= other.pings_seen_);
        // Whose close came first is answered with its own code.
        HOLDFAST_CHECK(close_seen_->code == other.close_code_.value_or(close_code_.value_or(0)));
    }

private:
    static constexpr std::array kCodes{CloseCode::normal,    CloseCode::going_away,
                                       CloseCode::no_status, CloseCode::message_too_big,
                                       CloseCode{3000},      CloseCode{4999}};

    static Bytes content(fuzz::Input& input, bool text) {
        const unsigned shape = input.byte();
        const ByteView pattern = input.take(shape % 32);
        const std::size_t times = (shape & 32u) != 0 ? 1 + input.number(2) % 3000 : 1;
        Bytes out;
        for (std::size_t i = 0; i < times && out.size() < 70'000; ++i) {
            append(out, pattern);
        }
        Utf8Validator validator;
        if (text && !(validator.feed(out) && validator.complete())) {
            for (std::byte& byte : out) {
                byte &= std::byte{0x7f};
            }
        }
        return out;
    }

    void expect(Event::Kind kind, const Bytes& payload, bool sent) {
        HOLDFAST_CHECK(sent == !(close_code_ || close_seen_));
        if (sent) {
            given_.push_back({kind, std::string(as_text(payload))});
        }
    }

    void ping(const Bytes& payload) {
        const ByteView most = ByteView(payload).first(std::min<std::size_t>(payload.size(), 125));
        expect(Event::Kind::ping, {most.begin(), most.end()},
               connection_.send_ping(most, sending_));
    }

    void close(CloseCode code, std::string_view reason) {
        if (!connection_.close_sent()) {
            close_code_ = static_cast<std::uint16_t>(code);
        }
        std::string clean(reason);
        for (char& c : clean) {
            c = static_cast<char>(c & 0x7f);
        }
        connection_.close(code, clean, sending_);
    }

    void receive(std::span<std::byte> piece) {
        while (const auto event = connection_.next(piece, sending_)) {
            switch (event->kind) {
                case Event::Kind::error:
                    std::fprintf(stderr, "%.*s\n", static_cast<int>(event->reason.size()),
                                 event->reason.data());
                    HOLDFAST_CHECK(false);
                    break;
                case Event::Kind::close:
                    HOLDFAST_CHECK(!close_seen_);
                    close_seen_ = seen(*event);
                    break;
                case Event::Kind::pong:
                    ++pongs_;
                    break;
                case Event::Kind::ping:
                    ++pings_seen_;
                    [[fallthrough]];
                case Event::Kind::text:
                case Event::Kind::binary:
                    HOLDFAST_CHECK(!close_seen_);
                    seen_.push_back(seen(*event));
                    break;
            }
        }
    }

    Role role_;
    SeededEntropy entropy_;
    DeflateContexts contexts_;
    Connection connection_;
    Bytes sending_;
    std::vector<Seen> given_;
    std::vector<Seen> seen_;
    std::optional<Seen> close_seen_;
    std::optional<std::uint16_t> close_code_;  ///< if this one closed before the other did
    std::size_t pings_seen_ = 0;
    std::size_t pongs_ = 0;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const DeflatePolicy client_policy = policy(input);
    const DeflatePolicy server_policy = policy(input);
    const Agreements agreed = negotiate(client_policy, server_policy);
    Peer client(Role::client, agreed.client);
    Peer server(Role::server, agreed.server);
    while (!input.empty()) {
        switch (input.byte() % 8) {
            case 0:
                client.deliver(server, input);
                break;
            case 1:
                server.deliver(client, input);
                break;
            case 2:
            case 3:
            case 4:
                client.act(input);
                break;
            default:
                server.act(input);
                break;
        }
    }
    client.finish();
    for (int turn = 0; turn < 3; ++turn) {
        client.deliver(server, input);
        server.deliver(client, input);
    }
    client.compare(server);
    server.compare(client);
    return 0;
}
