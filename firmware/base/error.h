#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace holdfast {

/// What kind of thing went wrong, as far as a caller may want to act on it. The sentence in `Error`
/// is for people.
enum class ErrorCode {
    invalid,       ///< malformed input: bytes, text, configuration; the same input fails again
    too_large,     ///< a named limit was exceeded
    not_found,     ///< no such file, host, device, channel
    refused,       ///< the other side said no: connection refused, 401, 403
    unauthorized,  ///< credentials missing, wrong or revoked
    untrusted,     ///< a certificate that does not verify
    timeout,       ///< nothing came within the time allowed
    closed,        ///< the connection ended
    full,          ///< the journal's or the disk's space is used up
    io,            ///< the operating system or the disk failed
    corrupt,       ///< stored bytes are not what was written
    unsupported,   ///< well-formed, but nothing this version can do
};

/// A code and a sentence. Each layer may add its own context once, in front: "uplink: connecting to
/// hub:443: refused".
struct Error {
    ErrorCode code;
    std::string message;

    [[nodiscard]] Error context(std::string_view where) && {
        message.insert(0, ": ").insert(0, where);
        return std::move(*this);
    }
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
    return std::unexpected(Error{code, std::move(message)});
}

}  // namespace holdfast
