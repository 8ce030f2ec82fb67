#include "firmware/uplink/path/carrier.h"

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "firmware/http/message.h"
#include "firmware/sockjs/frames.h"
#include "firmware/websocket/handshake.h"
#include "platform/simulated/random.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

namespace {

Bytes bytes_of(std::string_view text) {
    const ByteView view = as_bytes(text);
    return {view.begin(), view.end()};
}

/// One carrier, and the test in the place of its owner and of the far end. Orders and events are
/// told as words.
struct PassageDesk {
    simulated::Random random{5};
    websocket::DeflateContexts contexts;
    Instant now{100s};
    CarrierOptions options;
    std::unique_ptr<Carrier> carrier;
    std::string sent[kLanes];
    std::string orders;
    std::string events;
    std::string why;
    LineEnd end;
    Trouble trouble = Trouble::transport;
    std::size_t messages = 0;

    void start(Transport transport) {
        options.hub = *http::parse_url("ws://hub.test/");
        options.path.transport = transport;
        options.user_agent = "test";
        now = Instant{100s};
        sent[0].clear();
        sent[1].clear();
        carrier = make_carrier(options, random, contexts, now);
        drain();
    }
    void drain() {
        while (const auto event = carrier->next_event(now)) {
            switch (event->kind) {
                case Carrier::Event::Kind::up:
                    events += "up ";
                    break;
                case Carrier::Event::Kind::passes:
                    events += "passes ";
                    break;
                case Carrier::Event::Kind::message:
                    events += "message:" + std::string(as_text(event->payload)).substr(0, 20) + " ";
                    ++messages;
                    break;
                case Carrier::Event::Kind::pong:
                    events += "pong ";
                    break;
                case Carrier::Event::Kind::ended:
                    events += "ended ";
                    why = event->error.message;
                    end = event->end;
                    trouble = event->trouble;
                    break;
            }
        }
        while (auto order = carrier->next_order(now)) {
            const std::string lane = order->lane == Lane::receive ? "r " : "s ";
            switch (order->kind) {
                case Carrier::Order::Kind::open:
                    orders += "open:" + lane;
                    break;
                case Carrier::Order::Kind::send:
                    orders += "send:" + lane;
                    sent[static_cast<std::size_t>(order->lane)] += as_text(order->bytes);
                    break;
                case Carrier::Order::Kind::shut:
                    orders += "shut:" + lane;
                    break;
                case Carrier::Order::Kind::abort:
                    orders += "abort:" + lane;
                    break;
            }
        }
    }
    void open(Lane lane, const std::string& authorization = "") {
        carrier->opened(lane, authorization, now);
        drain();
    }
    void give(std::string_view text, Lane lane = Lane::receive) {
        Bytes bytes = bytes_of(text);
        carrier->received(lane, bytes, now);
        drain();
    }
    void finish(Lane lane, const Error& error = {ErrorCode::closed, "the peer ended it"}) {
        carrier->ended(lane, error, now);
        drain();
    }
    void at(Duration since_start) {
        now = Instant{100s} + since_start;
        if (carrier->deadline() <= now) {
            carrier->tick(now);
            drain();
        }
    }
    std::string take_orders() { return std::exchange(orders, {}); }
    std::string take_events() { return std::exchange(events, {}); }
    std::string take_sent(Lane lane = Lane::receive) {
        return std::exchange(sent[static_cast<std::size_t>(lane)], {});
    }
    std::string accept() {
        const std::string request = take_sent();
        http::RequestReader reader;
        ByteView unread = as_bytes(request);
        const auto head = reader.next(unread);
        CHECK(head && *head);
        websocket::ServerPolicy policy;
        policy.protocols = {"holdfast.v1"};
        return http::to_wire(websocket::answer(**head, policy).response);
    }
};

class PassageTest : public Utest, public PassageDesk {};

std::string chunk(std::string_view text) {
    char size[20];
    (void)std::snprintf(size, sizeof size, "%zx\r\n", text.size());
    return size + std::string(text) + "\r\n";
}
const std::string kStreamHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const std::string kPrelude = std::string(2048, 'h') + "\n";
const std::string kTaken = "HTTP/1.1 204 No Content\r\n\r\n";

std::string message_frame(std::string_view envelope) {
    return "a[\"" + sockjs::envelope_text(as_bytes(envelope)) + "\"]\n";
}

class WebSocketDesk : public PassageTest {
protected:
    void up() {
        start(Transport::websocket);
        open(Lane::receive, "Bearer x");
        give(accept());
        CHECK(take_events().ends_with("up "));
    }
    std::string frames(const std::function<void(websocket::Connection&, Bytes&)>& say) {
        websocket::Connection hub(websocket::Role::server, {}, nullptr);
        Bytes out;
        say(hub, out);
        return std::string(as_text(out));
    }
    std::string pong() {
        return frames([](auto& hub, Bytes& out) { hub.send_pong({}, out); });
    }
};

class SockJsDesk : public PassageTest {
protected:
    void up(Transport transport = Transport::xhr_streaming) {
        take_orders();
        take_events();
        start(transport);
        STRCMP_EQUAL("open:r open:s ", take_orders().c_str());
        open(Lane::receive, "Bearer x");
        open(Lane::send, "Bearer x");
        STRCMP_EQUAL("send:r ", take_orders().c_str());
        if (transport == Transport::xhr) {
            give("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no\n");
        } else {
            give(kStreamHead + chunk(kPrelude) + chunk("o\n"));
        }
        STRCMP_EQUAL("up passes ", take_events().c_str());
    }
    void say(std::string_view text) {
        carrier->send(as_bytes(text), {}, websocket::Compression::off);
        drain();
    }
};

}  // namespace

