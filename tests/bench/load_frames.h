#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::bench {

/// Messages as a load generator repeats them: made, masked and compressed before the clock starts.
struct Messages {
    std::vector<std::string> payloads;  ///< as the server is to give them back
    std::string frames;                 ///< all of them, one after the other, masked
};

enum class Content { random, sensor_text };

/// `count` different messages. Sensor text is sent as text messages, random bytes as binary ones.
[[nodiscard]] Messages make_messages(std::size_t count, std::size_t size_bytes, Content content,
                                     bool deflate);

/// Counts the frames of a server in a stream of bytes, and does nothing else with them.
class FrameCounter {
public:
    /// How many frames ended in `bytes`. Gives up on a close frame.
    std::size_t count(std::span<const char> bytes);
    /// Of all frames so far, those with RSV1.
    [[nodiscard]] std::uint64_t compressed() const { return compressed_; }

private:
    void take_head(const unsigned char* head, std::size_t size);

    std::uint64_t remaining_ = 0;  ///< of the payload
    std::uint64_t compressed_ = 0;
    unsigned char head_[10] = {};
    std::uint8_t head_count_ = 0;  ///< of a head that came in pieces
};

/// Whether `stream`, whole unfragmented frames of a server, has exactly these messages; inflates
/// where RSV1 says so.
[[nodiscard]] bool echoes(std::string_view stream, const std::vector<std::string>& payloads);

/// One masked frame.
[[nodiscard]] std::string masked_frame(unsigned char first_byte, std::string_view payload);

}  // namespace holdfast::bench
