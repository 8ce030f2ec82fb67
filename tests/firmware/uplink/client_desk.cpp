#include "tests/firmware/uplink/client_desk.h"

#include <algorithm>
#include <utility>

#include "firmware/sockjs/frames.h"

namespace holdfast::simulation {

using namespace std::chrono_literals;
using uplink::Action;
using uplink::StreamId;

namespace {

constexpr Duration kHubHeartbeat = 25s;

std::string plain(const std::string& status, const std::string& headers, const std::string& body) {
    return "HTTP/1.1 " + status + "\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string path_of(bool proxied, const http::Request& request) {
    std::string path = proxied ? "proxy" : "direct";
    if (websocket::wants_websocket(request)) {
        return path;
    }
    return path + (request.target.ends_with("/xhr") ? "+xhr" : "+xhr_streaming");
}

}  // namespace

ClientDesk::ClientDesk() {
    options.url = "ws://hub.test/";
    options.hub = *http::parse_url(options.url);
    options.uplink.device = "dev";
    options.uplink.software = "holdfast test";
    options.uplink.boot = 5;
    journal::JournalOptions hub_options;
    hub_options.origin = "hub";
    hub_options.owes_upstream = false;
    hub_journal = std::make_unique<journal::Journal>(hub_store.open(random), hub_options);
    sockjs::ServerOptions server;
    server.prefix = "/sockjs";
    server.heartbeat = kHubHeartbeat;
    sockjs::ServerLimits limits;
    limits.payload_bytes = 4u << 20;
    sockjs.emplace(server, limits, random);
}

ClientDesk::~ClientDesk() {
    client.reset();
    sessions.clear();
    streams.clear();
}

void ClientDesk::start() {
    client = std::make_unique<uplink::Client>(*desk.journal, options, random);
    client->on_network(network, both());
}

Now ClientDesk::both() const {
    return {desk.now, WallTime(1'790'000'000s + desk.now.time_since_epoch())};
}

// ---- Time

void ClientDesk::later(Duration wait, std::function<void()> what) {
    events_.emplace(desk.now + wait, std::move(what));
}

Instant ClientDesk::next_event() const {
    Instant due = std::min({client->deadline(), desk.journal->deadline(), hub_journal->deadline(),
                            sockjs->deadline()});
    return events_.empty() ? due : std::min(due, events_.begin()->first);
}

void ClientDesk::run(Duration time) {
    const Instant end = desk.now + time;
    (void)run_until([&] { return desk.now >= end; }, time);
}

bool ClientDesk::run_until(const std::function<bool()>& done, Duration patience) {
    const Instant end = desk.now + patience;
    turn();
    while (broken.empty()) {
        if (done()) {
            return true;
        }
        const Instant next = next_event();
        if (next > end) {
            desk.now = end;
            turn();
            return done();
        }
        desk.now = std::max(desk.now, next);
        step();
        turn();
    }
    return false;
}

void ClientDesk::step() {
    if (!events_.empty() && events_.begin()->first <= desk.now) {
        const std::function<void()> what = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        what();
    }
    if (sockjs->deadline() <= desk.now) {
        sockjs->tick(desk.now);
        serve_sockjs();
    }
}

/// What the owner of a client does after every call, and the rules that hold all the time.
void ClientDesk::turn() {
    while (desk.journal->deadline() <= desk.now && desk.write() >= 0) {
    }
    for (int idle = 0; broken.empty();) {
        client->on_network(network, both());
        tell_progress();
        client->turn(both());
        bool acted = false;
        if (const auto read = client->engine().take_read(desk.now)) {
            client->engine().fetched(desk.store.read(read->position, read->max_bytes), desk.now);
            acted = true;
        }
        while (std::optional<Action> action = client->next_action()) {
            act(*std::move(action));
            acted = true;
        }
        tell_progress();
        if (client->deadline() > desk.now && !acted) {
            break;
        }
        idle = acted ? 0 : idle + 1;
        if (idle > 1) {
            broken = "the deadline is in the past, and nothing happens";
        }
    }
    if (must_stay_up && (client->engine().state() == uplink::Uplink::State::waiting ||
                         client->engine().state() == uplink::Uplink::State::connecting)) {
        broken = "there was no line: " + client->engine().last_error();
    }
    serve_lines();
}

bool ClientDesk::run_until_live(Duration patience) {
    return run_until([this] { return live(); }, patience);
}

bool ClientDesk::run_until_delivered(Duration patience) {
    return run_until(
        [this] { return desk.journal->first_position() == desk.journal->next_position(); },
        patience);
}

// ---- The client's actions

void ClientDesk::tell_progress() {
    if (const uplink::StreamId id = client->awaited(); id != 0) {
        client->progress(id, streams.at(id)->progress, both());
    }
}

void ClientDesk::send(FarStream& to, ByteView bytes) {
    to.progress.sent_bytes += bytes.size();
    while (!bytes.empty()) {
        const std::size_t size =
            bytes_per_second == 0
                ? bytes.size()
                : std::min<std::size_t>(bytes.size(), static_cast<std::size_t>(bytes_per_second));
        Duration wait = latency;
        if (bytes_per_second != 0) {
            const std::uint64_t us = std::uint64_t{size} * 1'000'000 / bytes_per_second;
            to.busy = std::max(to.busy, desk.now) + Duration(static_cast<std::int64_t>(us));
            wait += to.busy - desk.now;
        }
        later(wait,
              [this, &to,
               piece = Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size))] {
                  if (!to.deaf || to.swallows) {
                      to.progress.acknowledged_bytes += piece.size();
                  }
                  far_received(to.id, piece);
              });
        bytes = bytes.subspan(size);
    }
}

void ClientDesk::act(Action action) {
    const auto known = streams.find(action.stream);
    switch (action.kind) {
        case Action::Kind::open:
            if (known != streams.end() || action.stream == 0) {
                broken = "a stream's number is used again";
                return;
            }
            open(action.stream, action.proxied);
            return;
        case Action::Kind::send:
            if (known == streams.end() || !known->second->connected || known->second->left ||
                known->second->ended || !action.bytes || action.bytes->empty()) {
                broken = "bytes for a stream that is not there";
                return;
            }
            ++sends;
            largest_send = std::max(largest_send, action.bytes->size());
            send(*known->second, *action.bytes);
            return;
        case Action::Kind::shut:
        case Action::Kind::abort:
            if (known == streams.end() || known->second->left || known->second->ended) {
                broken = "a stream is ended that is not there";
                return;
            }
            known->second->left = true;
            later(latency, [this, id = action.stream] { far_left(id); });
            return;
        case Action::Kind::log:
            logs.push_back(std::move(action));
            return;
        case Action::Kind::note:
            notes.emplace_back(action.name, action.text);
            return;
        case Action::Kind::told:
            told.push_back(action.server_time_us);
            return;
    }
}

void ClientDesk::open(StreamId id, bool proxied) {
    auto made = std::make_unique<FarStream>();
    made->id = id;
    made->proxied = proxied;
    streams[id] = std::move(made);
    ++opens;
    later(2 * latency + connect_takes, [this, id] {
        FarStream& far_end = stream(id);
        if (far_end.left && !late) {
            return;
        }
        if (!route[far_end.proxied ? 1 : 0]) {
            far_end.ended = true;
            tries.push_back(far_end.proxied ? "no proxy" : "no route");
            client->failed(id, route_error, both());
            return;
        }
        far_end.connected = true;
        far_end.opened_at = desk.now;
        client->opened(id, "192.0.2.1:80", "Bearer secret", both());
    });
}

// ---- The far end's answers

void ClientDesk::to_client(FarStream& from, Bytes bytes) {
    if (bytes.empty() || from.mute) {
        return;
    }
    const StreamId id = from.id;
    const auto slow = answer_takes.find(from.path);
    const Duration takes = slow == answer_takes.end() ? Duration{} : slow->second;
    const Duration stalls = std::max(stalled_until - desk.now, Duration{});
    later(latency + takes + stalls, [this, id, bytes = std::move(bytes)]() mutable {
        FarStream& far_end = stream(id);
        if ((far_end.left && !late) || far_end.ended) {
            return;
        }
        touched_[id] = desk.now;
        arm_cut(id);
        if (!one_by_one) {
            client->received(id, bytes, both());
            return;
        }
        for (std::byte& byte : bytes) {
            if (far_end.left) {
                return;
            }
            client->received(id, {&byte, 1}, both());
            turn();
        }
    });
}

void ClientDesk::say(FarStream& from, std::string_view text) {
    to_client(from, Bytes(as_bytes(text).begin(), as_bytes(text).end()));
}

void ClientDesk::end(FarStream& from, const Error& error) {
    later(latency, [this, id = from.id, error] {
        FarStream& far_end = stream(id);
        far_left(id);
        if ((far_end.left && !late) || far_end.ended) {
            return;
        }
        far_end.ended = true;
        client->ended(id, error, both());
    });
}

void ClientDesk::far_left(StreamId id) {
    FarStream& far_end = stream(id);
    far_end.deaf = true;
    far_end.line.reset();
    sockjs->disconnected(id, desk.now);
    serve_sockjs();
}

void ClientDesk::far_received(StreamId id, Bytes bytes) {
    FarStream& far_end = stream(id);
    if (far_end.ended || far_end.deaf) {
        return;
    }
    touched_[id] = desk.now;
    arm_cut(id);
    if (far_end.socket) {
        read_socket(far_end, bytes);
        return;
    }
    ByteView unread = bytes;
    while (!unread.empty() && !far_end.socket) {
        const auto request = far_end.reader.next(unread);
        if (!request) {
            broken = "the client's request: " + request.error().message;
            return;
        }
        if (!*request) {
            return;
        }
        const bool is_first = far_end.path.empty();
        far_end.path = (*request)->target.ends_with("/xhr_send")
                           ? uplink::name(client->path())
                           : path_of(far_end.proxied, **request);
        far_end.authorization = (*request)->header("Authorization");
        far_end.user_agent = (*request)->header("User-Agent");
        if (is_first && !(*request)->target.ends_with("/xhr_send")) {
            tries.push_back(far_end.path);
        }
        const auto given = far.find(far_end.path);
        far_end.far = given == far.end() ? Far::hub : given->second;
        answer(far_end, **request);
    }
    if (far_end.socket && !unread.empty()) {
        read_socket(far_end, std::span(bytes).last(unread.size()));
    }
}

void ClientDesk::answer(FarStream& to, const http::Request& request) {
    const Error fin{ErrorCode::closed, "the peer ended the connection"};
    switch (to.far) {
        case Far::no_route:
        case Far::hub:
        case Far::silent_101:
        case Far::closed_101:
        case Far::garbage_101:
        case Far::other_101:
            if (websocket::wants_websocket(request)) {
                upgrade(to, request);
            } else {
                sockjs->request(to.id, request, both());
                serve_sockjs();
            }
            return;
        case Far::page:
            say(to, plain("200 OK", "Content-Type: text/html\r\n", "<html>Log in here</html>"));
            return;
        case Far::found:
            say(to, plain("302 Found", "Location: http://portal.test/login?token=1\r\n", ""));
            return;
        case Far::bad_request:
            say(to, plain("400 Bad Request", "", "no"));
            return;
        case Far::forbidden:
            say(to, plain("403 Forbidden", "", "no"));
            return;
        case Far::upgrade:
            say(to, plain("426 Upgrade Required", "Upgrade: websocket\r\n", ""));
            return;
        case Far::bad_gateway:
            say(to, plain("502 Bad Gateway", "", "no"));
            return;
        case Far::unauthorized:
            say(to, plain("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", "no"));
            return;
        case Far::login:
            say(to, plain("401 Unauthorized", "WWW-Authenticate: Basic realm=x\r\n", "no"));
            return;
        case Far::fin:
            end(to, fin);
            return;
        case Far::reset:
            end(to, {ErrorCode::io, "the peer reset the connection"});
            return;
        case Far::silence:
            return;
        case Far::garbage:
            say(to, "\x16\x03\x01 what is this?\r\n\r\n");
            return;
        case Far::endless_head:
            say(to, "HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x'));
            return;
        case Far::endless_page:
            say(to, "HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x'));
            return;
        case Far::slow_page:
            say(to, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<");
            return;
        case Far::mangled:
            say(to, plain("200 OK", "", "o\na[\"!!!not base64\"]\n"));
            return;
    }
}

void ClientDesk::upgrade(FarStream& to, const http::Request& request) {
    websocket::ServerPolicy policy;
    policy.protocols = {"holdfast.v1"};
    policy.deflate = options.deflate;
    websocket::ServerAnswer answer = websocket::answer(request, policy);
    if (!answer.accepted || request.target != "/v1/uplink") {
        broken = "a WebSocket handshake that is not right";
        return;
    }
    if (to.far == Far::other_101) {
        std::erase_if(answer.response.headers,
                      [](const auto& header) { return header.first == "Sec-WebSocket-Protocol"; });
    }
    say(to, http::to_wire(answer.response));
    if (to.far == Far::silent_101) {
        to.deaf = true;
    } else if (to.far == Far::closed_101) {
        end(to, {ErrorCode::closed, "the peer ended the connection"});
    } else if (to.far == Far::garbage_101) {
        say(to, "HTTP/1.1 400 Bad Request\r\n\r\n");
    }
    auto deflate =
        answer.deflate ? std::make_unique<websocket::Deflate>(contexts_, *answer.deflate) : nullptr;
    to.socket.emplace(websocket::Role::server, websocket::Limits{}, nullptr, std::move(deflate));
    if (lifetime != Duration{}) {
        later(lifetime, [this, id = to.id] {
            end(stream(id), {ErrorCode::closed, "the peer ended the connection"});
        });
    }
    arm_cut(to.id);
}

/// The box on the way forgets a line that was idle for too long.
void ClientDesk::arm_cut(StreamId id) {
    if (idle_cut == Duration{} || !stream(id).socket) {
        return;
    }
    later(idle_cut, [this, id, idle_since = desk.now] {
        FarStream& far_end = stream(id);
        if (touched_[id] > idle_since || far_end.left || far_end.ended || far_end.deaf) {
            return;
        }
        if (cut_is_silent) {
            far_end.deaf = far_end.mute = true;
        } else {
            end(far_end, {ErrorCode::closed, "the peer ended the connection"});
        }
    });
}

void ClientDesk::read_socket(FarStream& from, std::span<std::byte> bytes) {
    Bytes out;
    const auto close = [&](const std::string& why) {
        from.socket->close(websocket::CloseCode::protocol_error, why, out);
    };
    const auto reply = [&](ByteView envelope) { from.socket->send_binary(envelope, out); };
    using Kind = websocket::Event::Kind;
    while (const auto event = from.socket->next(bytes, out)) {
        if (event->kind == Kind::ping) {
            from.pings.emplace_back(event->payload.begin(), event->payload.end());
            from.pinged_at.push_back(desk.now);
        } else if (event->kind == Kind::binary && choke != 0 && event->payload.size() > choke) {
            end(from, {ErrorCode::io, "connection reset by peer"});
            return;
        } else if (event->kind == Kind::binary) {
            ++from.records;
            message(from.line, true, event->payload, reply, close);
        } else if (event->kind == Kind::close) {
            from.close_code = event->code;
        } else if (event->kind == Kind::error) {
            broken = "the client broke the WebSocket protocol: " + std::string(event->reason);
        }
    }
    to_client(from, std::move(out));
    if (from.socket->closed()) {
        end(from, {ErrorCode::closed, "the peer ended the connection"});
    }
}

void ClientDesk::message(std::unique_ptr<line::HubEnd>& line, bool is_socket, ByteView bytes,
                         const std::function<void(ByteView)>& reply,
                         const std::function<void(const std::string&)>& close) {
    if (!line) {
        line = std::make_unique<line::HubEnd>(
            *hub_journal, line::Admission{"dev", false, "192.0.2.9"}, line_options);
        known_[line.get()] = false;
    }
    const Result<void> result = line->received(bytes, both());
    while (line->next_event()) {
    }
    if (!result) {
        // A poll may open a session anew, by its old name, before the client knows that the old one
        // is gone; then what it has sent meanwhile comes there. Nothing of it may be taken.
        if (is_socket || line->greeted()) {
            broken = "the hub does not understand: " + result.error().message;
        }
        close(result.error().message);
        return;
    }
    if (line->greeted() && !std::exchange(known_[line.get()], true)) {
        ++hellos;
        greeted(*line);
    }
    line->durable();
    while (const auto out = hub_is_mute ? std::nullopt : line->next_message()) {
        reply(*out);
    }
}

/// The hub listens to the youngest line of a device only.
void ClientDesk::greeted(line::HubEnd& young) {
    for (const auto& [id, each] : streams) {
        if (each->line && each->line.get() != &young && each->line->greeted()) {
            each->line->superseded();
            ++moves;
        }
    }
    for (const auto& [id, line] : sessions) {
        if (line && line.get() != &young && line->greeted()) {
            line->superseded();
            ++moves;
        }
    }
}

void ClientDesk::serve_lines() {
    bool wrote = false;
    while (hub_journal->deadline() <= desk.now) {
        const auto write = hub_journal->take_write(desk.now);
        if (!write) {
            break;
        }
        hub_journal->written(hub_store.write(*write), desk.now);
        wrote = true;
    }
    if (!wrote || hub_is_mute) {
        return;
    }
    for (const auto& [id, each] : streams) {
        if (!each->line || !each->socket) {
            continue;
        }
        Bytes out;
        each->line->durable();
        while (const auto message = each->line->next_message()) {
            each->socket->send_binary(*message, out);
        }
        to_client(*each, std::move(out));
    }
    for (const auto& [id, line] : sessions) {
        if (!line) {
            continue;
        }
        line->durable();
        while (const auto message = line->next_message()) {
            (void)sockjs->send(id, sockjs::envelope_text(*message));
        }
    }
    serve_sockjs();
}

void ClientDesk::serve_sockjs() {
    while (const auto event = sockjs->next_event()) {
        if (event->kind == sockjs::Event::Kind::opened) {
            sessions[event->session] = nullptr;
        } else if (event->kind == sockjs::Event::Kind::closed) {
            sessions.erase(event->session);
        } else {
            const auto envelope = sockjs::envelope_bytes(event->text);
            if (!envelope) {
                broken = "what came by SockJS is no Envelope";
                return;
            }
            message(
                sessions[event->session], false, *envelope,
                [&](ByteView out) {
                    (void)sockjs->send(event->session, sockjs::envelope_text(out));
                },
                [&](const std::string& why) { sockjs->close(event->session, 3000, why); });
        }
    }
    while (auto output = sockjs->next_output(desk.now)) {
        FarStream& to = stream(output->exchange);
        const bool ends = output->then == sockjs::Output::Then::end;
        to_client(to, std::move(output->bytes));
        if (ends) {
            end(to, {ErrorCode::closed, "the peer ended the connection"});
        }
    }
}

// ---- What is to be seen

FarStream* ClientDesk::main_stream() {
    for (auto at = streams.rbegin(); at != streams.rend(); ++at) {
        if (at->second->line && at->second->line->greeted()) {
            return at->second.get();
        }
    }
    return nullptr;
}

std::vector<FarStream*> ClientDesk::side_streams() {
    std::vector<FarStream*> found;
    for (const auto& [id, each] : streams) {
        if (each->socket && each->records == 0) {
            found.push_back(each.get());
        }
    }
    return found;
}

std::size_t ClientDesk::open_streams() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        streams, [](const auto& each) { return !each.second->left && !each.second->ended; }));
}

void ClientDesk::send_from_hub(const Bytes& envelope) {
    if (FarStream* const to = main_stream()) {
        Bytes out;
        to->socket->send_binary(envelope, out);
        to_client(*to, std::move(out));
        return;
    }
    for (auto at = sessions.rbegin(); at != sessions.rend(); ++at) {
        if (at->second && at->second->greeted()) {
            (void)sockjs->send(at->first, sockjs::envelope_text(envelope));
            serve_sockjs();
            return;
        }
    }
}

bool ClientDesk::logged(const std::string& part) const {
    return std::ranges::any_of(
        logs, [&](const Action& line) { return line.text.find(part) != std::string::npos; });
}

std::string ClientDesk::log_text() const {
    std::string text;
    for (const Action& line : logs) {
        text += line.text + "\n";
    }
    return text;
}

std::string ClientDesk::compare() {
    std::uint64_t through = 0;
    for (std::uint64_t position = 1;;) {
        const auto records = hub_store.read(position, 1u << 20);
        if (!records || records->empty()) {
            break;
        }
        for (const journal::Record& record : *records) {
            position = record.end_position();
            if (hub_journal->streams().at(record.stream).origin != "dev") {
                continue;
            }
            if (record.first_seq != through + 1) {
                return "number " + std::to_string(record.first_seq) + " follows " +
                       std::to_string(through);
            }
            through = record.last_seq;
            const auto batch = telemetry::decode(*record.body);
            if (record.kind != journal::RecordKind::batch || !batch ||
                batch->readings.size() != record.last_seq - record.first_seq + 1) {
                return "a record cannot be read back";
            }
            for (std::size_t i = 0; i < batch->readings.size(); ++i) {
                if (!std::holds_alternative<std::int64_t>(batch->readings[i].value)) {
                    continue;
                }
                if (batch->readings[i].value !=
                    telemetry::Value(static_cast<std::int64_t>(record.first_seq + i))) {
                    return "number " + std::to_string(record.first_seq + i) + " has changed";
                }
            }
        }
    }
    const std::uint64_t given = desk.journal->own_next_seq() - 1;
    return through == given
               ? ""
               : "the hub has " + std::to_string(through) + " of " + std::to_string(given);
}

}  // namespace holdfast::simulation
