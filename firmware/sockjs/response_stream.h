#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/base/error.h"

namespace holdfast::sockjs {

/// One HTTP response whose body is passed on as it arrives, however long it is. Uses Boost.Beast's
/// parser. Owns nothing of the body; the head, chunk heads and trailers are limited.
class ResponseStream {
public:
    /// `noted`: the name of a header that is wanted; "" for none.
    explicit ResponseStream(std::size_t head_limit_bytes, std::string noted = {});
    ~ResponseStream();
    ResponseStream(ResponseStream&&) noexcept;
    ResponseStream& operator=(ResponseStream&&) noexcept;

    /// Consumes bytes, and appends the part of the body in them to `body`. Advances `bytes` past
    /// the response. True: the response is complete. Interim responses (1xx but 101) are skipped.
    /// Errors: invalid (no HTTP), too_large (head, chunk extension or trailer). Then it must not be
    /// used again.
    [[nodiscard]] Result<bool> feed(ByteView& bytes, std::string& body);
    /// The connection ended. Errors: closed (inside the response, as its head announced it).
    [[nodiscard]] Result<void> finish();

    [[nodiscard]] bool begun() const;      ///< a byte has arrived
    [[nodiscard]] bool head_done() const;  ///< the following is known
    [[nodiscard]] int status() const;
    [[nodiscard]] bool keep_alive() const;
    /// WWW-Authenticate asks for a Bearer token, as our hub does; a portal or a proxy asks for
    /// something else.
    [[nodiscard]] bool wants_bearer() const;
    /// The first value of the header `noted`; "" without it.
    [[nodiscard]] std::string_view noted() const;

private:
    struct State;
    std::unique_ptr<State> state_;
    std::size_t head_limit_bytes_;
};

}  // namespace holdfast::sockjs
