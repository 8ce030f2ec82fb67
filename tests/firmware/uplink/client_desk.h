#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firmware/line/hub_end.h"
#include "firmware/sockjs/server.h"
#include "firmware/uplink/client.h"
#include "firmware/websocket/handshake.h"
#include "tests/firmware/journal/journal_desk.h"

namespace holdfast::simulation {

/// What stands at the far end of a stream.
enum class Far : std::uint8_t {
    hub,
    no_route,      ///< the stream does not come about
    page,          ///< 200 and a page
    found,         ///< 302
    bad_request,   ///< 400
    forbidden,     ///< 403
    upgrade,       ///< 426
    bad_gateway,   ///< 502
    unauthorized,  ///< 401 of the hub
    login,         ///< 401 of a proxy
    fin,           ///< in place of an answer
    reset,         ///< in place of an answer
    silence,       ///< in place of an answer
    garbage,       ///< in place of an answer
    endless_head,  ///< in place of an answer
    endless_page,  ///< 200, and a body without an end
    slow_page,     ///< 200, and a body that is not sent
    mangled,       ///< SockJS, whose messages are no base64 any more
    silent_101,    ///< 101, and nothing after
    closed_101,    ///< 101, and a FIN
    garbage_101,   ///< 101, and what is no WebSocket
    other_101,     ///< 101 without our subprotocol
};

/// A stream as its far end sees it.
struct FarStream {
    uplink::StreamId id = 0;
    bool proxied = false;
    bool connected = false;
    bool left = false;   ///< the client has shut or dropped it
    bool ended = false;  ///< the client was told
    Far far = Far::hub;
    std::string path;  ///< "direct+xhr"; "" before the first request
    Instant opened_at{};
    http::RequestReader reader{http::Limits{.body_size_bytes = 4u << 20}};
    std::string authorization;
    std::string user_agent;
    std::optional<websocket::Connection> socket;
    std::unique_ptr<line::HubEnd> line;
    std::vector<Bytes> pings;  ///< their payloads
    std::vector<Instant> pinged_at;
    std::size_t records = 0;  ///< messages that came
    uplink::Progress progress;
    Instant busy{};  ///< with what the client sent so far
    std::optional<std::uint16_t> close_code;
    bool mute = false;      ///< what the far end says is lost
    bool deaf = false;      ///< what the client says is lost
    bool swallows = false;  ///< though deaf, a proxy on the way takes it
};

/// A whole Client with a journal, and a hub made of the parts that a real one is made of; between
/// them a network without errors but those that the test asks for. All in virtual time.
class ClientDesk {
public:
    ClientDesk();
    ~ClientDesk();

    /// Makes the client, with `options` as they are then.
    void start();
    /// Lets everything happen that is due within `time`. "" or what was wrong.
    void run(Duration time);
    /// Until `done`, for `patience` at most; whether it came to that.
    [[nodiscard]] bool run_until(const std::function<bool()>& done,
                                 Duration patience = std::chrono::minutes(10));
    [[nodiscard]] bool run_until_live(Duration patience = std::chrono::minutes(10));
    [[nodiscard]] bool run_until_delivered(Duration patience = std::chrono::minutes(10));
    /// "" if the hub has each of the device's numbers so far, once, in order, with its value.
    [[nodiscard]] std::string compare();

    [[nodiscard]] Now both() const;
    [[nodiscard]] bool live() const {
        return client->engine().state() == uplink::Uplink::State::live;
    }
    /// The stream of the main line, by what the hub knows: the youngest with Hello.
    [[nodiscard]] FarStream* main_stream();
    [[nodiscard]] FarStream& stream(uplink::StreamId id) { return *streams.at(id); }
    /// WebSockets that were ever up at the hub, without Hello, oldest first.
    [[nodiscard]] std::vector<FarStream*> side_streams();
    [[nodiscard]] std::size_t open_streams() const;
    [[nodiscard]] bool logged(const std::string& part) const;
    [[nodiscard]] std::string log_text() const;

