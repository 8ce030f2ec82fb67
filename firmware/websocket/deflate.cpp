#include "firmware/websocket/deflate.h"

#include <algorithm>
#include <array>

#include "firmware/websocket/deflate_small.h"
#include "firmware/websocket/deflate_stream.h"

namespace holdfast::websocket {
namespace {

constexpr int kLargestWindowBits = 15;
/// zlib's raw deflate does not support a window of 256 bytes.
constexpr int kSmallestWindowBits = 9;

/// Measured with sensors' JSON: at 64 KiB, level 6 makes it a fifth smaller in three and a half
/// times the time. For smaller messages at the cost of speed there is context takeover.
constexpr int kSharedLevel = 1;
constexpr int kTakeoverLevel = 6;

/// See `Deflate::invest`.
constexpr std::size_t kMostInvested = 1024;
constexpr std::size_t kMostGrowth = 16;
constexpr std::uint8_t kMostInvestments = 4;

/// Output is produced and checked in pieces of at most this size.
constexpr std::size_t kChunk = std::size_t{16} << 10;
/// The contexts keep this much of the memory for whole messages.
constexpr std::size_t kScratchKept = std::size_t{256} << 10;
constexpr std::size_t kInflatersKept = 4;

/// Adds room for output after the `used` bytes, but never for more than the limit plus the one byte
/// that shows that it is exceeded.
std::span<std::byte> room_behind(Bytes& space, std::size_t used, std::size_t limit_bytes,
                                 std::size_t wanted) {
    if (used == space.size()) {
        const std::size_t left = limit_bytes - used;
        const std::size_t size = used + (left < wanted ? left + 1 : wanted);
        if (size > space.capacity()) {
            const std::size_t doubled = std::min(2 * space.capacity(), limit_bytes);
            space.reserve(std::max(size, doubled));
        }
        space.resize(size);
    }
    const std::size_t most = limit_bytes - used + 1;
    return std::span(space).subspan(used, std::min({space.size() - used, most, kChunk}));
}

/// The size of zlib's hash table and symbol buffer. More than the window can use would be wasted.
int memory_level(int window_bits) {
    return std::clamp(window_bits - 7, 1, 8);
}

std::unexpected<ProtocolError> undecodable() {
    return std::unexpected(ProtocolError{CloseCode::invalid_payload, "compressed data is corrupt"});
}

std::unexpected<ProtocolError> not_text() {
    return std::unexpected(ProtocolError{CloseCode::invalid_payload, "text is not UTF-8"});
}

}  // namespace

DeflateContexts::DeflateContexts() = default;
DeflateContexts::~DeflateContexts() = default;

std::size_t DeflateContexts::allocated_bytes() const {
    return zlib_bytes_ + scratch_.capacity() + (small_compressor_ ? sizeof(SmallCompressor) : 0);
}

std::unique_ptr<Inflater> DeflateContexts::borrow_inflater() {
    if (inflaters_.empty()) {
        return std::make_unique<Inflater>(kLargestWindowBits, zlib_bytes_);
    }
    auto inflater = std::move(inflaters_.back());
    inflaters_.pop_back();
    inflater->reset();
    return inflater;
}

void DeflateContexts::give_back(std::unique_ptr<Inflater> inflater) {
    if (inflater->good() && inflaters_.size() < kInflatersKept) {
        inflaters_.push_back(std::move(inflater));
    }
}

Compressor* DeflateContexts::compressor(int window_bits) {
    for (const auto& compressor : compressors_) {
        if (compressor->window_bits == window_bits) {
            compressor->reset();
            return compressor.get();
        }
    }
    auto made = std::make_unique<Compressor>(kSharedLevel, window_bits, memory_level(window_bits),
                                             zlib_bytes_);
    return made->good() ? compressors_.emplace_back(std::move(made)).get() : nullptr;
}

SmallCompressor& DeflateContexts::small_compressor() {
    if (!small_compressor_) {
        small_compressor_ = std::make_unique<SmallCompressor>();
    }
    return *small_compressor_;
}

Deflate::Deflate(DeflateContexts& contexts, const DeflateAgreement& agreement)
    : contexts_(contexts),
      threshold_bytes_(
          static_cast<std::uint32_t>(std::min<std::size_t>(agreement.threshold_bytes, UINT32_MAX))),
      send_window_bits_(static_cast<std::uint8_t>(agreement.send.window_bits)),
      receive_window_bits_(static_cast<std::uint8_t>(agreement.receive.window_bits)),
      send_takeover_(agreement.send.context_takeover),
      receive_takeover_(agreement.receive.context_takeover) {}

Deflate::~Deflate() {
    if (inflater_ && !receive_takeover_) {
        contexts_.give_back(std::move(inflater_));
    }
}

std::expected<std::span<std::byte>, ProtocolError> Deflate::inflate(ByteView message, bool text,
                                                                    std::size_t limit_bytes) {
    Bytes& scratch = contexts_.scratch_;
    std::size_t used = 0;
    Utf8Validator validator;
    Utf8Validator* const validated = text ? &validator : nullptr;
    auto result = pump(message, validated, scratch, used, limit_bytes);
    if (result) {
        result = finish(validated, scratch, used, limit_bytes);
    }
    if (!result) {
        return std::unexpected(result.error());
    }
    return std::span(scratch).first(used);
}

std::expected<void, ProtocolError> Deflate::inflate(ByteView piece, bool last, Utf8Validator* text,
                                                    Bytes& out, std::size_t limit_bytes) {
    std::size_t used = out.size();
    auto result = pump(piece, text, out, used, limit_bytes);
    if (result && last) {
        result = finish(text, out, used, limit_bytes);
    }
    out.resize(std::min(used, limit_bytes));
    return result;
}

std::expected<void, ProtocolError> Deflate::pump(ByteView piece, Utf8Validator* text, Bytes& space,
                                                 std::size_t& used, std::size_t limit_bytes) {
    if (!inflater_) {
        inflater_ = receive_takeover_
                        ? std::make_unique<Inflater>(
                              std::max<int>(receive_window_bits_, kSmallestWindowBits),
                              contexts_.zlib_bytes_)
                        : contexts_.borrow_inflater();
    }
    if (!inflater_->good()) {
        return std::unexpected(ProtocolError{CloseCode::internal_error, "out of memory"});
    }
    const std::size_t wanted = std::clamp<std::size_t>(4 * piece.size(), 256, kChunk);
    while (true) {
        const auto room = room_behind(space, used, limit_bytes, wanted);
        const Inflater::Step step = inflater_->step(piece, room);
        const std::size_t fits = std::min(step.produced_bytes, limit_bytes - used);
        if (text != nullptr && !text->feed(room.first(fits))) {
            return not_text();
        }
        used += step.produced_bytes;
        if (used > limit_bytes) {
            return std::unexpected(ProtocolError{CloseCode::message_too_big, "message too big"});
        }
        switch (step.status) {
            case Inflater::Status::ok:
                break;
            case Inflater::Status::corrupt:
                return undecodable();
            case Inflater::Status::no_memory:
                return std::unexpected(ProtocolError{CloseCode::internal_error, "out of memory"});
        }
        // A full buffer may hide output that is still to come.
        if (piece.empty() && step.produced_bytes < room.size()) {
            return {};
        }
    }
}

/// The end of a message: Section 7.2.2. A final block may stand at the very end, without the empty
/// block that Section 7.2.1 demands behind it: nothing is missing then.
std::expected<void, ProtocolError> Deflate::finish(Utf8Validator* text, Bytes& space,
                                                   std::size_t& used, std::size_t limit_bytes) {
    constexpr std::array kTail{std::byte{0x00}, std::byte{0x00}, std::byte{0xff}, std::byte{0xff}};
    if (!inflater_->after_final_block()) {
        const auto result = pump(kTail, text, space, used, limit_bytes);
        if (!result) {
            return result;
        }
    }
    if (!inflater_->between_blocks()) {
        return undecodable();
    }
    if (text != nullptr && !text->complete()) {
        return not_text();
    }
    if (!receive_takeover_) {
        contexts_.give_back(std::move(inflater_));
    } else if (inflater_->after_final_block()) {
        inflater_->reset();
    }
    return {};
}

void Deflate::trim() {
    if (contexts_.scratch_.size() > kScratchKept) {
        contexts_.scratch_ = Bytes();
    }
}

Compressor* Deflate::own_compressor() {
    if (!compressor_) {
        auto made =
            std::make_unique<Compressor>(kTakeoverLevel, send_window_bits_,
                                         memory_level(send_window_bits_), contexts_.zlib_bytes_);
        if (made->good()) {
            compressor_ = std::move(made);
        }
    }
    return compressor_.get();
}

bool Deflate::deflate(ByteView first, ByteView second, Bytes& out) {
    const std::size_t size = first.size() + second.size();
    if (size < threshold_bytes_ || size == 0) {
        return false;
    }
    const std::size_t before = out.size();
    const bool alone = !send_takeover_ || send_window_bits_ < kSmallestWindowBits;
    const std::size_t compressed = alone && size <= SmallCompressor::kMostBytes
                                       ? deflate_small(first, second, out)
                                       : deflate_large(first, second, out);
    const bool send = compressed != 0 && (compressed < size || invest(size, compressed));
    if (compressed != 0 && compressed < size) {
        invested_ = 0;
    } else if (!send && compressor_) {
        // The peer will not receive these bytes, so later messages must not refer to them.
        compressor_->reset();
    }
    out.resize(before + (send ? compressed : 0));
    return send;
}

/// With context takeover a small message is sent compressed even if it became a little larger,
/// because later ones may refer to it; otherwise a context that begins with small messages would
/// stay empty for ever. After several in a row without gain, no gain is expected.
bool Deflate::invest(std::size_t size_bytes, std::size_t compressed_bytes) {
    if (!compressor_ || size_bytes > kMostInvested || compressed_bytes - size_bytes > kMostGrowth ||
        invested_ == kMostInvestments) {
        return false;
    }
    ++invested_;
    return true;
}

std::size_t Deflate::deflate_small(ByteView first, ByteView second, Bytes& out) {
    std::array<std::byte, SmallCompressor::kMostBytes> joined;
    if (!second.empty()) {
        const auto middle = std::ranges::copy(first, joined.begin()).out;
        const auto end = std::ranges::copy(second, middle).out;
        first = ByteView(joined.begin(), end);
    }
    const std::size_t before = out.size();
    out.resize(before + SmallCompressor::room_bytes(first.size()));
    return contexts_.small_compressor().compress(first, std::size_t{1} << send_window_bits_,
                                                 std::span(out).subspan(before));
}

std::size_t Deflate::deflate_large(ByteView first, ByteView second, Bytes& out) {
    if (send_window_bits_ < kSmallestWindowBits) {
        return 0;
    }
    Compressor* const compressor =
        send_takeover_ ? own_compressor() : contexts_.compressor(send_window_bits_);
    if (compressor == nullptr) {
        return 0;
    }
    // Room for zlib's flush: four bytes that are not sent, of which one stays free to show that the
    // output was complete. So output that fits is smaller than the message.
    constexpr std::size_t kSpare = 4;
    const std::size_t size = first.size() + second.size();
    const std::size_t before = out.size();
    out.resize(before + size + kSpare + (compressor_ ? kMostGrowth : 0));
    return compressor->compress(first, second, std::span(out).subspan(before));
}

void Deflate::release_compressor() {
    compressor_.reset();
}

}  // namespace holdfast::websocket