// ---- WebSocket

TEST_GROUP_BASE(WebSocketCarrier, WebSocketDesk){};

TEST(WebSocketCarrier, asks_for_one_stream_and_shakes_hands_with_its_authorization) {
    start(Transport::websocket);
    STRCMP_EQUAL("open:r ", take_orders().c_str());
    CHECK(carrier->deadline() == kNever);
    open(Lane::receive, "Bearer x");
    STRCMP_EQUAL("send:r ", take_orders().c_str());
    const std::string request = take_sent();
    CHECK(request.starts_with("GET /v1/uplink HTTP/1.1\r\n"));
    CHECK(request.find("Authorization: Bearer x\r\n") != std::string::npos);
    CHECK(request.find("User-Agent: test\r\n") != std::string::npos);
    CHECK(request.find("Sec-WebSocket-Protocol: holdfast.v1\r\n") != std::string::npos);
}

TEST(WebSocketCarrier, answers_split_at_every_byte_are_the_same) {
    const std::string after = frames([](auto& hub, Bytes& out) {
        hub.send_pong({}, out);
        hub.send_binary(as_bytes("one"), out);
        hub.send_binary(as_bytes(""), out);
        hub.send_ping(as_bytes("x"), out);
        hub.send_binary(as_bytes(std::string(300, 'y')), out);
        hub.close(websocket::CloseCode::going_away, "bye", out);
    });
    std::size_t size = after.size() + 200;
    for (std::size_t split = 0; split <= size; ++split) {
        PassageDesk each;
        each.start(Transport::websocket);
        each.open(Lane::receive);
        const std::string all = each.accept() + after;
        size = all.size();
        each.give(all.substr(0, std::min(split, size)));
        each.give(all.substr(std::min(split, size)));
        STRCMP_EQUAL("up passes message:one message: message:yyyyyyyyyyyyyyyyyyyy ended ",
                     each.events.c_str());
        STRCMP_EQUAL("the hub closed the line: 1001 bye", each.why.c_str());
        CHECK(each.end.kind == EndKind::closed && each.end.close_code == 1001);
        CHECK(each.trouble == Trouble::hub);
        CHECK(each.orders.ends_with("shut:r "));
    }
}

