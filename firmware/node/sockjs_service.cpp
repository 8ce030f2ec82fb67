#include "firmware/node/sockjs_service.h"

#include <utility>

#include "firmware/base/check.h"
#include "firmware/line/messages.h"
#include "firmware/node/node.h"
#include "firmware/node/server.h"
#include "firmware/node/session.h"
#include "firmware/sockjs/frames.h"

namespace holdfast::node {

namespace {

/// The largest Envelope in base64, and what SockJS puts around it.
constexpr std::size_t kBodyBytes = kLineMessageBytes / 3 * 4 + (64u << 10);
/// Answers that wait for a device: Welcome with all its streams fits in.
constexpr std::size_t kQueueBytes = 1u << 20;

sockjs::ServerOptions options_of(const Config::Listen& config) {
    sockjs::ServerOptions options;
    options.prefix = "/sockjs";
    options.allowed_origins = config.allowed_origins;
    options.greeting_header = {line::kHelloHeader, line::kHelloTaken};
    // A poll through a slow network and a proxy that keeps no connection: four round trips.
    options.session_timeout = std::chrono::seconds(10);
    return options;
}

sockjs::ServerLimits limits_of(const Config::Listen& config) {
    sockjs::ServerLimits limits;
    limits.queue_bytes = kQueueBytes;
    limits.payload_bytes = kBodyBytes;
    limits.sessions = static_cast<std::size_t>(config.max_connections);
    return limits;
}

}  // namespace

/// A session of SockJS, which carries a line.
class SockjsService::Line final : public Carrier {
public:
    Line(SockjsService& service, sockjs::SessionId session, hub::Admission admission, bool by_token)
        : id(session),
          endpoint(service.server_, *this, std::move(admission), by_token),
          service_(service) {}

    void send(websocket::Opcode /*binary*/, ByteView message) override {
        service_.send(*this, message);
    }
    void close(websocket::CloseCode code, const std::string& reason) override {
        service_.close(*this, code, reason);
    }

    [[nodiscard]] const std::string& device() const { return endpoint.admission().device; }

