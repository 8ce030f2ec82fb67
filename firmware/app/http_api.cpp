#include "firmware/app/http_api.h"

#include <utility>

#include "firmware/app/metrics.h"
#include "firmware/app/node.h"
#include "firmware/dashboard/assets.h"
#include "firmware/hub/api.h"

namespace holdfast::app {

namespace {

using Respond = std::function<void(http::Response)>;

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

void answer_readings(Node& node, const std::string& device, const http::Target& target,
                     Respond respond) {
    Result<hub::ReadingsRequest> request = hub::parse_readings_request(device, target);
    if (!request) {
        respond(failure(request.error()));
        return;
    }
    const bool csv = request->csv;
    node.storage().run(
        [query = std::move(request->query)](journal::Store& store) { return store.query(query); },
        [respond = std::move(respond), csv, device, target](Result<journal::Page> page) {
            if (!page && page.error().code == ErrorCode::not_found) {
                page = journal::Page{};  // a device that is known, but has sent nothing yet
            }
            if (!page) {
                respond(failure(page.error()));
                return;
            }
            if (!csv) {
                respond(json(hub::readings_json(*page)));
                return;
            }
            http::Response response =
                with_body(200, "text/csv; charset=utf-8", hub::readings_csv(*page));
            if (page->missed) {
                response.headers.emplace_back(hub::kGapHeader, to_string(page->missed->why));
            }
            if (page->next) {
                std::string link = "</api/devices/" + http::percent_encode(device) + "/readings?";
                for (const auto& [name, value] : target.query) {
                    if (name != "after") {
                        link +=
                            http::percent_encode(name) + '=' + http::percent_encode(value) + '&';
                    }
                }
                response.headers.emplace_back(
                    "Link", link + "after=" + journal::to_text(*page->next) + ">; rel=\"next\"");
            }
            respond(std::move(response));
        });
}

void answer_device(Node& node, const std::string& device, Respond respond) {
    node.storage().run(
        [device](journal::Store& store) { return store.gaps(device, kGapsShown); },
        [&node, device,
         respond = std::move(respond)](const Result<std::vector<journal::StoredGap>>& gaps) {
            const std::optional<std::string> body =
                hub::device_json(device, node.fleet(), node.journal(),
                                 gaps.value_or(std::vector<journal::StoredGap>{}));
            respond(body ? json(*body) : plain(404, "there is no device \"" + device + "\""));
        });
}

void answer_node(Node& node, Respond respond) {
    node.storage().run(stored_facts,
                       [&node, respond = std::move(respond)](const StoredFacts& facts) {
                           respond(json(status_json(node, facts)));
                       });
}

/// Below /api/devices. False: nothing of that name.
bool answer_devices(Node& node, const http::Target& target, Respond& respond) {
    const std::vector<std::string>& path = target.segments;
    // This node sees itself as long as it answers.
    if (const auto own = node.fleet().find(node.config().node.id); own != node.fleet().end()) {
        own->second.last_seen = system::wall_now();
    }
    if (path.size() == 2) {
        respond(json(hub::devices_json(node.fleet(), node.journal())));
        return true;
    }
    const std::string& device = path[2];
    if (path.size() > 4 || (path.size() == 4 && path[3] != "channels" && path[3] != "readings")) {
        return false;
    }
    if (!hub::knows_device(device, node.fleet(), node.journal())) {
        respond(plain(404, "there is no device \"" + device + "\""));
    } else if (path.size() == 3) {
        answer_device(node, device, std::move(respond));
    } else if (path[3] == "readings") {
        answer_readings(node, device, target, std::move(respond));
    } else {
        respond(json(hub::channels_json(device, node.fleet(), node.journal()).value_or("{}")));
    }
    return true;
}

}  // namespace

void answer(Node& node, const http::Request& request, const http::Target& target, Respond respond) {
    if (request.method != "GET" && request.method != "HEAD") {
        http::Response response = plain(405, "only GET and HEAD are answered here");
        response.headers.emplace_back("Allow", "GET, HEAD");
        respond(std::move(response));
        return;
    }
    if (target.path == "/healthz") {
        respond(plain(200, "ok"));
    } else if (target.path == "/readyz") {
        const std::optional<std::string> why = node.not_ready();
        respond(why ? plain(503, *why) : plain(200, "ready"));
    } else if (target.path == "/metrics") {
        respond(with_body(200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(node)));
    } else if (target.path == "/api/node") {
        answer_node(node, std::move(respond));
    } else if (target.segments.size() >= 2 && target.segments[0] == "api" &&
               target.segments[1] == "devices" && answer_devices(node, target, respond)) {
        return;
    } else if (const dashboard::Asset* found = dashboard::find_asset(target.path)) {
        respond(asset(request, *found));
    } else if (target.path == "/v1/uplink" || target.path == "/v1/push" ||
               target.path == "/v1/live") {
        http::Response response =
            plain(426, target.path +
                           " is a WebSocket, and this request does not ask for one. If its "
                           "sender did, something on the way has taken Upgrade out of it");
        response.headers.emplace_back("Upgrade", "websocket");
        response.headers.emplace_back("Connection",
                                      request.keep_alive ? "Upgrade" : "Upgrade, close");
        respond(std::move(response));
    } else if (target.path == "/sockjs.min.js") {
        respond(plain(404, "sockjs-client is not kept here: SockJS by an iframe is not possible"));
    } else {
        respond(plain(404, "there is nothing at " + target.path));
    }
}

}  // namespace holdfast::app