TEST(WebSocketCarrier, a_message_proves_nothing_since_it_may_have_come_with_101) {
    up();
    give(frames([](auto& hub, Bytes& out) { hub.send_binary(as_bytes("one"), out); }));
    STRCMP_EQUAL("message:one ", take_events().c_str());
    give(pong());
    STRCMP_EQUAL("passes ", take_events().c_str());
    give(pong());
    STRCMP_EQUAL("pong ", take_events().c_str());
}

TEST(WebSocketCarrier, patience_ends_where_nothing_is_answered_and_grows_with_the_connecting) {
    options.patience = 1s;
    start(Transport::websocket);
    now += 500ms;
    open(Lane::receive);
    CHECK(carrier->deadline() == now + 2500ms);
    at(3s);
    STRCMP_EQUAL("ended ", take_events().c_str());
    STRCMP_EQUAL("no answer to the WebSocket handshake within 2 s", why.c_str());
    CHECK(take_orders().ends_with("abort:r "));
    CHECK(carrier->deadline() == kNever);
    // Nothing more is told, whatever happens.
    give("HTTP/1.1 200 OK\r\n\r\n");
    finish(Lane::receive);
    carrier->close(websocket::CloseCode::normal, "");
    carrier->abort();
    carrier->ping(1s);
    carrier->speak();
    drain();
    STRCMP_EQUAL("", (take_events() + take_orders()).c_str());
}

TEST(WebSocketCarrier, patience_ends_where_a_pong_is_missing) {
    options.patience = 1s;
    up();
    at(999ms);
    STRCMP_EQUAL("", take_events().c_str());
    at(1s);
    STRCMP_EQUAL("ended ", take_events().c_str());
    CHECK(trouble == Trouble::transport && end.kind == EndKind::unanswered);
}

TEST(WebSocketCarrier, a_message_that_is_never_finished_is_waited_for_so_long) {
    options.message_timeout = 60s;
    up();
    give(pong());
    const std::string whole =
        frames([](auto& hub, Bytes& out) { hub.send_binary(as_bytes("0123456789"), out); });
    for (std::size_t n = 0; n + 1 < whole.size(); ++n) {
        at(std::chrono::seconds(5 * n));
        give(whole.substr(n, 1));
    }
    at(59s);
    STRCMP_EQUAL("passes ", take_events().c_str());
    at(60s);
    STRCMP_EQUAL("ended ", take_events().c_str());
    STRCMP_EQUAL("the hub did not finish a message in time", why.c_str());
}

TEST(WebSocketCarrier, a_message_over_the_limit_ends_it) {
    options.message_size_bytes = 100;
    up();
    give(pong());
    give(frames([](auto& hub, Bytes& out) { hub.send_binary(Bytes(100), out); }));
    LONGS_EQUAL(1, messages);
    give(frames([](auto& hub, Bytes& out) { hub.send_binary(Bytes(101), out); }));
    LONGS_EQUAL(1, messages);
    CHECK(why.starts_with("the hub broke the WebSocket protocol: 1009"));
    CHECK(trouble == Trouble::hub);
}

TEST(WebSocketCarrier, text_ends_it) {
    up();
    give(pong());
    give(frames([](auto& hub, Bytes& out) { hub.send_text("hello", out); }));
    STRCMP_EQUAL("the hub sent text on a line of binary messages", why.c_str());
    STRCMP_EQUAL("passes ended ", take_events().c_str());
}

TEST(WebSocketCarrier, a_fin_and_a_reset_are_told_apart) {
    up();
    give(pong());
    finish(Lane::receive);
    CHECK(end.kind == EndKind::finished);
    up();
    give(pong());
    finish(Lane::receive, {ErrorCode::io, "reset"});
    CHECK(end.kind == EndKind::reset);
}

TEST(WebSocketCarrier, close_says_goodbye_once_it_is_up_and_drops_the_stream_before) {
    start(Transport::websocket);
    take_orders();
    carrier->close(websocket::CloseCode::going_away, "");
    drain();
    STRCMP_EQUAL("abort:r ", take_orders().c_str());
    up();
    take_orders();
    carrier->send(as_bytes("he"), as_bytes("llo"), websocket::Compression::off);
    CHECK(carrier->gathered_bytes() > 5);
    carrier->close(websocket::CloseCode::going_away, "");
    LONGS_EQUAL(0, carrier->gathered_bytes());
    drain();
    STRCMP_EQUAL("send:r shut:r ", take_orders().c_str());
    STRCMP_EQUAL("", take_events().c_str());
}

