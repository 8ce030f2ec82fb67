#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "firmware/base/bytes.h"

namespace holdfast::simulated {

/// Finds where the messages of an HTTP/1.1 stream end: as much of a parser as boxes on the way need
/// which trust what they see. One direction of one connection.
class HttpScan {
public:
    enum class Found : std::uint8_t {
        more,   ///< all was taken, and the message goes on
        head,   ///< the head is whole, in `head()`; it was taken
        piece,  ///< what was taken is of the body
        end,    ///< what was taken ends the message
        raw,    ///< no HTTP any more: behind 101
    };
    /// Takes from the front of `bytes`; `taken` is what it took.
    [[nodiscard]] Found next(ByteView& bytes, ByteView& taken);
    /// With the blank line, of the last message.
    [[nodiscard]] const std::string& head() const { return head_; }
    /// 0 for a request.
    [[nodiscard]] int status() const;
    /// The value of a header, "" if it is not there.
    [[nodiscard]] std::string header(std::string_view name) const;

private:
    enum class State : std::uint8_t { head, length, chunk_size, chunk, to_end, raw };
    [[nodiscard]] Found begin_body();

    State state_ = State::head;
    bool whole_ = false;  ///< `head_` is of the message under way
    std::string head_;
    std::string size_line_;
    std::uint64_t left_ = 0;
    bool last_chunk_ = false;
};

}  // namespace holdfast::simulated
