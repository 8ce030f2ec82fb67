// Responses, in pieces, into the client's end of SockJS: what happens does not depend on how they
// were cut, what is kept stays within the limits, and nothing happens after the end.
#include <algorithm>
#include <utility>

#include "firmware/sockjs/client.h"
#include "firmware/sockjs/frames.h"
#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::sockjs;

namespace {

/// What surrounds chunks is measured as it is kept, which depends on the cuts: it is never reached.
constexpr ClientLimits kLimits{.head_bytes = 1u << 16,
                               .frame_bytes = 256,
                               .messages_per_frame = 8,
                               .queue_bytes = 64,
                               .request_bytes = 32};

class Zero final : public ports::Entropy {
public:
    void fill(std::span<std::byte> bytes) override { std::ranges::fill(bytes, std::byte{}); }
};

/// Everything that happens, as text.
std::string run(fuzz::Input input, bool cut) {
    Zero entropy;
    Instant now{};
    const unsigned mode = input.byte();
    ClientOptions options{.authority = "here", .prefix = "/s", .streaming = mode % 2 == 0};
    if (mode % 4 >= 2) {
        options.greeting = "YQ==";
        options.greeting_header = {"Greeting", "taken"};
    }
    Client client(std::move(options), kLimits, entropy, now);
    std::string told;
    bool closed = false;
    bool opened = false;
    const auto drain = [&] {
        while (const auto event = client.next_event()) {
            using Kind = Client::Event::Kind;
            HOLDFAST_CHECK(!closed && event->text.size() <= kLimits.frame_bytes);
            HOLDFAST_CHECK(opened == (event->kind == Kind::message) || event->kind == Kind::closed);
            opened = opened || event->kind == Kind::opened;
            closed = event->kind == Kind::closed;
            HOLDFAST_CHECK(!closed || !event->text.empty());
            // Why depends on what is seen first; that it ends does not.
            told += closed ? "closed" : event->text + "\n";
        }
        HOLDFAST_CHECK(client.is_closed() == closed);
    };
    while (!input.empty()) {
        while (const auto request = client.next_request(now)) {
            HOLDFAST_CHECK(!closed && request->bytes.size() < 1024);
        }
        const unsigned what = input.byte();
        const auto lane = static_cast<Client::Lane>(what % 2);
        if (what / 2 % 8 == 0) {
            static_cast<void>(client.send(std::string(input.byte() % 40, 'x')));
            HOLDFAST_CHECK(client.unsent_bytes() <= 2 * kLimits.queue_bytes);
        } else if (what / 2 % 8 == 1) {
            client.disconnected(lane, now);
        } else {
            const fuzz::Input cuts(input.take(input.byte() % 8));
            const ByteView bytes = input.take(input.number(2) % 1024);
            fuzz::Input where = cut ? cuts : fuzz::Input(ByteView{});
            fuzz::in_pieces(bytes, where, [&](std::span<std::byte> piece) {
                client.receive(lane, piece, now);
                drain();
            });
        }
        drain();
    }
    return told;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const fuzz::Input input(data, size);
    HOLDFAST_CHECK(run(input, false) == run(input, true));
    const auto frame = read_server_frame(as_text(input.rest()), kLimits.messages_per_frame);
    HOLDFAST_CHECK(frame || !frame.error().message.empty());
    return 0;
}
