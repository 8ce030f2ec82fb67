#include "firmware/uplink/path/path.h"

namespace holdfast::uplink {

std::string name(Path path) {
    std::string text = path.proxied ? "proxy" : "direct";
    switch (path.transport) {
        case Transport::websocket:
            break;
        case Transport::xhr_streaming:
            text += "+xhr_streaming";
            break;
        case Transport::xhr:
            text += "+xhr";
            break;
    }
    return text;
}

std::optional<Path> path_from_name(std::string_view text) {
    for (const bool proxied : {false, true}) {
        for (const Transport transport :
             {Transport::websocket, Transport::xhr_streaming, Transport::xhr}) {
            const Path path{proxied, transport};
            if (name(path) == text) {
                return path;
            }
        }
    }
    return std::nullopt;
}

}  // namespace holdfast::uplink
