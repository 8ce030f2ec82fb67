#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/error.h"
#include "firmware/websocket/frame.h"
#include "firmware/websocket/utf8.h"

namespace holdfast::websocket {

/// permessage-deflate, RFC 7692.

/// What we offer or accept, in either role.
struct DeflatePolicy {
    bool enabled = false;
    /// Whether messages may refer to earlier ones. They become smaller, but each connection that
    /// has used its contexts then owns them, up to 310 KB. Without context takeover all connections
    /// of a thread share theirs.
    bool context_takeover = false;
    /// 8 to 15: the largest LZ77 window, as its base-2 logarithm, that we use and ask for.
    int max_window_bits = 15;
    /// Messages below it are sent as they are.
    std::size_t threshold_bytes = 16;
};

/// What was agreed, seen from this end.
struct DeflateAgreement {
    struct Direction {
        bool context_takeover = false;
        int window_bits = 15;  ///< 8 to 15
        bool operator==(const Direction&) const = default;
    };
    Direction send = {};
    Direction receive = {};
    std::size_t threshold_bytes = 0;  ///< of the policy
    bool operator==(const DeflateAgreement&) const = default;
};

class Compressor;
class Inflater;
class SmallCompressor;

/// What all connections of one thread share: compressors and inflaters without context takeover,
/// and the memory in which whole messages are inflated. Owns nothing before the first use. Must
/// outlive every `Deflate` made with it.
class DeflateContexts {
public:
    DeflateContexts();
    DeflateContexts(const DeflateContexts&) = delete;
    DeflateContexts& operator=(const DeflateContexts&) = delete;
    ~DeflateContexts();

    /// What zlib holds at the moment, for the contexts shared here and those that connections own,
    /// and the memory for whole messages.
    [[nodiscard]] std::size_t allocated_bytes() const;

private:
    friend class Deflate;

    [[nodiscard]] std::unique_ptr<Inflater> borrow_inflater();
    void give_back(std::unique_ptr<Inflater> inflater);
    /// For messages whose distances must stay within 2^`window_bits`; nullptr: no memory for it.
    [[nodiscard]] Compressor* compressor(int window_bits);
    [[nodiscard]] SmallCompressor& small_compressor();

    std::size_t zlib_bytes_ = 0;
    std::vector<std::unique_ptr<Inflater>> inflaters_;
    std::vector<std::unique_ptr<Compressor>> compressors_;  ///< one for each window in use
    std::unique_ptr<SmallCompressor> small_compressor_;
    Bytes scratch_;
};

/// The extension on one connection. Owns no zlib state but while a compressed message is unfinished
/// and, with context takeover, from the first message of a direction on.
///
/// A window of 256 bytes (8 bits): zlib's raw deflate uses 512 instead, which such a peer cannot
/// inflate. So messages of up to 2 KiB are compressed by our own coder, which keeps within 256, and
/// larger ones are sent uncompressed. Messages of a peer that agreed on 8 bits are inflated with 9,
/// because its zlib may use 512 as well.
class Deflate {
public:
    Deflate(DeflateContexts& contexts, const DeflateAgreement& agreement);
    Deflate(const Deflate&) = delete;
    Deflate& operator=(const Deflate&) = delete;
    ~Deflate();

    /// Inflates a whole message. The view is into the contexts' memory and valid until the next
    /// message is inflated with them, or `trim` is called, on whichever connection.
    ///
    /// ProtocolError{1007}: the data is corrupt or does not end with a block, or the message is
    /// `text` and not UTF-8. ProtocolError{1009}: it inflates to more than `limit_bytes`; no more
    /// than that is ever allocated. Whichever of the two comes first in the inflated bytes is
    /// reported, however the message was split. After an error neither this object nor the
    /// connection can go on.
    [[nodiscard]] std::expected<std::span<std::byte>, ProtocolError> inflate(
        ByteView message, bool text, std::size_t limit_bytes);

