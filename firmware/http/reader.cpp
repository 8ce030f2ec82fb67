// The one file that includes Beast. Its parser reads heads and chunked bodies; the rest is ours.
#include <algorithm>
#include <limits>
#include <utility>

#include <boost/beast/http/basic_parser.hpp>

#include "firmware/http/message.h"
#include "firmware/http/syntax.h"

namespace holdfast::http {
namespace {

namespace beast = boost::beast;
using beast::error_code;
using beast::string_view;

/// Both kinds of head, and the body.
struct Parts {
    std::string method;
    std::string target;
    int version = 11;
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    std::size_t body_limit = 0;
    bool body_cut = false;
};

/// Fills `Parts` directly, so that nothing of Beast's containers is needed.
template <bool kRequest>
class Parser final : public beast::http::basic_parser<kRequest> {
public:
    explicit Parser(std::size_t body_limit) {
        parts.body_limit = body_limit;
        // The caller has checked the head's size, in a way that does not depend on how the head
        // was split.
        this->header_limit(std::numeric_limits<std::uint32_t>::max());
        this->body_limit(boost::none);
        if (kRequest) {
            limit_body(body_limit);
        }
    }

    void limit_body(std::size_t size_bytes) {
        parts.body_limit = size_bytes;
        this->body_limit(static_cast<std::uint64_t>(size_bytes));
    }

    Parts parts;

private:
    void on_request_impl(beast::http::verb, string_view method, string_view target, int version,
                         error_code&) override {
        parts.method = method;
        parts.target = target;
        parts.version = version;
    }
    void on_response_impl(int status, string_view, int version, error_code&) override {
        parts.status = status;
        parts.version = version;
    }
    void on_field_impl(beast::http::field, string_view name, string_view value,
                       error_code&) override {
        // A trailer must not be taken for a header, which a proxy would have seen (RFC 9110,
        // Section 6.5.1).
        if (!this->is_header_done()) {
            parts.headers.emplace_back(name, value);
        }
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(string_view piece, error_code&) override {
        const std::size_t room = parts.body_limit - parts.body.size();
        parts.body.append(piece.data(), std::min(room, piece.size()));
        parts.body_cut = parts.body_cut || piece.size() > room;
        return piece.size();
    }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, string_view piece, error_code& error) override {
        return on_body_impl(piece, error);
    }
    void on_finish_impl(error_code&) override {}
};

std::unexpected<Error> head_too_large(const Limits& limits) {
    return fail(ErrorCode::too_large,
                "the head is larger than " + std::to_string(limits.head_size_bytes) + " bytes");
}

/// One message on its way in.
template <bool kRequest>
class Intake {
public:
    explicit Intake(const Limits& limits) : limits_(limits), parser_(limits.body_size_bytes) {
        if (limits_.stops_before_body) {
            parser_.body_limit(boost::none);  // until it is known
        }
    }

    /// True when the message is complete.
    Result<bool> advance(ByteView& bytes) {
        if (!parser_.is_header_done()) {
            auto whole = take_head(bytes);
            if (!whole || !*whole) {
                return whole;
            }
            if (limits_.stops_before_body && !body_ends_with_head()) {
                stopped_ = true;
                return false;
            }
        }
        if (std::exchange(stopped_, false)) {
            const auto length = parser_.content_length();
            if (length && *length > parser_.parts.body_limit) {
                return body_too_large();
            }
            parser_.limit_body(parser_.parts.body_limit);
        }
        return body_ends_with_head() ? true : take_body(bytes);
    }

    /// The head is whole, and nothing of the body has been taken.
    [[nodiscard]] bool stopped() const { return stopped_; }
    void allow_body(std::size_t size_bytes) { parser_.parts.body_limit = size_bytes; }

