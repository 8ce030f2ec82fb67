#include "firmware/websocket/frame.h"

namespace holdfast::websocket {

bool is_sendable(std::uint16_t code) {
    // 1012 to 1014 were registered with IANA after the RFC; 3000 to 4999 belong to libraries and
    // applications (Section 7.4.2).
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

}  // namespace holdfast::websocket
