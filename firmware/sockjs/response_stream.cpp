#include "firmware/sockjs/response_stream.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include <boost/beast/http/basic_parser.hpp>

#include "firmware/http/syntax.h"

namespace holdfast::sockjs {
namespace {

namespace beast = boost::beast;
using beast::error_code;
using beast::string_view;

class Parser final : public beast::http::basic_parser<false> {
public:
    explicit Parser(const std::string& noted_name) : noted_name_(noted_name) {
        header_limit(std::numeric_limits<std::uint32_t>::max());  // the caller has checked it
        body_limit(boost::none);
    }

    int status = 0;
    bool wants_bearer = false;
    std::optional<std::string> noted;
    std::string* body = nullptr;
    std::uint64_t chunk_left = 0;

private:
    void on_request_impl(beast::http::verb, string_view, string_view, int, error_code&) override {}
    void on_response_impl(int code, string_view, int, error_code&) override { status = code; }
    void on_field_impl(beast::http::field field, string_view name, string_view value,
                       error_code&) override {
        wants_bearer = wants_bearer || (field == beast::http::field::www_authenticate &&
                                        value.starts_with("Bearer"));
        if (!noted && !noted_name_.empty() &&
            http::equal_without_case({name.data(), name.size()}, noted_name_)) {
            noted.emplace(value.data(), value.size());
        }
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(string_view piece, error_code&) override {
        body->append(piece.data(), piece.size());
        return piece.size();
    }
    void on_chunk_header_impl(std::uint64_t size, string_view, error_code&) override {
        chunk_left = size;
    }
    std::size_t on_chunk_body_impl(std::uint64_t, string_view piece, error_code& error) override {
        chunk_left -= piece.size();
        return on_body_impl(piece, error);
    }
    void on_finish_impl(error_code&) override {}

    const std::string& noted_name_;
};

std::unexpected<Error> no_http(const std::string& why) {
    return fail(ErrorCode::invalid, "what came is no HTTP response: " + why);
}

}  // namespace

struct ResponseStream::State {
    explicit State(std::string name) : noted_name(std::move(name)) {}

    std::string noted_name;
    std::unique_ptr<Parser> parser = std::make_unique<Parser>(noted_name);
    std::string pending;  ///< an unfinished head, chunk head or trailer
    bool begun = false;

    /// Beast judges half a head differently depending on the cut, so it gets complete heads only.
    Result<void> parse_head(std::string_view head) {
        error_code error;
        const std::size_t used = parser->put({head.data(), head.size()}, error);
        if (error || used != head.size() || !parser->is_header_done()) {
            return no_http("malformed head");
        }
        return {};
    }

    /// As far as the parser takes it. True: the response is whole.
    Result<bool> parse(std::string_view& text) {
        while (!text.empty() && !parser->is_done()) {
            // Beast asserts that it sees the last chunk's "0\r\n\r\n" at once.
            if (parser->is_header_done() && parser->chunked() && parser->chunk_left == 0 &&
                text.size() < 5) {
                return false;
            }
            error_code error;
            const std::size_t used = parser->put({text.data(), text.size()}, error);
            text.remove_prefix(used);
            if (error == beast::http::error::need_more) {
                return false;
            }
            if (error) {
                return no_http(error.message());
            }
            if (used == 0 && !parser->is_done()) {
                return false;
            }
        }
        return parser->is_done();
    }
};

ResponseStream::ResponseStream(std::size_t head_limit_bytes, std::string noted)
    : state_(std::make_unique<State>(std::move(noted))), head_limit_bytes_(head_limit_bytes) {}
ResponseStream::~ResponseStream() = default;
ResponseStream::ResponseStream(ResponseStream&&) noexcept = default;
ResponseStream& ResponseStream::operator=(ResponseStream&&) noexcept = default;

bool ResponseStream::begun() const {
    return state_->begun;
}
bool ResponseStream::head_done() const {
    return state_->parser->is_header_done();
}
int ResponseStream::status() const {
    return state_->parser->status;
}
bool ResponseStream::wants_bearer() const {
    return state_->parser->wants_bearer;
}
std::string_view ResponseStream::noted() const {
    return state_->parser->noted ? std::string_view(*state_->parser->noted) : std::string_view();
}
bool ResponseStream::keep_alive() const {
    return head_done() && state_->parser->keep_alive();
}

Result<bool> ResponseStream::feed(ByteView& bytes, std::string& body) {
    State& state = *state_;
    state.begun = state.begun || !bytes.empty();
    const ByteView input = bytes;
    state.pending.append(as_text(bytes));
    bytes = bytes.last(0);
    std::string_view text = state.pending;
    while (true) {
        state.parser->body = &body;
        if (!state.parser->is_header_done()) {
            constexpr std::string_view kEnd = "\r\n\r\n";
            if (!text.empty() && text.front() != 'H') {
                return no_http("it does not begin with HTTP");
            }
            const std::size_t end = text.find(kEnd);
            const std::size_t size =
                end == std::string_view::npos ? text.size() : end + kEnd.size();
            if (size > head_limit_bytes_) {
                return fail(ErrorCode::too_large, "the response's head is larger than " +
                                                      std::to_string(head_limit_bytes_) + " bytes");
            }
            if (end == std::string_view::npos) {
                break;
            }
            if (const Result<void> parsed = state.parse_head(text.substr(0, size)); !parsed) {
                return std::unexpected(parsed.error());
            }
            text.remove_prefix(size);
        }
        const Result<bool> whole = state.parse(text);
        if (!whole) {
            return std::unexpected(whole.error());
        }
        if (!*whole) {
            break;
        }
        const int status = state.parser->status;
        if (status / 100 == 1 && status != 101) {
            state.parser = std::make_unique<Parser>(state.noted_name);
            continue;
        }
        // The kept bytes did not end the response, so all unused bytes are of this input.
        bytes = input.last(std::min(text.size(), input.size()));
        state.pending.clear();
        return true;
    }
    if (state.parser->is_header_done() && text.size() > head_limit_bytes_) {
        return fail(ErrorCode::too_large, "what surrounds a chunk is larger than " +
                                              std::to_string(head_limit_bytes_) + " bytes");
    }
    state.pending = std::string(text);
    return false;
}

Result<void> ResponseStream::finish() {
    if (head_done() && (state_->parser->is_done() || state_->parser->need_eof())) {
        return {};
    }
    return fail(ErrorCode::closed, begun() ? "the connection ended inside a response"
                                           : "the connection ended before a response");
}

}  // namespace holdfast::sockjs