    [[nodiscard]] bool has_head() const { return parser_.is_header_done(); }
    Parts& parts() { return parser_.parts; }
    [[nodiscard]] bool keep_alive() const {
        return parser_.keep_alive() && !parser_.parts.body_cut;
    }

private:
    Result<bool> take_head(ByteView& bytes) {
        constexpr std::string_view kEnd = "\r\n\r\n";
        if (pending_.empty() && !bytes.empty() && !can_begin(as_text(bytes).front())) {
            return fail(ErrorCode::invalid, "this is not HTTP");
        }
        // A head that is complete in the input is parsed in place.
        const bool in_place = pending_.empty();
        const std::size_t before = pending_.size();
        if (!in_place) {
            pending_.append(as_text(bytes));
        }
        const std::string_view text = in_place ? as_text(bytes) : std::string_view(pending_);
        const std::size_t found = text.find(kEnd, before - std::min(before, kEnd.size() - 1));
        const std::size_t size =
            found == std::string_view::npos ? text.size() : found + kEnd.size();
        if (size > limits_.head_size_bytes ||
            (found == std::string_view::npos && size == limits_.head_size_bytes)) {
            return head_too_large(limits_);
        }
        if (found == std::string_view::npos) {
            if (in_place) {
                pending_ = text;
            }
            bytes = bytes.last(0);
            return false;
        }
        bytes = bytes.subspan(size - before);
        auto parsed = parse_head(text.substr(0, size));
        pending_.clear();
        return parsed;
    }

    static bool can_begin(char c) { return kRequest ? is_token({&c, 1}) : c == 'H'; }

    Result<bool> parse_head(std::string_view head) {
        // RFC 9112, Section 5.2: a folded line may be read as two by others.
        if (head.find("\r\n ") != std::string_view::npos ||
            head.find("\r\n\t") != std::string_view::npos) {
            return fail(ErrorCode::invalid, "a header is folded over two lines");
        }
        error_code error;
        const std::size_t used = parser_.put({head.data(), head.size()}, error);
        if (error == beast::http::error::body_limit) {
            return body_too_large();
        }
        if (error || used != head.size()) {
            return fail(ErrorCode::invalid,
                        "malformed head: " + (error ? error.message() : "ends early"));
        }
        return check_head();
    }

    Result<bool> check_head() const {
        Request head;
        head.headers = parser_.parts.headers;
        const auto invalid = [](std::string_view why) {
            return fail(ErrorCode::invalid, std::string(why));
        };
        const std::size_t lengths = head.count("Content-Length");
        const std::size_t codings = head.count("Transfer-Encoding");
        const std::string_view length = head.header("Content-Length");
        if (lengths + codings > 1 || length.find(',') != std::string_view::npos) {
            return invalid("more than one of Content-Length and Transfer-Encoding");
        }
        if (codings == 1 && (parser_.parts.version < 11 ||
                             !equal_without_case(head.header("Transfer-Encoding"), "chunked"))) {
            return invalid("a Transfer-Encoding other than chunked, or in HTTP/1.0");
        }
        if (!kRequest) {
            return true;
        }
        const std::size_t hosts = head.count("Host");
        if (hosts > 1 || (hosts == 0 && parser_.parts.version == 11)) {
            return invalid("Host is missing or given twice");
        }
        const bool has_body =
            codings != 0 || length.find_first_not_of('0') != std::string_view::npos;
        if (has_body && head.has_token("Upgrade", "websocket")) {
            return invalid("a request for a WebSocket with a body");
        }
        return true;
    }

    /// Without a length a response's body ends with the connection; this reader does not wait for
    /// it.
    [[nodiscard]] bool body_ends_with_head() const {
        return parser_.is_done() || (!kRequest && parser_.need_eof());
    }

    Result<bool> take_body(ByteView& bytes) {
        const ByteView input = bytes;
        const bool in_place = pending_.empty();
        if (!in_place) {
            pending_.append(as_text(bytes));
        }
        std::string_view text = in_place ? as_text(bytes) : std::string_view(pending_);
        bytes = bytes.last(0);
        while (!text.empty()) {
            // A chunked body that is not at its end has at least "0\r\n\r\n" to come, and Beast
            // asserts that it sees all of that at once.
            if (parser_.chunked() && text.size() < 5) {
                break;
            }
            error_code error;
            text.remove_prefix(parser_.put({text.data(), text.size()}, error));
            if (error == beast::http::error::need_more) {
                break;
            }
            if (error == beast::http::error::body_limit) {
                return body_too_large();
            }
            if (error) {
                return fail(ErrorCode::invalid, "malformed body: " + error.message());
            }
            if (parser_.is_done() || parser_.parts.body_cut) {
                // The kept bytes did not end the message, so all unused bytes are of this input.
                bytes = input.last(std::min(text.size(), input.size()));
                return true;
            }
        }
        // Chunk extensions and trailers have no limit of their own.
        if (text.size() > limits_.head_size_bytes) {
            return head_too_large(limits_);
        }
        pending_ = std::string(text);
        return false;
    }

