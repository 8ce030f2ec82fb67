#include "firmware/uplink/passage.h"

#include "firmware/uplink/sockjs_passage.h"
#include "firmware/uplink/websocket_passage.h"

namespace holdfast::uplink {

LineEnd end_of_stream(ErrorCode code) {
    switch (code) {
        case ErrorCode::io:
            return {EndKind::reset, 0};
        case ErrorCode::timeout:
            return {EndKind::unanswered, 0};
        default:
            return {EndKind::finished, 0};
    }
}

std::unique_ptr<Passage> make_passage(PassageOptions options, ports::Entropy& entropy,
                                      websocket::DeflateContexts& contexts, Instant now) {
    if (options.path.transport == Transport::websocket) {
        return std::make_unique<WebSocketPassage>(std::move(options), entropy, contexts, now);
    }
    return std::make_unique<SockJsPassage>(std::move(options), entropy, now);
}

}  // namespace holdfast::uplink