// ---- SockJS

TEST_GROUP_BASE(SockJsCarrier, SockJsDesk){};

TEST(SockJsCarrier, carries_envelopes_both_ways) {
    up();
    const std::string request = take_sent();
    CHECK(request.starts_with("POST /sockjs/"));
    CHECK(request.find("/xhr_streaming HTTP/1.1\r\n") != std::string::npos);
    CHECK(request.find("Authorization: Bearer x\r\n") != std::string::npos);
    say("one");
    say("two");
    STRCMP_EQUAL("send:s ", take_orders().c_str());
    CHECK(take_sent(Lane::send).ends_with("[\"b25l\"]"));
    CHECK(carrier->gathered_bytes() > 0);
    give(kTaken, Lane::send);
    STRCMP_EQUAL("send:s ", take_orders().c_str());
    CHECK(take_sent(Lane::send).ends_with("[\"dHdv\"]"));
    give(kTaken, Lane::send);
    LONGS_EQUAL(0, carrier->gathered_bytes());
    give(chunk(message_frame("three")));
    STRCMP_EQUAL("message:three ", take_events().c_str());
}

TEST(SockJsCarrier, hello_goes_with_the_first_request_and_welcome_may_follow_at_once) {
    for (const bool send_lane_first : {false, true}) {
        start(Transport::xhr_streaming);
        if (send_lane_first) {
            open(Lane::send);
        }
        carrier->greet(bytes_of("hello"));
        open(Lane::receive);
        CHECK(take_sent().find("\r\nHoldfast-Hello: aGVsbG8=\r\n") != std::string::npos);
        take_orders();
        give("HTTP/1.1 200 OK\r\nHoldfast-Hello: taken\r\nTransfer-Encoding: chunked\r\n\r\n" +
             chunk(kPrelude) + chunk("o\n") + chunk(message_frame("welcome")));
        STRCMP_EQUAL("up passes message:welcome ", take_events().c_str());
        STRCMP_EQUAL("", take_orders().c_str());
        LONGS_EQUAL(0, carrier->gathered_bytes());
    }
}

