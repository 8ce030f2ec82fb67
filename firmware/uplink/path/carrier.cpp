#include "firmware/uplink/path/carrier.h"

#include "firmware/uplink/path/sockjs_carrier.h"
#include "firmware/uplink/path/websocket_carrier.h"

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

std::unique_ptr<Carrier> make_carrier(CarrierOptions options, ports::Entropy& entropy,
                                      websocket::DeflateContexts& contexts, Instant now) {
    if (options.path.transport == Transport::websocket) {
        return std::make_unique<WebSocketCarrier>(std::move(options), entropy, contexts, now);
    }
    return std::make_unique<SockJsCarrier>(std::move(options), entropy, now);
}

}  // namespace holdfast::uplink
