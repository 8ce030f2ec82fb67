// A peer's bytes into a connection, without extension: what happens and what is answered does not
// depend on where the line cuts, and no more is buffered than the limit allows.
#include "firmware/websocket/connection.h"
#include "tests/firmware/websocket/support.h"
#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::websocket;

namespace {

constexpr std::size_t kControlFrame = 256;

struct Setup {
    Role role;
    Limits limits;
    bool closing;  ///< our close frame was sent before
};

Outcome outcome(const Setup& setup, ByteView stream, fuzz::Input cuts) {
    SeededEntropy entropy(1);
    Connection connection(setup.role, setup.limits, &entropy);
    Outcome outcome;
    if (setup.closing) {
        connection.close(CloseCode::going_away, "bye", outcome.out);
    }
    fuzz::in_pieces(stream, cuts, [&](std::span<std::byte> piece) {
        while (const auto event = connection.next(piece, outcome.out)) {
            HOLDFAST_CHECK(event->payload.size() <=
                           std::max<std::uint64_t>(setup.limits.message_size_bytes, 125));
            outcome.events.push_back(seen(*event));
        }
        HOLDFAST_CHECK(piece.empty());
        // A buffer that grows is at most twice as large as what it holds.
        HOLDFAST_CHECK(connection.buffered_bytes() <=
                       2 * setup.limits.message_size_bytes + kControlFrame);
    });
    outcome.closed = connection.closed();
    HOLDFAST_CHECK(!outcome.closed || connection.close_sent());
    return outcome;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const unsigned mode = input.byte();
    const Setup setup{.role = (mode & 1u) != 0 ? Role::client : Role::server,
                      .limits = {.message_size_bytes = (mode & 2u) != 0 ? 100u : 2000u},
                      .closing = (mode & 4u) != 0};
    const fuzz::Input cuts(input.take(input.byte() % 32));
    const Outcome whole = outcome(setup, input.rest(), fuzz::Input(ByteView{}));
    HOLDFAST_CHECK(outcome(setup, input.rest(), cuts) == whole);
    const Bytes ones(input.rest().size(), std::byte{1});
    HOLDFAST_CHECK(outcome(setup, input.rest(), fuzz::Input(ByteView(ones))) == whole);

    // What we answer is itself what a peer of ours understands.
    SeededEntropy entropy(2);
    Connection peer(setup.role == Role::client ? Role::server : Role::client, {}, &entropy);
    std::vector<Seen> seen;
    Bytes unused;
    feed(peer, whole.out, seen, unused);
    HOLDFAST_CHECK(std::ranges::none_of(
        seen, [](const Seen& event) { return event.kind == Event::Kind::error; }));
    return 0;
}