    const sockjs::SessionId id;
    LineEndpoint endpoint;
    sockjs::ExchangeId sender = 0;      ///< what brought messages last
    sockjs::ExchangeId large_body = 0;  ///< what may bring a large body just now; one at a time

private:
    SockjsService& service_;
};

SockjsService::SockjsService(Server& server)
    : server_(server),
      sockjs_(options_of(server.config()), limits_of(server.config()),
              server.node().ports().entropy) {}

SockjsService::~SockjsService() = default;

SockjsService::Line* SockjsService::find(sockjs::SessionId session) const {
    const auto found = lines_.find(session);
    return found == lines_.end() ? nullptr : found->second.get();
}

SockjsService::Line* SockjsService::line_of(const http::Request& request) const {
    const std::optional<sockjs::SessionId> session = sockjs_.session_of(request);
    return session ? find(*session) : nullptr;
}

// ---- Connections

sockjs::ExchangeId SockjsService::begin(Session& session) {
    connections_.emplace(++last_exchange_, Connection{.session = &session});
    return last_exchange_;
}

void SockjsService::ended(sockjs::ExchangeId exchange) {
    const auto connection = connections_.find(exchange);
    if (Line* const line = find(connection->second.sends_to);
        line != nullptr && line->large_body == exchange) {
        line->large_body = 0;
    }
    connections_.erase(connection);
    std::erase_if(deferred_, [=](const Deferred& each) { return each.exchange == exchange; });
    sockjs_.disconnected(exchange, server_.node().now().monotonic);
    take_events(std::nullopt);
}

bool SockjsService::keeps(sockjs::ExchangeId exchange) const {
    const auto connection = connections_.find(exchange);
    const Line* const line =
        connection == connections_.end() ? nullptr : find(connection->second.sends_to);
    return line != nullptr && line->sender == exchange;
}

std::optional<std::size_t> SockjsService::allow_body(sockjs::ExchangeId exchange,
                                                     const http::Request& head) {
    Line* const line = sockjs_.brings_messages(head) ? line_of(head) : nullptr;
    if (line == nullptr || line->large_body != 0) {
        return std::nullopt;
    }
    Connection& connection = connections_.at(exchange);
    const Result<hub::Admission> known = connection.session->admission(head);
    if (!known || known->device != line->device()) {
        return std::nullopt;
    }
    connection.sends_to = line->id;
    line->large_body = exchange;
    return kBodyBytes;
}

void SockjsService::arriving(sockjs::ExchangeId exchange) {
    if (const auto found = connections_.find(exchange); found != connections_.end()) {
        sockjs_.arriving(found->second.sends_to, server_.node().now().monotonic);
        server_.node().poke();
    }
}

/// nullopt after a refusal was sent. `line`: the session is there already. Its name alone does not
/// let anyone in: proxies on the way have seen it.
std::optional<hub::Admission> SockjsService::admit(Session& session, const http::Request& request,
                                                   Line* line) const {
    Result<hub::Admission> known = session.admission(request);
    if (known && (line == nullptr || known->device == line->device())) {
        return *std::move(known);
    }
    const std::string why =
        known ? "this SockJS session is another device's" : known.error().message;
    server_.log_turned_away(session.peer() + ": " + why);
    session.refuse(known ? 403 : 401, why);
    return std::nullopt;
}

void SockjsService::request(sockjs::ExchangeId exchange, const http::Request& request) {
    Connection& connection = connections_.at(exchange);
    Line* const line = line_of(request);
    std::optional<hub::Admission> admission;
    if (request.method != "OPTIONS" && (line != nullptr || sockjs_.opens_session(request))) {
        admission = admit(*connection.session, request, line);
        if (!admission) {
            return;
        }
    }
    if (line != nullptr && sockjs_.brings_messages(request)) {
        if (server_.node().journal().room() == 0) {
            server_.hold_back();
            deferred_.push_back({exchange, request});
            return;
        }
        connection.sends_to = line->id;
        line->sender = exchange;
        line->large_body = line->large_body == exchange ? 0 : line->large_body;
    }
    sockjs_.request(exchange, request, server_.node().now());
    take_events(admission);
}

void SockjsService::receive(sockjs::ExchangeId exchange, std::span<std::byte> bytes) {
    sockjs_.receive(exchange, bytes, server_.node().now().monotonic);
    take_events(std::nullopt);
    if (server_.node().journal().room() == 0) {
        server_.hold_back();
        connections_.at(exchange).session->hold_back();  // it may be newer than that
    }
}

void SockjsService::go_on() {
    while (!deferred_.empty() && server_.node().journal().room() > 0) {
        const Deferred next = std::move(deferred_.front());
        deferred_.pop_front();
        request(next.exchange, next.request);
    }
    if (!deferred_.empty()) {
        server_.hold_back();
    }
}

// ---- Lines

void SockjsService::take_events(const std::optional<hub::Admission>& admission) {
    const Now now = server_.node().now();
    std::set<sockjs::SessionId> heard;
    while (const std::optional<sockjs::Event> event = sockjs_.next_event()) {
        server_.node().poke();
        if (event->kind == sockjs::Event::Kind::opened) {
            open(*event, admission);
            continue;
        }
        Line* const line = find(event->session);
        if (line == nullptr) {
            continue;  // we have closed it, and these had come before
        }
        if (event->kind == sockjs::Event::Kind::closed) {
            forget(*line);
        } else {
            received(*line, event->text, now);
            heard.insert(event->session);
        }
    }
    for (const sockjs::SessionId session : heard) {
        if (Line* const line = find(session)) {
            line->endpoint.answer();
        }
    }
}

void SockjsService::open(const sockjs::Event& event,
                         const std::optional<hub::Admission>& admission) {
    HOLDFAST_CHECK(admission.has_value());
    const bool by_token = connections_.at(event.exchange).session->by_token();
    lines_.emplace(event.session,
                   std::make_unique<Line>(*this, event.session, *admission, by_token));
}

void SockjsService::received(Line& line, std::string_view text, Now now) {
    const Result<Bytes> envelope = sockjs::envelope_bytes(text);
    if (!envelope) {
        const std::string why = "a line carries Envelopes, here in base64";
        server_.log_turned_away(line.endpoint.admission().address + ": " + why);
        close(line, websocket::CloseCode::unsupported_data, why);
        return;
    }
    static_cast<void>(line.endpoint.take(websocket::Opcode::binary, *envelope, now));
}

void SockjsService::send(Line& line, ByteView message) {
    if (!sockjs_.send(line.id, sockjs::envelope_text(message))) {
        server_.log_turned_away(line.endpoint.admission().address + " does not take its answers");
        close(line, websocket::CloseCode::try_again_later, "the answers are not taken");
    }
    server_.node().poke();
}

void SockjsService::close(Line& line, websocket::CloseCode code, const std::string& reason) {
    sockjs_.close(line.id, static_cast<std::uint16_t>(code), reason);
    forget(line);
}

/// Destroyed in the next turn, since it may itself be calling.
void SockjsService::forget(Line& line) {
    const auto found = lines_.find(line.id);
    if (found == lines_.end()) {
        return;
    }
    line.endpoint.ended();
    ended_.push_back(std::move(found->second));
    lines_.erase(found);
    server_.node().poke();
}

// ---- Turns

Instant SockjsService::turn(Now now) {
    ended_.clear();
    sockjs_.tick(now.monotonic);
    take_events(std::nullopt);
    deliver(now.monotonic);
    return sockjs_.deadline();
}

void SockjsService::deliver(Instant now) {
    while (const std::optional<sockjs::Output> output = sockjs_.next_output(now)) {
        const auto connection = connections_.find(output->exchange);
        if (connection != connections_.end()) {
            connection->second.session->carry(*output);
        }
    }
}

void SockjsService::stop(const std::string& reason, Duration retry_after) {
    std::vector<Line*> lines;
    for (const auto& [id, line] : lines_) {
        lines.push_back(line.get());
    }
    for (Line* line : lines) {
        line->endpoint.goodbye(reason, retry_after);
    }
    deliver(server_.node().now().monotonic);
}

}  // namespace holdfast::node