    std::unexpected<Error> body_too_large() const {
        return fail(ErrorCode::too_large, "the body is larger than " +
                                              std::to_string(parser_.parts.body_limit) + " bytes");
    }

    Limits limits_;
    Parser<kRequest> parser_;
    bool stopped_ = false;
    std::string
        pending_;  ///< a head that is not whole; the beginning of a chunk's head or a trailer
};

}  // namespace

struct RequestReader::State {
    Intake<true> intake;
    std::optional<Request> head = std::nullopt;  ///< while it is stopped
};

RequestReader::RequestReader(const Limits& limits) : limits_(limits) {}
RequestReader::~RequestReader() = default;
RequestReader::RequestReader(RequestReader&&) noexcept = default;
RequestReader& RequestReader::operator=(RequestReader&&) noexcept = default;

bool RequestReader::idle() const {
    return state_ == nullptr;
}

const Request* RequestReader::head() const {
    return state_ != nullptr && state_->head ? &*state_->head : nullptr;
}

void RequestReader::allow_body(std::size_t size_bytes) {
    state_->intake.allow_body(size_bytes);
}

Result<std::optional<Request>> RequestReader::next(ByteView& bytes) {
    if (bytes.empty() && head() == nullptr) {
        return std::nullopt;
    }
    if (state_ == nullptr) {
        state_.reset(new State{Intake<true>(limits_)});
    }
    state_->head.reset();
    const auto whole = state_->intake.advance(bytes);
    if (!whole) {
        return std::unexpected(whole.error());
    }
    Parts& parts = state_->intake.parts();
    if (state_->intake.stopped()) {
        state_->head = Request{.method = parts.method,
                               .target = parts.target,
                               .version = parts.version,
                               .headers = parts.headers,
                               .body = {},
                               .keep_alive = state_->intake.keep_alive()};
    }
    if (!*whole) {
        return std::nullopt;
    }
    Request request{.method = std::move(parts.method),
                    .target = std::move(parts.target),
                    .version = parts.version,
                    .headers = std::move(parts.headers),
                    .body = std::move(parts.body),
                    .keep_alive = state_->intake.keep_alive()};
    state_.reset();
    return request;
}

struct ResponseReader::State {
    Intake<false> intake;
};

ResponseReader::ResponseReader(const Limits& limits) : limits_(limits) {}
ResponseReader::~ResponseReader() = default;
ResponseReader::ResponseReader(ResponseReader&&) noexcept = default;
ResponseReader& ResponseReader::operator=(ResponseReader&&) noexcept = default;

Result<std::optional<Response>> ResponseReader::next(ByteView& bytes) {
    while (!bytes.empty()) {
        if (state_ == nullptr) {
            state_.reset(new State{Intake<false>(limits_)});
        }
        const auto whole = state_->intake.advance(bytes);
        if (!whole) {
            return std::unexpected(whole.error());
        }
        if (!*whole) {
            return std::nullopt;
        }
        Parts& parts = state_->intake.parts();
        if (parts.status == 101 && parts.version < 11) {
            return fail(ErrorCode::invalid, "HTTP/1.0 has no 101 Switching Protocols");
        }
        Response response{.status = parts.status,
                          .headers = std::move(parts.headers),
                          .body = std::move(parts.body),
                          .keep_alive = state_->intake.keep_alive()};
        state_.reset();
        if (response.status == 101 || response.status / 100 != 1) {
            return response;
        }
    }
    return std::nullopt;
}

std::optional<Response> ResponseReader::so_far() const {
    if (state_ == nullptr || !state_->intake.has_head()) {
        return std::nullopt;
    }
    const Parts& parts = state_->intake.parts();
    return Response{
        .status = parts.status, .headers = parts.headers, .body = parts.body, .keep_alive = false};
}

}  // namespace holdfast::http
