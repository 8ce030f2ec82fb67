#include "firmware/websocket/deflate_stream.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "firmware/base/check.h"

namespace holdfast::websocket {
namespace {

/// Stored before each block that zlib allocates, so that a freed block's size can be subtracted.
constexpr std::size_t kSizeField = alignof(std::max_align_t);

voidpf allocate(voidpf total, uInt items, uInt size) {
    const std::size_t bytes = std::size_t{items} * size + kSizeField;
    void* const block = std::malloc(bytes);
    if (block == nullptr) {
        return nullptr;
    }
    *static_cast<std::size_t*>(block) = bytes;
    *static_cast<std::size_t*>(total) += bytes;
    return static_cast<std::byte*>(block) + kSizeField;
}

void release(voidpf total, voidpf address) {
    void* const block = static_cast<std::byte*>(address) - kSizeField;
    *static_cast<std::size_t*>(total) -= *static_cast<std::size_t*>(block);
    std::free(block);
}

void count_in(z_stream& stream, std::size_t& allocated_bytes) {
    stream.zalloc = allocate;
    stream.zfree = release;
    stream.opaque = &allocated_bytes;
}

/// zlib counts in uInt, and takes what it only reads through a pointer to non-const.
uInt give_input(z_stream& stream, ByteView input) {
    const auto size =
        static_cast<uInt>(std::min<std::size_t>(input.size(), std::numeric_limits<uInt>::max()));
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(input.data()));
    stream.avail_in = size;
    return size;
}

uInt give_output(z_stream& stream, std::span<std::byte> out) {
    const auto size =
        static_cast<uInt>(std::min<std::size_t>(out.size(), std::numeric_limits<uInt>::max()));
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = size;
    return size;
}

}  // namespace

Compressor::Compressor(int level, int bits, int memory_level, std::size_t& allocated_bytes)
    : window_bits(bits) {
    count_in(stream_, allocated_bytes);
    good_ =
        deflateInit2(&stream_, level, Z_DEFLATED, -bits, memory_level, Z_DEFAULT_STRATEGY) == Z_OK;
}

Compressor::~Compressor() {
    if (good_) {
        deflateEnd(&stream_);
    }
}

void Compressor::reset() {
    HOLDFAST_CHECK(deflateReset(&stream_) == Z_OK);
}

std::size_t Compressor::compress(ByteView first, ByteView second, std::span<std::byte> out) {
    constexpr std::size_t kFlushTail = 4;
    constexpr std::size_t kMost = std::numeric_limits<uInt>::max();
    if (out.size() > kMost || first.size() > kMost || second.size() > kMost) {
        return 0;
    }
    give_output(stream_, out);
    if (!second.empty()) {
        give_input(stream_, first);
        if (!first.empty() && deflate(&stream_, Z_NO_FLUSH) != Z_OK) {
            return 0;
        }
        if (stream_.avail_in != 0) {
            return 0;
        }
        first = second;
    }
    give_input(stream_, first);
    const int status = deflate(&stream_, Z_SYNC_FLUSH);
    // A full buffer may hide output that is still to come.
    if (status != Z_OK || stream_.avail_in != 0 || stream_.avail_out == 0) {
        return 0;
    }
    return out.size() - stream_.avail_out - kFlushTail;
}

Inflater::Inflater(int window_bits, std::size_t& allocated_bytes) {
    count_in(stream_, allocated_bytes);
    good_ = inflateInit2(&stream_, -window_bits) == Z_OK;
}

Inflater::~Inflater() {
    if (good_) {
        inflateEnd(&stream_);
    }
}

void Inflater::reset() {
    HOLDFAST_CHECK(inflateReset(&stream_) == Z_OK);
    after_final_block_ = false;
}

Inflater::Step Inflater::step(ByteView& input, std::span<std::byte> out) {
    const uInt room = give_output(stream_, out);
    Status status = Status::ok;
    while (status == Status::ok && stream_.avail_out != 0) {
        if (after_final_block_ && !input.empty()) {
            reset();
        }
        const uInt given = give_input(stream_, input);
        const int result = ::inflate(&stream_, Z_SYNC_FLUSH);
        input = input.subspan(given - stream_.avail_in);
        after_final_block_ = result == Z_STREAM_END;
        if (result == Z_MEM_ERROR) {
            status = Status::no_memory;
        } else if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
            status = Status::corrupt;
        } else if (input.empty()) {
            break;
        }
    }
    return {status, room - stream_.avail_out};
}

bool Inflater::between_blocks() const {
    // zlib.h, inflate(): 128 marks the end of a block, 64 the last block, the rest counts bits.
    constexpr int kEndOfBlock = 128;
    constexpr int kLastBlock = 64;
    return after_final_block_ || (stream_.data_type & ~kLastBlock) == kEndOfBlock;
}

}  // namespace holdfast::websocket
