#include "firmware/sockjs/transport.h"

#include "firmware/sockjs/frames.h"

namespace holdfast::sockjs {
namespace {

/// What scripts of the page may hold: a message must not end the script that it stands in.
std::string quoted_in_html(std::string_view frame) {
    std::string out;
    for (const char c : quoted(frame)) {
        if (c == '<') {
            out += "\\u003c";
        } else {
            out.push_back(c);
        }
    }
    return out;
}

std::string htmlfile_head(std::string_view callback) {
    std::string out =
        "<!doctype html>\n"
        "<html><head>\n"
        "  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n"
        "  <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n"
        "</head><body><h2>Don't panic!</h2>\n"
        "  <script>\n"
        "    document.domain = document.domain;\n"
        "    var c = parent.";
    out += callback;
    out +=
        ";\n"
        "    c.start();\n"
        "    function p(d) {c.message(d);};\n"
        "    window.onload = function() {c.stop();};\n"
        "  </script>\n";
    constexpr std::size_t kSizeBytes = 1024;  // more than this is shown at once
    if (out.size() < kSizeBytes) {
        out.append(kSizeBytes - out.size(), ' ');
    }
    return out + "\r\n\r\n";
}

}  // namespace

std::string_view content_type(Transport transport) {
    switch (transport) {
        case Transport::eventsource:
            return "text/event-stream; charset=UTF-8";
        case Transport::htmlfile:
            return "text/html; charset=UTF-8";
        case Transport::xhr:
        case Transport::xhr_streaming:
        case Transport::jsonp:
        case Transport::websocket:
        case Transport::raw_websocket:
            break;
    }
    return "application/javascript; charset=UTF-8";
}

std::string prelude(Transport transport, std::string_view callback) {
    switch (transport) {
        case Transport::xhr_streaming:
            return std::string(2048, 'h') + "\n";
        case Transport::eventsource:
            return "\r\n";
        case Transport::htmlfile:
            return htmlfile_head(callback);
        case Transport::xhr:
        case Transport::jsonp:
        case Transport::websocket:
        case Transport::raw_websocket:
            break;
    }
    return {};
}

std::string wrapped(Transport transport, std::string frame, std::string_view callback) {
    switch (transport) {
        case Transport::xhr:
        case Transport::xhr_streaming:
            frame.push_back('\n');
            break;
        case Transport::eventsource:
            return "data: " + frame + "\r\n\r\n";
        case Transport::htmlfile:
            return "<script>\np(" + quoted_in_html(frame) + ");\n</script>\r\n";
        case Transport::jsonp:
            return std::string(callback) + "(" + quoted(frame) + ");\r\n";
        case Transport::websocket:
        case Transport::raw_websocket:
            break;
    }
    return frame;
}

}  // namespace holdfast::sockjs
