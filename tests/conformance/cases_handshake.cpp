#include <algorithm>

#include "tests/conformance/case.h"

namespace holdfast::conformance {
namespace {

constexpr const char* kKey = "Sec-WebSocket-Key: {key}";

/// A right head, changed: "Name: value" replaces that header, "-Name" takes it away, "+Name: value"
/// adds one, "=" replaces the first line.
std::string head(std::vector<std::string> lines, const std::vector<std::string>& changes) {
    const auto names = [](const std::string& line, std::string_view name) {
        return line.substr(0, line.find(':')) == name;
    };
    for (const std::string& change : changes) {
        const std::string_view name = std::string_view(change).substr(0, change.find(':'));
        if (change[0] == '=') {
            lines[0] = change.substr(1);
        } else if (change[0] == '+') {
            lines.push_back(change.substr(1));
        } else if (change[0] == '-') {
            std::erase_if(lines, [&](const auto& line) { return names(line, name.substr(1)); });
        } else {
            std::ranges::replace_if(
                lines, [&](const auto& line) { return names(line, name); }, change);
        }
    }
    std::string out;
    for (const std::string& line : lines) {
        out += line + "\r\n";
    }
    return out + "\r\n";
}

std::string request(const std::vector<std::string>& changes) {
    return head({"GET /any HTTP/1.1", "Host: localhost:9001", "Upgrade: websocket",
                 "Connection: Upgrade", kKey, "Sec-WebSocket-Version: 13"},
                changes);
}

std::string response(const std::vector<std::string>& changes) {
    return head({"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Accept: {accept}"},
                changes);
}

void add_request(std::vector<HandshakeCase>& cases, std::string name, std::string section,
                 const std::vector<std::string>& changes, int status,
                 std::vector<std::string> contains = {}) {
    cases.push_back({"request." + std::move(name), "6455 " + std::move(section), Subject::server,
                     request(changes), status, std::move(contains)});
}

void add_good_requests(std::vector<HandshakeCase>& cases) {
    const auto add = [&cases](const char* name, const char* section,
                              const std::vector<std::string>& changes) {
        add_request(cases, name, section, changes, 101,
                    {"upgrade: websocket", "connection: upgrade"});
    };
    add("right", "4.2.2", {});
    add("header_names_in_lower_case", "4.2.1",
        {"-Upgrade", "-Connection", "-Sec-WebSocket-Key", "-Sec-WebSocket-Version",
         "+upgrade: websocket", "+connection: upgrade", "+sec-websocket-key: {key}",
         "+sec-websocket-version: 13"});
    add("header_names_in_upper_case", "4.2.1",
        {"-Upgrade", "-Connection", "-Sec-WebSocket-Key", "-Sec-WebSocket-Version",
         "+UPGRADE: WEBSOCKET", "+CONNECTION: UPGRADE", "+SEC-WEBSOCKET-KEY: {key}",
         "+SEC-WEBSOCKET-VERSION: 13"});
    add("other_order", "4.1", {"-Host", "-Upgrade", "+Upgrade: WebSocket", "+Host: localhost"});
    add("connection_keep_alive_upgrade", "4.2.1", {"Connection: keep-alive, Upgrade"});
    add("connection_in_two_headers", "4.2.1", {"Connection: keep-alive", "+Connection: Upgrade"});
    add("upgrade_among_others", "4.2.1", {"Upgrade: h2c, websocket"});
    add("blanks_around_values", "4.2.1",
        {"Upgrade:   websocket  ", "Connection:\tUpgrade\t", "Sec-WebSocket-Key:{key}",
         "Sec-WebSocket-Version:  13 "});
    add("target_with_query", "4.1", {"=GET /a/b?c=d&e=%20 HTTP/1.1"});
    add("target_in_absolute_form", "4.1", {"=GET http://localhost:9001/any HTTP/1.1"});
    add("target_of_a_root", "4.1", {"=GET / HTTP/1.1"});
    add("unknown_headers", "4.1", {"+X-Unknown: yes", "+Cookie: a=b; c=d", "+Pragma: no-cache"});
    add("origin", "4.2.1", {"+Origin: http://elsewhere.example"});
    add("empty_content_length", "4.1", {"+Content-Length: 0"});
}

void add_bad_requests(std::vector<HandshakeCase>& cases) {
    const auto add = [&cases](const char* name, const char* section,
                              const std::vector<std::string>& changes,
                              int status) { add_request(cases, name, section, changes, status); };
    for (const char* method : {"POST", "HEAD", "PUT", "OPTIONS", "get"}) {
        add_request(cases, "method_"s + method, "4.1", {"="s + method + " /any HTTP/1.1"}, 405,
                    {"allow: get"});
    }
    add("http_1_0", "4.1", {"=GET /any HTTP/1.0"}, 400);
    add("http_2_0", "4.1", {"=GET /any HTTP/2.0"}, 400);
    add("no_http", "4.1", {"=GET /any"}, 400);
    add("target_with_a_blank", "4.1", {"=GET /a b HTTP/1.1"}, 400);
    add("no_host", "4.1", {"-Host"}, 400);
    add("two_hosts", "4.1", {"+Host: elsewhere"}, 400);
    add("no_connection", "4.2.1", {"-Connection"}, 400);
    add("connection_without_upgrade", "4.2.1", {"Connection: keep-alive"}, 400);
    add("connection_upgrades", "4.2.1", {"Connection: Upgrades"}, 400);
    add("no_key", "4.2.1", {"-Sec-WebSocket-Key"}, 400);
    add("empty_key", "4.2.1", {"Sec-WebSocket-Key: "}, 400);
    add("two_keys", "4.2.1", {"+Sec-WebSocket-Key: {key}"}, 400);
    add("key_of_15_bytes", "4.2.1", {"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"}, 400);
    add("key_of_17_bytes", "4.2.1", {"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="}, 400);
    add("key_not_base64", "4.2.1", {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!=="}, 400);
    add("key_without_padding", "4.2.1", {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"}, 400);
    add("folded_header", "4.2.1", {"Upgrade: websocket\r\n folded"}, 400);
    add("control_character", "4.2.1", {"+X-Bad: a\x01"s}, 400);
    add("header_without_colon", "4.2.1", {"+Nonsense"}, 400);
    add("blank_before_colon", "4.2.1", {"+X-Bad : a"}, 400);
    add("body", "4.1", {"+Content-Length: 5"}, 400);
    add("chunked_body", "4.1", {"+Transfer-Encoding: chunked"}, 400);
    add("content_length_twice", "4.1", {"+Content-Length: 0", "+Content-Length: 0"}, 400);
    for (const char* upgrade : {"websockets", "web socket", "h2c", "websocket13"}) {
        add_request(cases, "upgrade_"s + upgrade, "4.2.1", {"Upgrade: "s + upgrade}, 426,
                    {"upgrade: websocket"});
    }
    add_request(cases, "no_upgrade", "4.2.1", {"-Upgrade"}, 426, {"upgrade: websocket"});
    for (const char* version : {"12", "14", "0", "8", "7", "113", "013", "13.0", "x", "", "-13"}) {
        add_request(cases, "version_"s + version, "4.4", {"Sec-WebSocket-Version: "s + version},
                    426, {"sec-websocket-version: 13"});
    }
    add_request(cases, "no_version", "4.4", {"-Sec-WebSocket-Version"}, 426,
                {"sec-websocket-version: 13"});
    add_request(cases, "two_versions", "4.4", {"+Sec-WebSocket-Version: 13"}, 426,
                {"sec-websocket-version: 13"});
    add_request(cases, "two_versions_in_a_list", "4.4", {"Sec-WebSocket-Version: 13, 8"}, 426,
                {"sec-websocket-version: 13"});
}

std::string flood(std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) {
        out += "X-Header-" + std::to_string(i) + ": value\r\n";
    }
    return out;
}

/// Bounded: what does not end is refused while it still comes.
void add_floods(std::vector<HandshakeCase>& cases) {
    const auto add = [&cases](const char* name, std::string bytes) {
        cases.push_back({"request."s + name, "6455 10.4", Subject::server, std::move(bytes), 431});
    };
    add("header_flood", "GET / HTTP/1.1\r\nHost: a\r\n" + flood(3000) + "\r\n");
    add("header_flood_without_end", "GET / HTTP/1.1\r\nHost: a\r\n" + flood(1000));
    add("endless_value", "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'x'));
    add("endless_name", "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(20'000, 'x'));
    add("endless_target", "GET /" + std::string(20'000, 'x'));
    add("endless_key", request({"Sec-WebSocket-Key: " + std::string(20'000, 'A')}));
    add(
        "endless_empty_headers", "GET / HTTP/1.1\r\n" + [] {
            std::string lines;
            for (int i = 0; i < 5000; ++i) {
                lines += "a:\r\n";
            }
            return lines;
        }());
}

}  // namespace

std::vector<HandshakeCase> request_cases() {
    std::vector<HandshakeCase> cases;
    add_good_requests(cases);
    add_bad_requests(cases);
    add_floods(cases);
    cases.push_back({"request.large_but_allowed", "6455 4.1", Subject::server,
                     request({"+X-Large: " + std::string(12'000, 'x')})});
    cases.push_back({"request.no_http_at_all", "6455 4.1", Subject::server,
                     "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s + std::string(32, 'r'), 400});
    cases.push_back({"request.extension_not_spoken",
                     "6455 9.1",
                     Subject::server,
                     request({"+Sec-WebSocket-Extensions: permessage-deflate, x-foo; bar=1"}),
                     101,
                     {},
                     {"sec-websocket-extensions"}});
    cases.push_back({"request.subprotocol_not_spoken",
                     "6455 4.2.2",
                     Subject::server,
                     request({"+Sec-WebSocket-Protocol: chat, superchat"}),
                     101,
                     {},
                     {"sec-websocket-protocol"}});
    return cases;
}

std::vector<HandshakeCase> negotiation_cases() {
    std::vector<HandshakeCase> cases;
    const auto add = [&cases](const std::string& offer, std::vector<std::string> contains,
                              std::vector<std::string> lacks) {
        cases.push_back({"negotiation.[" + offer + "]", "7692 7.1", Subject::server,
                         request({"+Sec-WebSocket-Extensions: " + offer}), 101, std::move(contains),
                         std::move(lacks), Mode::deflate});
    };
    const auto declined = [&add](const std::string& offer) {
        add(offer, {}, {"sec-websocket-extensions"});
    };
    const std::string agreed = "sec-websocket-extensions: permessage-deflate*";
    const std::string name = "permessage-deflate";
    // Nothing is answered that was not offered, but for what a server may decide by itself.
    add(name, {agreed}, {"max_window_bits"});
    add(name + "; client_max_window_bits", {agreed}, {"client_max_window_bits;", "server_max"});
    add(name + "; server_no_context_takeover", {agreed + "; server_no_context_takeover*"}, {});
    add(name + "; client_no_context_takeover", {agreed}, {});
    for (int bits = 8; bits <= 15; ++bits) {
        const std::string number = std::to_string(bits);
        add(name + "; server_max_window_bits=" + number,
            {agreed + "; server_max_window_bits=" + number + "*"}, {"client_max_window_bits"});
        add(name + "; client_max_window_bits=" + number, {agreed}, {"server_max_window_bits"});
        add(name +
                "; server_no_context_takeover; client_no_context_takeover; "
                "server_max_window_bits=" +
                number + "; client_max_window_bits",
            {agreed + "server_no_context_takeover*",
             agreed + "server_max_window_bits=" + number + "*"},
            {});
    }
    add(name + "; server_max_window_bits=\"10\"", {agreed + "; server_max_window_bits=10*"}, {});
    add(name + ";server_max_window_bits = 10 ; client_no_context_takeover",
        {agreed + "; server_max_window_bits=10*"}, {});
    // Declined, but the handshake goes on.
    for (const char* value : {"7", "16", "0", "08", "015", "1", "99999999999", "-9", "+9", "9.0",
                              "a", "0x9", "\"\"", "\"9", "9 9"}) {
        declined(name + "; server_max_window_bits=" + value);
        declined(name + "; client_max_window_bits=" + value);
    }
    for (const char* parameter :
         {"server_max_window_bits",
          "server_max_window_bits=", "client_max_window_bits=", "server_no_context_takeover=1",
          "client_no_context_takeover=true", "server_no_context_takeover=\"\"", "unknown",
          "unknown=1", "mux", "", "server_no_context_takeover; server_no_context_takeover",
          "client_no_context_takeover; client_no_context_takeover",
          "server_max_window_bits=10; server_max_window_bits=10",
          "client_max_window_bits; client_max_window_bits=10",
          "server_max_window_bits=10; unknown"}) {
        declined(name + "; " + parameter);
    }
    for (const char* offer : {"x-webkit-deflate-frame", "permessage-bzip2", "permessage-deflates",
                              "permessage", ";", "=", ",", "permessage-deflate permessage-deflate",
                              "\"permessage-deflate\"", "permessage-deflate; ; "}) {
        declined(offer);
    }
    // The first that can be accepted, in the client's order.
    add(name + "; unknown, " + name, {agreed}, {"unknown"});
    add(name + "; server_max_window_bits=16, " + name + "; server_max_window_bits=12",
        {agreed + "server_max_window_bits=12*"}, {});
    add(name + "; server_max_window_bits=11, " + name, {agreed + "server_max_window_bits=11*"}, {});
    add("x-webkit-deflate-frame; no_context_takeover, " + name, {agreed}, {"x-webkit"});
    add("foo; bar=\"abc\", " + name, {agreed}, {"foo"});
    add("foo\r\nSec-WebSocket-Extensions: " + name + "; server_max_window_bits=13",
        {agreed + "server_max_window_bits=13*"}, {});
    add(",, ," + name + ",", {agreed}, {});
    return cases;
}

std::vector<HandshakeCase> response_cases() {
    std::vector<HandshakeCase> cases;
    const auto add = [&cases](const char* name, const char* section,
                              const std::vector<std::string>& changes, int status = 0) {
        cases.push_back({"response."s + name, section, Subject::client, response(changes), status});
    };
    add("right", "6455 4.1", {}, 101);
    add("in_lower_case", "6455 4.1",
        {"-Upgrade", "-Connection", "-Sec-WebSocket-Accept", "+upgrade: WEBSOCKET",
         "+connection: UPGRADE", "+sec-websocket-accept: {accept}"},
        101);
    add("connection_with_more", "6455 4.1", {"Connection: keep-alive, Upgrade"}, 101);
    add("unknown_headers", "6455 4.1", {"+Server: any", "+X-Unknown: yes"}, 101);
    add("other_reason", "6455 4.1", {"=HTTP/1.1 101 WebSocket Protocol Handshake"}, 101);
    add("no_reason", "6455 4.1", {"=HTTP/1.1 101 "}, 101);
    for (const char* status :
         {"200 OK", "204 No Content", "302 Found", "400 Bad Request", "401 Unauthorized",
          "403 Forbidden", "404 Not Found", "426 Upgrade Required", "500 Oops", "503 Later"}) {
        cases.push_back({"response.status_"s + std::string(status).substr(0, 3), "6455 4.1",
                         Subject::client, response({"=HTTP/1.1 "s + status, "+Content-Length: 0"}),
                         0});
    }
    add("no_upgrade", "6455 4.1", {"-Upgrade"});
    add("wrong_upgrade", "6455 4.1", {"Upgrade: websockets"});
    add("two_upgrades", "6455 4.1", {"+Upgrade: h2c"});
    add("no_connection", "6455 4.1", {"-Connection"});
    add("wrong_connection", "6455 4.1", {"Connection: close"});
    add("no_accept", "6455 4.1", {"-Sec-WebSocket-Accept"});
    add("empty_accept", "6455 4.1", {"Sec-WebSocket-Accept: "});
    add("wrong_accept", "6455 4.1", {"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="});
    add("two_accepts", "6455 4.1", {"+Sec-WebSocket-Accept: {accept}"});
    add("subprotocol_not_offered", "6455 4.1", {"+Sec-WebSocket-Protocol: chat"});
    add("no_http", "6455 4.1", {"=RTSP/1.0 101 Right"});
    add("endless_head", "6455 10.4", {"+X: " + std::string(100'000, 'x')});
    const auto extension = [&add](const char* name, const std::string& answer, int status = 0) {
        add(name, "7692 7.1", {"+Sec-WebSocket-Extensions: " + answer}, status);
    };
    const std::string base =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    extension("deflate", base, 101);
    extension("deflate_with_windows", base + "; server_max_window_bits=9; client_max_window_bits=8",
              101);
    extension("not_offered", "x-foo");
    extension("deflate_and_not_offered", base + ", x-foo");
    extension("deflate_twice", base + ", " + base);
    extension("deflate_with_unknown", base + "; unknown");
    extension("deflate_with_bad_window", base + "; client_max_window_bits=7");
    extension("deflate_with_large_window", base + "; server_max_window_bits=16");
    extension("deflate_with_leading_zero", base + "; server_max_window_bits=09");
    extension("deflate_without_window", base + "; client_max_window_bits");
    extension("deflate_without_server_window", base + "; server_max_window_bits");
    extension("deflate_with_a_value", base + "=1");
    extension("deflate_with_doubled", base + "; client_no_context_takeover");
    extension("malformed", "permessage-deflate; =");
    return cases;
}

}  // namespace holdfast::conformance
