#include "firmware/sockjs/route.h"

#include <algorithm>
#include <array>

namespace holdfast::sockjs {
namespace {

struct SessionPath {
    std::string_view name;
    Route route;
};
constexpr std::array<SessionPath, 8> kSessionPaths{{
    {"websocket", {Endpoint::receive, Transport::websocket}},
    {"xhr", {Endpoint::receive, Transport::xhr}},
    {"xhr_streaming", {Endpoint::receive, Transport::xhr_streaming}},
    {"eventsource", {Endpoint::receive, Transport::eventsource}},
    {"htmlfile", {Endpoint::receive, Transport::htmlfile}},
    {"jsonp", {Endpoint::receive, Transport::jsonp}},
    {"xhr_send", {Endpoint::xhr_send}},
    {"jsonp_send", {Endpoint::jsonp_send}},
}};

bool is_name(std::string_view part) {
    return !part.empty() && part.find('.') == std::string_view::npos;
}

/// "iframe.html", "iframe-0.1.2abc-dirty.2144.html": clients name their version.
bool is_iframe(std::string_view part) {
    constexpr std::string_view kBegin = "iframe";
    constexpr std::string_view kEnd = ".html";
    if (part.size() < kBegin.size() + kEnd.size() || !part.starts_with(kBegin) ||
        !part.ends_with(kEnd)) {
        return false;
    }
    part.remove_prefix(kBegin.size());
    return std::ranges::all_of(part, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    });
}

std::optional<Route> route_of_page(std::string_view part) {
    if (part.empty()) {
        return Route{Endpoint::greeting};
    }
    if (part == "info") {
        return Route{Endpoint::info};
    }
    if (part == "websocket") {
        return Route{Endpoint::receive, Transport::raw_websocket};
    }
    return is_iframe(part) ? std::optional(Route{Endpoint::iframe}) : std::nullopt;
}

}  // namespace

bool is_below(std::string_view target, std::string_view prefix) {
    if (!target.starts_with(prefix)) {
        return false;
    }
    target.remove_prefix(prefix.size());
    return target.empty() || target.front() == '/' || target.front() == '?';
}

std::string_view query_of(std::string_view target) {
    const std::size_t mark = target.find('?');
    return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

std::optional<Route> route(std::string_view target, std::string_view prefix) {
    if (!is_below(target, prefix)) {
        return std::nullopt;
    }
    std::string_view path = target.substr(prefix.size());
    path = path.substr(0, path.find('?'));
    if (path.empty()) {
        return Route{Endpoint::greeting};
    }
    path.remove_prefix(1);
    const std::size_t first = path.find('/');
    if (first == std::string_view::npos) {
        return route_of_page(path);
    }
    const std::string_view server = path.substr(0, first);
    path.remove_prefix(first + 1);
    const std::size_t second = path.find('/');
    if (second == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view session = path.substr(0, second);
    const auto* const found =
        std::ranges::find(kSessionPaths, path.substr(second + 1), &SessionPath::name);
    if (!is_name(server) || !is_name(session) || found == kSessionPaths.end()) {
        return std::nullopt;
    }
    Route result = found->route;
    result.session = session;
    return result;
}

std::optional<std::string_view> parameter(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        const std::size_t equals = std::min(pair.find('='), pair.size());
        if (pair.substr(0, equals) == name) {
            return pair.substr(std::min(equals + 1, pair.size()));
        }
    }
    return std::nullopt;
}

}  // namespace holdfast::sockjs
