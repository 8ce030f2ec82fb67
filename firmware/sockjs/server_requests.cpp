// What becomes of an HTTP request.
#include <algorithm>

#include "firmware/base/check.h"
#include "firmware/http/syntax.h"
#include "firmware/sockjs/frames.h"
#include "firmware/sockjs/pages.h"
#include "firmware/sockjs/server.h"

namespace holdfast::sockjs {
namespace {

constexpr std::string_view kNotFound = "404 Error: Page not found\n";

std::string_view methods(Endpoint endpoint, Transport transport) {
    switch (endpoint) {
        case Endpoint::info:
            return "OPTIONS, GET";
        case Endpoint::xhr_send:
            return "OPTIONS, POST";
        case Endpoint::jsonp_send:
            return "POST";
        case Endpoint::receive:
            return transport == Transport::xhr || transport == Transport::xhr_streaming
                       ? "OPTIONS, POST"
                       : "GET";
        case Endpoint::greeting:
        case Endpoint::iframe:
            break;
    }
    return "GET";
}

bool allows(std::string_view allowed, std::string_view method) {
    bool found = false;
    http::for_each_element(allowed,
                           [&](std::string_view element) { found = found || element == method; });
    return found;
}

/// Only the name of a function of the page: nothing else could be executed.
bool is_callback(std::string_view name) {
    return std::ranges::all_of(name, [](char c) {
        return (http::to_lower(c) >= 'a' && http::to_lower(c) <= 'z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    });
}

/// "http://host:8080" and "host:8080" agree; so do "https://host" and "host".
bool is_same_origin(std::string_view origin, std::string_view host) {
    for (const auto& [scheme, port] :
         {std::pair{"http://", ":80"}, std::pair{"https://", ":443"}}) {
        const std::string_view prefix(scheme);
        if (http::equal_without_case(origin.substr(0, prefix.size()), prefix)) {
            const std::string_view usual(port);
            const auto bare = [usual](std::string_view text) {
                return text.ends_with(usual) ? text.substr(0, text.size() - usual.size()) : text;
            };
            return http::equal_without_case(bare(origin.substr(prefix.size())), bare(host));
        }
    }
    return false;
}

/// The messages of a form, `d=…`, or the body itself. nullopt: bad percent-encoding.
std::optional<std::string> jsonp_payload(const http::Request& request) {
    constexpr std::string_view kForm = "application/x-www-form-urlencoded";
    const std::string_view type = request.header("Content-Type");
    if (!http::equal_without_case(http::trim(type.substr(0, type.find(';'))), kForm)) {
        return request.body;
    }
    return http::percent_decode(parameter(request.body, "d").value_or(""), true);
}

}  // namespace

void Server::respond(ExchangeId id, http::Response response, const http::Request& request) {
    response.keep_alive = request.keep_alive;
    append(output(id, request.keep_alive ? Output::Then::next_request : Output::Then::end),
           to_wire(response, request.method == "HEAD"));
}

void Server::refuse(ExchangeId id, int status, std::string_view text,
                    const http::Request& request) {
    http::Response response = text_response(status, text);
    if (request.count("Origin") != 0 && status != 403) {
        add_cors(response, request);  // so that the page's script may read what is wrong
    }
    respond(id, std::move(response), request);
}

/// Scripts, frames and images are fetched without an Origin, so Sec-Fetch-Site is checked too.
bool Server::origin_allowed(const http::Request& request) const {
    const auto listed = [this](std::string_view origin) {
        return std::ranges::any_of(options_.allowed_origins, [origin](std::string_view allowed) {
            if (allowed.ends_with('/')) {
                allowed.remove_suffix(1);
            }
            return allowed == "*" || http::equal_without_case(allowed, origin);
        });
    };
    if (request.count("Origin") == 0) {
        return http::trim(request.header("Sec-Fetch-Site")) != "cross-site" || listed("*");
    }
    const std::string_view origin = http::trim(request.header("Origin"));
    return request.count("Origin") == 1 &&
           (listed(origin) || (options_.allow_same_origin &&
                               is_same_origin(origin, http::trim(request.header("Host")))));
}

bool Server::opens_session(const http::Request& request) const {
    const std::optional<Route> found = route(request.target, options_.prefix);
    return found && found->endpoint == Endpoint::receive && request.method != "OPTIONS" &&
           (is_socket(found->transport) || !names_.contains(found->session));
}

std::optional<SessionId> Server::session_of(const http::Request& request) const {
    const std::optional<Route> found = route(request.target, options_.prefix);
    const auto session = found ? names_.find(found->session) : names_.end();
    return session == names_.end() ? std::nullopt : std::optional(session->second);
}

bool Server::brings_messages(const http::Request& request) const {
    const std::optional<Route> found = route(request.target, options_.prefix);
    return request.method == "POST" && found &&
           (found->endpoint == Endpoint::xhr_send || found->endpoint == Endpoint::jsonp_send);
}

void Server::request(ExchangeId id, const http::Request& request, Now now) {
    HOLDFAST_CHECK(!exchanges_.contains(id));
    const std::optional<Route> found = route(request.target, options_.prefix);
    const bool socket =
        found && found->endpoint == Endpoint::receive && is_socket(found->transport);
    if (!found || found->session.size() > limits_.session_name_bytes ||
        (socket && !options_.websocket)) {
        refuse(id, 404, kNotFound, request);
        return;
    }
    const std::string_view allowed = methods(found->endpoint, found->transport);
    const bool page_asked =
        found->endpoint == Endpoint::greeting || found->endpoint == Endpoint::iframe;
    const bool head = request.method == "HEAD" && (page_asked || found->endpoint == Endpoint::info);
    if (!head && !allows(allowed, request.method)) {
        respond(id, method_not_allowed(allowed), request);
        return;
    }
    if (!page_asked && !socket && !origin_allowed(request)) {
        refuse(id, 403, "Pages of this origin are not allowed here.\n", request);
        return;
    }
    if (request.method == "OPTIONS") {
        http::Response response = preflight(allowed, now.wall);
        add_cors(response, request);
        if (options_.cookie_needed && found->endpoint != Endpoint::info) {
            add_cookie(response, request);
        }
        respond(id, std::move(response), request);
        return;
    }
    switch (found->endpoint) {
        case Endpoint::greeting:
        case Endpoint::iframe:
        case Endpoint::info:
            page(id, found->endpoint, request, now);
            break;
        case Endpoint::receive:
            if (socket) {
                request_socket(id, found->transport, request, now.monotonic);
            } else {
                request_receive(id, *found, request, now);
            }
            break;
        case Endpoint::xhr_send:
        case Endpoint::jsonp_send:
            request_send(id, *found, request);
            break;
    }
}

void Server::page(ExchangeId id, Endpoint endpoint, const http::Request& request, Now now) {
    if (endpoint == Endpoint::greeting) {
        respond(id, greeting(), request);
    } else if (endpoint == Endpoint::iframe) {
        respond(id, iframe(request, options_.client_script, now.wall), request);
    } else {
        http::Response response =
            info({.websocket = options_.websocket,
                  .cookie_needed = options_.cookie_needed,
                  .entropy = static_cast<std::uint32_t>(entropy_.number() & 0xffffffffu)});
        add_cors(response, request);
        respond(id, std::move(response), request);
    }
}

http::Response Server::session_response(const http::Request& request) const {
    http::Response response;
    response.keep_alive = request.keep_alive;
    add_no_cache(response);
    if (options_.cookie_needed) {
        add_cookie(response, request);
    }
    return response;
}

void Server::request_receive(ExchangeId id, const Route& route, const http::Request& request,
                             Now now) {
    Exchange exchange;
    exchange.transport = route.transport;
    if (needs_callback(route.transport)) {
        const auto callback =
            http::percent_decode(parameter(query_of(request.target), "c").value_or(""));
        if (callback && callback->empty()) {
            refuse(id, 500, "\"callback\" parameter required\n", request);
            return;
        }
        if (!callback || callback->size() > limits_.callback_bytes || !is_callback(*callback)) {
            refuse(id, 500, "invalid \"callback\" parameter\n", request);
            return;
        }
        exchange.callback = *callback;
    }
    Session* session = find_by_name(route.session);
    if (session == nullptr) {
        if (sessions_.size() >= limits_.sessions) {
            refuse(id, 503, "Too many sessions.\n", request);
            return;
        }
        session = &open(std::string(route.session), route.transport, id);
        if (const std::string_view greeting = greeting_of(request, route.transport);
            !greeting.empty()) {
            exchange.greets = true;
            events_.push_back({.kind = Event::Kind::message,
                               .session = session->id,
                               .text = std::string(greeting)});
        }
    }
    const bool taken = session->receiver.has_value();
    if (!taken) {
        exchange.session = session->id;
    }
    begin_receiving(id, std::move(exchange), request);
    if (!taken) {
        attach(*session, id, now.monotonic);
        return;
    }
    const bool polling = is_polling(route.transport);
    deliver(id, exchanges_.at(id), close_frame(2010, "Another connection still open"),
            now.monotonic);
    if (!polling && exchanges_.contains(id)) {
        finish(id, now.monotonic);
    }
}

/// The first message, if the request that opens the session carries it; "" if not.
std::string_view Server::greeting_of(const http::Request& request, Transport transport) const {
    const std::string& name = options_.greeting_header.name;
    const bool may = transport == Transport::xhr || transport == Transport::xhr_streaming;
    if (!may || name.empty() || request.count(name) != 1) {
        return {};
    }
    const std::string_view text = http::trim(request.header(name));
    const Result<Bytes> envelope = envelope_bytes(text);
    return envelope && !envelope->empty() ? text : std::string_view();
}

/// The head, and what goes before the frames.
void Server::begin_receiving(ExchangeId id, Exchange exchange, const http::Request& request) {
    http::Response response = session_response(request);
    response.headers.emplace_back("Content-Type", content_type(exchange.transport));
    if (is_shared(exchange.transport)) {
        add_cors(response, request);
    }
    if (exchange.greets) {
        response.headers.emplace_back(options_.greeting_header.name,
                                      options_.greeting_header.taken);
    }
    const bool polling = is_polling(exchange.transport);
    exchange.chunked = !polling && request.version >= 11;
    exchange.keep_alive = request.keep_alive && (polling || exchange.chunked);
    response.keep_alive = exchange.keep_alive;
    if (polling) {
        exchange.head = std::move(response);
        exchanges_.insert_or_assign(id, std::move(exchange));
        return;
    }
    std::string head = "HTTP/1.1 200 OK\r\n";
    for (const auto& [name, value] : response.headers) {
        http::append_header(head, name, value);
    }
    if (exchange.chunked) {
        http::append_header(head, "Transfer-Encoding", "chunked");
    }
    // nginx would hold the response back until it ends, unless it is asked not to.
    http::append_header(head, "X-Accel-Buffering", "no");
    http::append_header(head, "Connection", exchange.keep_alive ? "keep-alive" : "close");
    head += "\r\n";
    Bytes& out = output(id);
    append(out, head);
    append_piece(out, prelude(exchange.transport, exchange.callback), exchange.chunked);
    exchanges_.insert_or_assign(id, std::move(exchange));
}

void Server::request_send(ExchangeId id, const Route& route, const http::Request& request) {
    Session* const session = find_by_name(route.session);
    if (session == nullptr) {
        refuse(id, 404, kNotFound, request);
        return;
    }
    const bool jsonp = route.endpoint == Endpoint::jsonp_send;
    const std::optional<std::string> text = jsonp ? jsonp_payload(request) : request.body;
    if (request.body.size() > limits_.payload_bytes) {
        refuse(id, 413, "More than " + std::to_string(limits_.payload_bytes) + " bytes.\n",
               request);
        return;
    }
    auto payload = text ? read_payload(*text, limits_.messages_per_payload)
                        : std::unexpected(PayloadFault::broken);
    if (payload && !payload->is_array) {
        payload = std::unexpected(PayloadFault::empty);
    }
    if (!payload) {
        switch (payload.error()) {
            case PayloadFault::empty:
                refuse(id, 500, "Payload expected.\n", request);
                break;
            case PayloadFault::broken:
                refuse(id, 500, "Broken JSON encoding.\n", request);
                break;
            case PayloadFault::too_many_messages:
                refuse(id, 413,
                       "More than " + std::to_string(limits_.messages_per_payload) + " messages.\n",
                       request);
                break;
        }
        return;
    }
    // A closed session ignores messages: its client learns of the end on the receiving connection.
    if (!session->closing) {
        for (std::string& message : payload->messages) {
            events_.push_back(
                {.kind = Event::Kind::message, .session = session->id, .text = std::move(message)});
        }
    }
    http::Response response = session_response(request);
    response.headers.emplace_back("Content-Type", "text/plain; charset=UTF-8");
    if (jsonp) {
        response.body = "ok";  // Konqueror does not handle 204
    } else {
        response.status = 204;
        add_cors(response, request);
    }
    respond(id, std::move(response), request);
}

}  // namespace holdfast::sockjs