TEST(SockJsCarrier, by_xhr_welcome_may_come_behind_o_in_the_same_poll) {
    start(Transport::xhr);
    carrier->greet(bytes_of("hello"));
    open(Lane::receive);
    const std::string body = "o\n" + message_frame("welcome");
    give("HTTP/1.1 200 OK\r\nHoldfast-Hello: taken\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body);
    STRCMP_EQUAL("up passes message:welcome ", take_events().c_str());
    CHECK(take_orders().ends_with("send:r send:r "));
}

TEST(SockJsCarrier, hello_that_was_not_taken_or_is_too_large_is_the_first_message) {
    for (const std::size_t size : {std::size_t{5}, std::size_t{3072}, std::size_t{3073}}) {
        const std::string hello(size, 'x');
        take_orders();
        take_events();
        start(Transport::xhr_streaming);
        carrier->greet(bytes_of(hello));
        open(Lane::receive);
        open(Lane::send);
        const bool ahead = take_sent().find("Holdfast-Hello") != std::string::npos;
        LONGS_EQUAL(size <= 3072, ahead);
        STRCMP_EQUAL("open:r open:s send:r ", take_orders().c_str());
        give(kStreamHead + chunk(kPrelude) + chunk("o\n"));
        STRCMP_EQUAL("send:s ", take_orders().c_str());
        CHECK(take_sent(Lane::send)
                  .ends_with("\r\n\r\n[\"" + sockjs::envelope_text(as_bytes(hello)) + "\"]"));
    }
}

TEST(SockJsCarrier, a_ping_is_an_empty_envelope_and_speaking_is_nothing) {
    up();
    take_sent();
    carrier->speak();
    drain();
    STRCMP_EQUAL("", take_orders().c_str());
    carrier->ping(25s);
    drain();
    CHECK(take_sent(Lane::send).ends_with("[\"\"]"));
}

TEST(SockJsCarrier, answers_split_at_every_byte_are_the_same) {
    const std::string all =
        kStreamHead + chunk(kPrelude) + chunk("o\n") + chunk("h\n") + chunk(message_frame("one")) +
        chunk(message_frame(std::string(300, 'y'))) + chunk("c[1001,\"bye\"]\n");
    for (std::size_t split = 0; split <= all.size(); ++split) {
        PassageDesk each;
        each.start(Transport::xhr_streaming);
        each.open(Lane::receive);
        each.give(all.substr(0, split));
        each.give(all.substr(split));
        STRCMP_EQUAL("up passes message:one message:yyyyyyyyyyyyyyyyyyyy ended ",
                     each.events.c_str());
        STRCMP_EQUAL("the server closed the session: 1001 bye", each.why.c_str());
        CHECK(each.end.kind == EndKind::closed && each.end.close_code == 1001);
        CHECK(each.trouble == Trouble::hub);
    }
}

TEST(SockJsCarrier, either_stream_may_come_first) {
    start(Transport::xhr);
    take_orders();
    open(Lane::send);
    STRCMP_EQUAL("", take_orders().c_str());
    open(Lane::receive);
    STRCMP_EQUAL("send:r ", take_orders().c_str());
}

TEST(SockJsCarrier, no_receiving_stream_is_no_route) {
    start(Transport::xhr);
    take_orders();
    finish(Lane::receive, {ErrorCode::refused, "refused"});
    STRCMP_EQUAL("ended ", take_events().c_str());
    CHECK(trouble == Trouble::route);
    STRCMP_EQUAL("abort:s ", take_orders().c_str());
}

TEST(SockJsCarrier, a_sending_stream_that_failed_or_ended_while_idle_is_asked_for_again) {
    up();
    finish(Lane::send);
    CHECK(take_orders().empty() && take_events().empty());
    say("one");
    STRCMP_EQUAL("open:s ", take_orders().c_str());
    open(Lane::send);
    STRCMP_EQUAL("send:s ", take_orders().c_str());
    CHECK(take_sent(Lane::send).ends_with("[\"b25l\"]"));
}

TEST(SockJsCarrier, a_sending_stream_that_ends_unanswered_ends_the_line) {
    up();
    say("one");
    finish(Lane::send, {ErrorCode::io, "reset"});
    STRCMP_EQUAL("ended ", take_events().c_str());
    CHECK(end.kind == EndKind::reset);
    CHECK(take_orders().ends_with("abort:r "));
}

TEST(SockJsCarrier, polls_one_after_the_other_on_one_stream) {
    up(Transport::xhr);
    for (int n = 0; n < 3; ++n) {
        STRCMP_EQUAL("send:r ", take_orders().c_str());
        const std::string frame = message_frame("m");
        give("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(frame.size()) + "\r\n\r\n" +
             frame);
        STRCMP_EQUAL("message:m ", take_events().c_str());
    }
}

TEST(SockJsCarrier, a_stream_that_the_hub_said_it_would_end_is_not_asked_again) {
    up(Transport::xhr);
    take_orders();
    give("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nh\n");
    STRCMP_EQUAL("open:r ", take_orders().c_str());
    open(Lane::receive);
    STRCMP_EQUAL("send:r ", take_orders().c_str());
    say("one");
    take_orders();
    give("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", Lane::send);
    say("two");
    STRCMP_EQUAL("open:s ", take_orders().c_str());
    STRCMP_EQUAL("", take_events().c_str());
}

TEST(SockJsCarrier, a_poll_on_a_stream_that_had_ended_is_asked_again_on_another) {
    up(Transport::xhr);
    take_orders();
    finish(Lane::receive);
    STRCMP_EQUAL("open:r ", take_orders().c_str());
    open(Lane::receive);
    STRCMP_EQUAL("send:r ", take_orders().c_str());
    STRCMP_EQUAL("", take_events().c_str());
}

TEST(SockJsCarrier, garbage_has_a_name_at_each_stage) {
    const std::string head = kStreamHead + chunk(kPrelude) + chunk("o\n");
    for (const std::string& bad :
         {std::string("\x16\x03\x01"), std::string("HTTP/1.1 200 OK\r\n\r\n<html>"),
          kStreamHead + chunk("<html>"), kStreamHead + "zzzz\r\n",
          kStreamHead + chunk("a[\"x\"]\n"), head + chunk("a[\"%\"]\n"), head + chunk("a[1]\n"),
          head + chunk("nonsense\n"), head + chunk("a[\"" + std::string(3u << 20, 'A') + "\"]\n"),
          "HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x')}) {
        PassageDesk each;
        each.start(Transport::xhr_streaming);
        each.open(Lane::receive);
        each.give(bad);
        if (!each.events.ends_with("ended ") || each.why.empty()) {
            FAIL(bad.substr(0, 200).c_str());
        }
        CHECK(each.orders.ends_with("abort:r abort:s "));
    }
}

TEST(SockJsCarrier, what_is_no_envelope_is_the_ways_fault_until_one_came_whole) {
    const std::string bad = chunk("a[\"!!!not base64\"]\n");
    up();
    give(bad);
    STRCMP_EQUAL("ended ", take_events().c_str());
    CHECK(trouble == Trouble::transport);
    CHECK(why.starts_with(
        "what came as a message in the answer to SockJS xhr_streaming is no Envelope: base64"));
    up();
    give(chunk(message_frame("welcome")) + bad);
    STRCMP_EQUAL("message:welcome ended ", take_events().c_str());
    CHECK(trouble == Trouble::hub);
    up(Transport::xhr);
    give("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\na[\"x\"]\n");
    CHECK(trouble == Trouble::transport);
    CHECK(why.starts_with("what came as a message in the answer to SockJS xhr is no Envelope: "));
}

TEST(SockJsCarrier, an_end_names_the_request_that_it_met) {
    start(Transport::xhr_streaming);
    open(Lane::receive);
    finish(Lane::receive);
    STRCMP_EQUAL("in place of the answer to SockJS xhr_streaming: the peer ended it", why.c_str());
    CHECK(end.kind == EndKind::finished);
    up();
    finish(Lane::receive, {ErrorCode::io, "reset"});
    STRCMP_EQUAL("the answer to SockJS xhr_streaming broke off: reset", why.c_str());
    CHECK(end.kind == EndKind::reset);
    up();
    say("one");
    finish(Lane::send);
    STRCMP_EQUAL("in place of the answer to SockJS xhr_send: the peer ended it", why.c_str());
    up();
    say("one");
    give("HTTP/1.1 200 OK\r\n\r\n", Lane::send);
    STRCMP_EQUAL("SockJS xhr_send was answered 200 OK", why.c_str());
}

TEST(SockJsCarrier, close_drops_its_streams_in_whatever_state_they_are) {
    start(Transport::xhr);
    take_orders();
    carrier->close(websocket::CloseCode::going_away, "");
    drain();
    STRCMP_EQUAL("abort:r abort:s ", take_orders().c_str());
    up();
    take_orders();
    carrier->close(websocket::CloseCode::going_away, "");
    drain();
    STRCMP_EQUAL("shut:r shut:s ", take_orders().c_str());
    CHECK(carrier->deadline() == kNever);
    open(Lane::receive);
    give("x");
    finish(Lane::send);
    say("one");
    CHECK(take_orders().empty() && take_events().empty());
}

TEST(SockJsCarrier, patience_ends_where_no_frame_comes) {
    options.patience = 1s;
    start(Transport::xhr_streaming);
    open(Lane::receive);
    give(kStreamHead);
    at(1s);
    STRCMP_EQUAL("ended ", take_events().c_str());
    CHECK(trouble == Trouble::transport);
    CHECK(end.kind == EndKind::unanswered);
}