    void end(FarStream& from, const Error& error);
    void to_client(FarStream& from, Bytes bytes);
    void say(FarStream& from, std::string_view text);
    /// On the line of the youngest session with Hello.
    void send_from_hub(const Bytes& envelope);
    void later(Duration wait, std::function<void()> what);

    Desk desk;
    uplink::ClientOptions options;
    std::unique_ptr<uplink::Client> client;

    // ---- The network
    std::string network = "net";
    Duration latency = std::chrono::milliseconds(20);
    std::map<std::string, Far> far;      ///< by the name of the path; else the hub
    bool route[2] = {true, true};        ///< direct, proxied: streams come about
    Duration connect_takes{};            ///< beside the latency
    std::uint64_t bytes_per_second = 0;  ///< that the client may send on each stream; 0: no limit
    Error route_error{ErrorCode::refused, "the connection was refused"};
    std::map<std::string, Duration> answer_takes;  ///< by the name of the path, beside the latency
    Instant stalled_until{};                       ///< nothing comes from the far ends before
    bool one_by_one = false;                       ///< each byte for the client comes by itself
    bool late = false;    ///< what comes for streams that were dropped is told all the same
    Duration lifetime{};  ///< of WebSockets at the hub; 0: none
    Duration idle_cut{};  ///< of WebSockets at the hub; 0: none
    bool cut_is_silent = false;
    std::size_t choke = 0;  ///< a WebSocket with a larger message is reset; 0: none is
    std::optional<std::uint64_t> hub_window;  ///< told in Welcome
    bool hub_is_mute = false;                 ///< takes Hello and never says Welcome

    // ---- What was seen
    std::map<uplink::StreamId, std::unique_ptr<FarStream>> streams;
    std::vector<uplink::Action> logs;
    std::vector<std::pair<std::string, std::string>> notes;
    std::vector<std::int64_t> told;
    std::vector<std::string> tries;  ///< the paths, as their requests came, or as they failed
    std::size_t opens = 0;
    std::size_t sends = 0;
    std::size_t largest_send = 0;
    std::string broken;  ///< "" or the rule that was broken
    bool must_stay_up = false;

    // ---- The hub
    Random random{7};
    ModelStore hub_store{"hub", 1u << 30, false};
    std::unique_ptr<journal::Journal> hub_journal;
    std::optional<sockjs::Server> sockjs;
    std::map<sockjs::SessionId, std::unique_ptr<line::HubEnd>> sessions;
    line::HubEndOptions line_options;
    std::size_t hellos = 0;
    std::size_t moves = 0;  ///< Hellos of a device that had not left

private:
    void turn();
    void act(uplink::Action action);
    void tell_progress();
    void send(FarStream& to, ByteView bytes);
    void open(uplink::StreamId id, bool proxied);
    void step();
    [[nodiscard]] Instant next_event() const;
    void far_received(uplink::StreamId id, Bytes bytes);
    void far_left(uplink::StreamId id);
    void answer(FarStream& to, const http::Request& request);
    void upgrade(FarStream& to, const http::Request& request);
    void read_socket(FarStream& from, std::span<std::byte> bytes);
    void message(std::unique_ptr<line::HubEnd>& line, bool is_socket, ByteView bytes,
                 const std::function<void(ByteView)>& reply,
                 const std::function<void(const std::string&)>& close);
    void serve_sockjs();
    void serve_lines();
    void greeted(line::HubEnd& young);
    void arm_cut(uplink::StreamId id);

    std::multimap<Instant, std::function<void()>> events_;
    std::map<uplink::StreamId, Instant> last_down_;
    std::map<uplink::StreamId, Instant> touched_;
    std::map<line::HubEnd*, bool> known_;
    websocket::DeflateContexts contexts_;
};

}  // namespace holdfast::simulation
