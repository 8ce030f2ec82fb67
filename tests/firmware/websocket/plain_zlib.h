#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <zlib.h>

namespace holdfast::websocket {

/// permessage-deflate as the RFC tells it, with zlib used plainly: what ours is compared with.
class PlainDeflater {
public:
    explicit PlainDeflater(int window_bits = 15, int level = 6) {
        deflateInit2(&stream_, level, Z_DEFLATED, -window_bits, 8, Z_DEFAULT_STRATEGY);
    }
    PlainDeflater(const PlainDeflater&) = delete;
    PlainDeflater& operator=(const PlainDeflater&) = delete;
    ~PlainDeflater() { deflateEnd(&stream_); }

    void reset() { deflateReset(&stream_); }

    /// Section 7.2.1.
    std::string message(std::string_view text) {
        std::string out = flushed(text, Z_SYNC_FLUSH);
        out.resize(out.size() - 4);
        return out;
    }
    std::string flushed(std::string_view text, int flush) {
        std::string out(text.size() * 2 + 1024, '\0');
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
        stream_.avail_in = static_cast<uInt>(text.size());
        stream_.next_out = reinterpret_cast<Bytef*>(out.data());
        stream_.avail_out = static_cast<uInt>(out.size());
        // Of two flushes with nothing between them zlib ignores the second.
        ::deflate(&stream_, Z_NO_FLUSH);
        ::deflate(&stream_, flush);
        out.resize(out.size() - stream_.avail_out);
        return out;
    }

private:
    z_stream stream_{};
};

class PlainInflater {
public:
    explicit PlainInflater(int window_bits = 15) { inflateInit2(&stream_, -window_bits); }
    PlainInflater(const PlainInflater&) = delete;
    PlainInflater& operator=(const PlainInflater&) = delete;
    ~PlainInflater() { inflateEnd(&stream_); }

    void reset() { inflateReset(&stream_); }

    /// Section 7.2.2. nullopt: it is not what a message may be.
    std::optional<std::string> message(std::string_view payload, std::size_t most_bytes) {
        const std::string whole = std::string(payload) + std::string("\0\0\xff\xff", 4);
        std::string out(most_bytes + 1, '\0');
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(whole.data()));
        stream_.avail_in = static_cast<uInt>(whole.size());
        stream_.next_out = reinterpret_cast<Bytef*>(out.data());
        stream_.avail_out = static_cast<uInt>(out.size());
        const int result = ::inflate(&stream_, Z_SYNC_FLUSH);
        if (result != Z_OK || stream_.avail_in != 0 || stream_.data_type != 128) {
            return std::nullopt;
        }
        out.resize(out.size() - stream_.avail_out);
        return out;
    }

private:
    z_stream stream_{};
};

}  // namespace holdfast::websocket