    /// Appends the inflated form of a piece of a message to `out`, which holds the pieces before
    /// it. `last` ends the message; `text` validates it, if it is not null. Errors as above.
    [[nodiscard]] std::expected<void, ProtocolError> inflate(ByteView piece, bool last,
                                                             Utf8Validator* text, Bytes& out,
                                                             std::size_t limit_bytes);

    /// Appends the compressed form of the message that is the concatenation of the two. False: it
    /// is to be sent as it is (it is below the threshold, or would not become smaller), and `out`
    /// is unchanged. With context takeover the first few small messages may become some bytes
    /// larger, so that later ones can refer to them.
    [[nodiscard]] bool deflate(ByteView first, ByteView second, Bytes& out);

    /// What it sends could be inflated by any peer that agreed to compression: no context takeover,
    /// and the largest window.
    [[nodiscard]] bool sends_for_all() const {
        return !send_takeover_ && send_window_bits_ == DeflateAgreement::Direction{}.window_bits;
    }

    /// Frees the memory of the contexts that a large message took.
    void trim();

    /// To be called when the connection has been idle for a while: gives back the compressor that
    /// context takeover keeps. A fresh one refers to nothing that was sent, which is always
    /// allowed. The inflater must stay: the peer may refer to what it sent.
    void release_compressor();

private:
    [[nodiscard]] std::expected<void, ProtocolError> pump(ByteView piece, Utf8Validator* text,
                                                          Bytes& space, std::size_t& used,
                                                          std::size_t limit_bytes);
    [[nodiscard]] std::expected<void, ProtocolError> finish(Utf8Validator* text, Bytes& space,
                                                            std::size_t& used,
                                                            std::size_t limit_bytes);
    [[nodiscard]] Compressor* own_compressor();
    /// These append the compressed form to `out`, even if it is larger than the message, and return
    /// its size. 0: it is certainly larger.
    [[nodiscard]] std::size_t deflate_small(ByteView first, ByteView second, Bytes& out);
    [[nodiscard]] std::size_t deflate_large(ByteView first, ByteView second, Bytes& out);
    [[nodiscard]] bool invest(std::size_t size_bytes, std::size_t compressed_bytes);

    DeflateContexts& contexts_;
    std::unique_ptr<Compressor> compressor_;  ///< with context takeover
    std::unique_ptr<Inflater> inflater_;      ///< with context takeover, or within a message
    std::uint32_t threshold_bytes_;
    std::uint8_t send_window_bits_;
    std::uint8_t receive_window_bits_;
    bool send_takeover_;
    bool receive_takeover_;
    std::uint8_t invested_ = 0;  ///< messages in a row that were sent compressed without becoming
                                 ///< smaller
};

/// Negotiation, RFC 7692, Section 7.1, over the Sec-WebSocket-Extensions header.

/// The client's offer.
[[nodiscard]] std::string deflate_offer(const DeflatePolicy& policy);

struct DeflateAnswer {
    DeflateAgreement agreement;
    std::string header;  ///< Sec-WebSocket-Extensions of the answer
};
/// The server's answer to the first offer in `offers` (all values of the header, joined by commas)
/// that it can accept. nullopt: there is none. An offer with an unknown, doubled or malformed
/// parameter is skipped, and so is an unknown extension. A header that is no list of extensions
/// (RFC 6455, Section 9.1) offers nothing.
[[nodiscard]] std::optional<DeflateAnswer> answer_deflate(std::string_view offers,
                                                          const DeflatePolicy& policy);

/// What the server's answer to `deflate_offer(policy)` agrees on; nullopt if it is empty: no
/// extension. Errors: invalid (it is not what the offer allows; Sections 5.1 and 7.1).
[[nodiscard]] Result<std::optional<DeflateAgreement>> check_deflate(std::string_view answer,
                                                                    const DeflatePolicy& policy);

}  // namespace holdfast::websocket
