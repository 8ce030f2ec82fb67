#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/error.h"

namespace holdfast::http {

/// A request with its whole body. Header names compare without regard to case.
struct Request {
    std::string method;
    std::string target;  ///< as sent: path and query, percent-encoded
    int version = 11;    ///< 10 or 11
    std::vector<std::pair<std::string, std::string>> headers;  ///< in order, duplicates kept
    std::string body;
    bool keep_alive = true;

    /// The first of that name; "" if there is none.
    [[nodiscard]] std::string_view header(std::string_view name) const;
    /// How often the name occurs.
    [[nodiscard]] std::size_t count(std::string_view name) const;
    /// Whether a comma-separated header (all of that name together) holds `token`, without regard
    /// to case.
    [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const;
    /// Whether the client already has the entity tagged `etag` ("\"x\"", with its quotes): answer
    /// 304. Read from If-None-Match, whose tags compare weakly (RFC 9110, Sections 8.8.3.2 and
    /// 13.1.2), because a proxy that compresses weakens them.
    [[nodiscard]] bool has_entity(std::string_view etag) const;
};

struct Response {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    bool keep_alive = true;

    [[nodiscard]] std::string_view header(std::string_view name) const;
    [[nodiscard]] std::size_t count(std::string_view name) const;
    [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const;
};

/// Head and body as bytes for the wire; adds Content-Length and Connection. For 101 and 204 there
/// is no body. `head_only` answers HEAD.
[[nodiscard]] std::string to_wire(const Response& response, bool head_only = false);
/// "Not Found" for 404.
[[nodiscard]] std::string_view reason_phrase(int status);

struct Limits {
    std::size_t head_size_bytes = 16 << 10;
    std::size_t body_size_bytes = 64 << 10;
    /// Requests only: stop before a body, so that the caller can look at the head and decide
    /// whether this client may send a larger body (RequestReader::head, allow_body).
    bool stops_before_body = false;
};

/// Reads requests from a byte stream, one after the other (keep-alive, pipelining), by
/// Boost.Beast's parser. Owns nothing but the unfinished request.
///
/// A request that two parsers might read differently is refused, so that nothing can be smuggled
/// past a proxy: Content-Length with Transfer-Encoding, either of them twice, a transfer coding
/// other than chunked, folded lines, Host missing from HTTP/1.1 or given twice, a body after an
/// Upgrade to websocket.
class RequestReader {
public:
    explicit RequestReader(const Limits& limits = {});
    ~RequestReader();
    RequestReader(RequestReader&&) noexcept;
    RequestReader& operator=(RequestReader&&) noexcept;

    /// The next request in `bytes`; advances `bytes` past what was consumed. What follows an
    /// Upgrade request is left in `bytes`. nullopt: not complete yet. Errors: invalid (answer 400),
    /// too_large (answer 431 for the head, 413 for the body; the message says which). Then the
    /// connection must be closed.
    [[nodiscard]] Result<std::optional<Request>> next(ByteView& bytes);
    /// With `limits.stops_before_body`, `next` returns nullopt once before the body of a request,
    /// and leaves the rest in `bytes`. Then this is the request without its body; otherwise
    /// nullptr. Valid until the following `next`, which reads on. A `next` without bytes tells
    /// whether the body is too large.
    [[nodiscard]] const Request* head() const;
    /// The limit of this one body, in place of `limits.body_size_bytes`.
    void allow_body(std::size_t size_bytes);
    /// Nothing of a request has been received yet: the connection is idle.
    [[nodiscard]] bool idle() const;

private:
    struct State;
    Limits limits_;
    std::unique_ptr<State> state_;  ///< null while idle
};

/// The client's side of the opening handshake: one response head (a body, if any, is collected up
/// to the limit and only if the status is not 101).
class ResponseReader {
public:
    explicit ResponseReader(const Limits& limits = {});
    ~ResponseReader();
    ResponseReader(ResponseReader&&) noexcept;
    ResponseReader& operator=(ResponseReader&&) noexcept;

    /// As RequestReader::next. For 101 the head alone; what follows it is left in `bytes`.
    /// A body without a length, which ends with the connection, is left in `bytes` too; one over
    /// the limit is cut there. Both have `keep_alive` false. Interim responses (1xx) are skipped.
    [[nodiscard]] Result<std::optional<Response>> next(ByteView& bytes);
    /// For a caller that no longer waits for the body's end: the head, and the body as far as it
    /// arrived. nullopt: the head is not complete.
    [[nodiscard]] std::optional<Response> so_far() const;

private:
    struct State;
    Limits limits_;
    std::unique_ptr<State> state_;
};

/// The parts of a request target: path segments and query, percent-decoded. In the query a plus is
/// a space, as browsers write it. Segments are split before they are decoded, so a `%2F` belongs to
/// its segment.
struct Target {
    std::string path;  ///< decoded, "/api/devices/x"
    std::vector<std::string> segments;
    std::vector<std::pair<std::string, std::string>> query;
    /// nullopt: not given.
    [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
};
/// Errors: invalid (bad percent-encoding, no leading slash, NUL).
[[nodiscard]] Result<Target> parse_target(std::string_view target);
/// Percent-encodes everything but unreserved characters (RFC 3986, Section 2.3).
[[nodiscard]] std::string percent_encode(std::string_view text);

/// A URL such as "wss://host:port/path?query".
struct Url {
    std::string scheme;          ///< lower case
    std::string user, password;  ///< percent-decoded, "" if absent
    std::string host;            ///< without brackets
    std::uint16_t port = 0;      ///< the scheme's default filled in
    std::string target;          ///< "/" at least
    /// "host" or "host:port" where the port is not the scheme's default; IPv6 in brackets.
    [[nodiscard]] std::string authority() const;
};
/// Schemes http, https, ws, wss. Errors: invalid (says what is wrong).
[[nodiscard]] Result<Url> parse_url(std::string_view url);
/// "http://host:port" of a Location, for messages. Its path is left out, because it may hold
/// secrets. Printable ASCII, cut at 80 characters. "" if the Location names no host.
[[nodiscard]] std::string site_of(std::string_view location);

}  // namespace holdfast::http
