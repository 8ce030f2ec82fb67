#include "firmware/api/routes.h"

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include <boost/json/parse.hpp>

#include "firmware/api/ask.h"
#include "firmware/api/bodies.h"
#include "firmware/api/metrics.h"
#include "firmware/api/status.h"
#include "firmware/api/words.h"
#include "firmware/dashboard/assets.h"

namespace holdfast::api {

namespace {

using Respond = std::function<void(http::Response)>;

/// One request, and what it is answered with.
struct Asked {
    AskedNode& node;
    const http::Request& request;
    const http::Target& target;
    std::string device;  ///< what stood in the place of `{device}`
    Respond respond;
};

constexpr std::size_t kGapsShown = 100;

http::Response with_body(int status, std::string type, std::string body) {
    http::Response response;
    response.status = status;
    response.headers.emplace_back("Content-Type", std::move(type));
    response.headers.emplace_back("X-Content-Type-Options", "nosniff");
    response.body = std::move(body);
    return response;
}

http::Response json(std::string body) {
    http::Response response = with_body(200, "application/json", std::move(body));
    response.headers.emplace_back("Cache-Control", "no-store");
    return response;
}

http::Response plain(int status, const std::string& text) {
    return with_body(status, "text/plain; charset=utf-8", text + "\n");
}

http::Response failure(const Error& error) {
    switch (error.code) {
        case ErrorCode::not_found:
            return plain(404, error.message);
        case ErrorCode::invalid:
            return plain(400, error.message);
        default:
            return plain(503, error.message);
    }
}

/// A file of the page.
http::Response asset(const http::Request& request, const dashboard::Asset& found) {
    http::Response response;
    response.headers.emplace_back("ETag", std::string(found.etag));
    response.headers.emplace_back("Cache-Control", "no-cache");
    if (request.has_entity(found.etag)) {
        response.status = 304;
        return response;
    }
    response.headers.emplace_back("Content-Type", std::string(found.content_type));
    response.headers.emplace_back("X-Content-Type-Options", "nosniff");
    response.headers.emplace_back("Referrer-Policy", "no-referrer");
    response.headers.emplace_back("Content-Security-Policy",
                                  "default-src 'self'; frame-ancestors 'none'");
    if (found.gzip) {
        response.headers.emplace_back("Content-Encoding", "gzip");
    }
    response.body = as_text(found.bytes);
    return response;
}

// ---- Devices

http::Response no_such_device(const std::string& device) {
    return plain(404, "there is no device \"" + device + "\"");
}

void answer_devices(Asked& asked) {
    asked.respond(json(devices_json(asked.node.view())));
}

void answer_device(Asked& asked) {
    if (!knows_device(asked.device, asked.node.view())) {
        asked.respond(no_such_device(asked.device));
        return;
    }
    ask_store(
        asked.node,
        [device = asked.device](journal::Store& store) { return store.gaps(device, kGapsShown); },
        [&node = asked.node, device = asked.device,
         respond = std::move(asked.respond)](const Result<std::vector<journal::StoredGap>>& gaps) {
            const std::optional<std::string> body =
                device_json(device, node.view(), gaps.value_or(std::vector<journal::StoredGap>{}));
            respond(body ? json(*body) : no_such_device(device));
        });
}

void answer_channels(Asked& asked) {
    const std::optional<std::string> body = channels_json(asked.device, asked.node.view());
    asked.respond(body ? json(*body) : no_such_device(asked.device));
}

/// Where the page behind this one is, as a `Link` header tells it.
std::string link_to_next(const std::string& device, const http::Target& target,
                         journal::Cursor next) {
    std::string link = "</api/devices/" + http::percent_encode(device) + "/readings?";
    for (const auto& [name, value] : target.query) {
        if (name != "after") {
            link += http::percent_encode(name) + '=' + http::percent_encode(value) + '&';
        }
    }
    return link + "after=" + journal::to_text(next) + ">; rel=\"next\"";
}

void answer_readings(Asked& asked) {
    if (!knows_device(asked.device, asked.node.view())) {
        asked.respond(no_such_device(asked.device));
        return;
    }
    Result<ReadingsRequest> request = parse_readings_request(asked.device, asked.target);
    if (!request) {
        asked.respond(failure(request.error()));
        return;
    }
    ask_store(
        asked.node,
        [query = std::move(request->query)](journal::Store& store) { return store.query(query); },
        [respond = std::move(asked.respond), csv = request->csv, device = asked.device,
         target = asked.target](Result<journal::Page> page) {
            if (!page && page.error().code == ErrorCode::not_found) {
                page = journal::Page{};  // a device that is known, but has sent nothing yet
            }
            if (!page) {
                respond(failure(page.error()));
                return;
            }
            if (!csv) {
                respond(json(readings_json(*page)));
                return;
            }
            http::Response response =
                with_body(200, "text/csv; charset=utf-8", readings_csv(*page));
            if (page->missed) {
                response.headers.emplace_back(kGapHeader, to_string(page->missed->why));
            }
            if (page->next) {
                response.headers.emplace_back("Link", link_to_next(device, target, *page->next));
            }
            respond(std::move(response));
        });
}

// ---- The node itself

void answer_node(Asked& asked) {
    ask_status(asked.node, [respond = std::move(asked.respond)](std::string status) {
        respond(json(std::move(status)));
    });
}

void answer_node_words(Asked& asked) {
    ask_status(asked.node, [respond = std::move(asked.respond)](const std::string& status) {
        respond(json(words_json(words_of(boost::json::parse(status).get_object()))));
    });
}

void answer_metrics(Asked& asked) {
    asked.respond(with_body(200, "text/plain; version=0.0.4; charset=utf-8",
                            metrics_text(asked.node.view())));
}

void answer_healthz(Asked& asked) {
    asked.respond(plain(200, "ok"));
}

void answer_readyz(Asked& asked) {
    const std::optional<std::string> why = asked.node.view().not_ready;
    asked.respond(why ? plain(503, *why) : plain(200, "ready"));
}

// ---- What is answered in another way than asked for

void answer_websocket(Asked& asked) {
    http::Response response =
        plain(426, asked.target.path +
                       " is a WebSocket, and this request does not ask for one. If its sender did, "
                       "something on the way has taken Upgrade out of it");
    response.headers.emplace_back("Upgrade", "websocket");
    response.headers.emplace_back("Connection",
                                  asked.request.keep_alive ? "Upgrade" : "Upgrade, close");
    asked.respond(std::move(response));
}

void answer_sockjs_client(Asked& asked) {
    asked.respond(
        plain(404, "sockjs-client is not kept here: SockJS by an iframe is not possible"));
}

// ---- The routes

struct Route {
    std::string_view pattern;  ///< `{device}` stands for one segment, percent-decoded
    void (*answer)(Asked&);
};

/// All that is answered beside the page's files and what SockJS has below `/sockjs`. Each takes GET
/// and HEAD.
constexpr auto kRoutes = std::to_array<Route>({
    {"/api/devices", answer_devices},
    {"/api/devices/{device}", answer_device},
    {"/api/devices/{device}/channels", answer_channels},
    {"/api/devices/{device}/readings", answer_readings},
    {"/api/node", answer_node},
    {"/api/node/words", answer_node_words},
    {"/metrics", answer_metrics},
    {"/healthz", answer_healthz},
    {"/readyz", answer_readyz},
    {"/v1/uplink", answer_websocket},
    {"/v1/push", answer_websocket},
    {"/v1/live", answer_websocket},
    {"/sockjs.min.js", answer_sockjs_client},
});

/// Whether `target` is what `pattern` describes; then what stands in the place of `{device}`, or
/// "".
std::optional<std::string> match(std::string_view pattern, const http::Target& target) {
    std::string device;
    for (const std::string& segment : target.segments) {
        if (pattern.empty()) {
            return std::nullopt;
        }
        pattern.remove_prefix(1);  // the slash
        const std::string_view expected = pattern.substr(0, pattern.find('/'));
        pattern.remove_prefix(expected.size());
        if (expected == "{device}") {
            device = segment;
        } else if (expected != segment) {
            return std::nullopt;
        }
    }
    return pattern.empty() ? std::optional(device) : std::nullopt;
}

}  // namespace

void answer(AskedNode& node, const http::Request& request, const http::Target& target,
            Respond respond) {
    if (request.method != "GET" && request.method != "HEAD") {
        http::Response response = plain(405, "only GET and HEAD are answered here");
        response.headers.emplace_back("Allow", "GET, HEAD");
        respond(std::move(response));
        return;
    }
    for (const Route& route : kRoutes) {
        if (std::optional<std::string> device = match(route.pattern, target)) {
            Asked asked{node, request, target, *std::move(device), std::move(respond)};
            route.answer(asked);
            return;
        }
    }
    if (const dashboard::Asset* found = dashboard::find_asset(target.path)) {
        respond(asset(request, *found));
        return;
    }
    respond(plain(404, "there is nothing at " + target.path));
}

}  // namespace holdfast::api
