#include "firmware/websocket/frame.h"

#include <memory>

#include <CppUTest/TestHarness.h>

#include "tests/firmware/websocket/support.h"

namespace holdfast::websocket {
namespace {

/// What a reader made of a stream: frames put together again, and the error that ended them.
struct Read {
    struct Whole {
        unsigned opcode = 0;
        bool fin = false;
        bool rsv1 = false;
        std::string payload;
        bool operator==(const Whole&) const = default;
    };
    std::vector<Whole> frames;
    bool unfinished = false;
    int error = 0;
    bool idle = false;
    bool operator==(const Read&) const = default;
};

void read_piece(FrameReader& reader, ByteView piece, Read& read) {
    Bytes copy(piece.begin(), piece.end());
    std::span<std::byte> input(copy);
    while (read.error == 0) {
        const auto frame = reader.next(input);
        if (!frame) {
            read.error = static_cast<int>(frame.error().code);
            return;
        }
        if (!*frame) {
            CHECK_TRUE(input.empty());
            return;
        }
        const Frame& got = **frame;
        CHECK_EQUAL(got.first, !read.unfinished);
        if (got.first) {
            read.frames.push_back(
                {static_cast<unsigned>(got.head.opcode), got.head.fin, got.head.rsv1, {}});
        }
        read.frames.back().payload += as_text(got.payload);
        read.unfinished = !got.last;
        if (got.last) {
            LONGS_EQUAL(got.head.payload_size_bytes, read.frames.back().payload.size());
        }
    }
}

Read read_pieces(FrameReader reader, ByteView bytes, const std::vector<std::size_t>& cuts) {
    Read read;
    std::size_t begin = 0;
    for (const std::size_t cut : cuts) {
        read_piece(reader, bytes.subspan(begin, cut - begin), read);
        begin = cut;
    }
    read_piece(reader, bytes.subspan(begin), read);
    read.idle = read.error == 0 && reader.idle();
    return read;
}

Read read_every_way(Role role, ByteView bytes, FrameLimits limits = {}, bool rsv1 = false) {
    const Read whole = read_pieces(FrameReader(role, limits, rsv1), bytes, {});
    std::vector<std::size_t> every;
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        every.push_back(cut);
        CHECK_TRUE(whole == read_pieces(FrameReader(role, limits, rsv1), bytes, {cut}));
    }
    CHECK_TRUE(whole == read_pieces(FrameReader(role, limits, rsv1), bytes, every));
    return whole;
}

int error_of(Role role, const RawFrame& frame, FrameLimits limits = {}, bool rsv1 = false) {
    return read_every_way(role, raw(frame), limits, rsv1).error;
}

}  // namespace

TEST_GROUP(FrameReader){};

TEST(FrameReader, every_length_around_the_forms_arrives_in_both_roles) {
    for (const std::size_t size :
         {0u, 1u, 2u, 3u, 4u, 7u, 8u, 9u, 31u, 32u, 33u, 124u, 125u, 126u, 127u, 128u}) {
        for (const Role role : {Role::client, Role::server}) {
            const RawFrame frame{.payload = std::string(size, 'x'), .masked = role == Role::server};
            const Read read = read_every_way(role, raw(frame));
            LONGS_EQUAL(1, read.frames.size());
            CHECK_TRUE(read.frames[0].payload == frame.payload);
            CHECK_TRUE(read.idle);
        }
    }
}

TEST(FrameReader, lengths_around_the_64_bit_form_arrive) {
    for (const std::size_t size : {65534u, 65535u, 65536u, 65537u, 200000u}) {
        std::string payload(size, 'x');
        for (std::size_t i = 0; i < size; ++i) {
            payload[i] = static_cast<char>(i * 7);
        }
        const Bytes bytes = raw({.opcode = 2, .payload = payload, .masked = true});
        for (const std::vector<std::size_t>& cuts :
             {std::vector<std::size_t>{}, {1}, {5, 14}, {15, 18, 1000, 65536}}) {
            const Read read = read_pieces(FrameReader(Role::server, {}), bytes, cuts);
            LONGS_EQUAL(1, read.frames.size());
            CHECK_TRUE(read.frames[0].payload == payload);
        }
    }
}

TEST(FrameReader, length_not_in_its_shortest_form_is_1002) {
    LONGS_EQUAL(1002, error_of(Role::client, {.payload = "", .length_bytes = 2}));
    LONGS_EQUAL(1002,
                error_of(Role::client, {.payload = std::string(125, 'x'), .length_bytes = 2}));
    LONGS_EQUAL(1002,
                error_of(Role::client, {.payload = std::string(126, 'x'), .length_bytes = 8}));
    LONGS_EQUAL(1002, error_of(Role::client, {.length_bytes = 8, .claimed = 65535}));
    LONGS_EQUAL(0, error_of(Role::client, {.length_bytes = 8, .claimed = 65536}));
}

TEST(FrameReader, top_bit_of_a_64_bit_length_is_1002) {
    const FrameLimits none{UINT64_MAX};
    LONGS_EQUAL(1002, error_of(Role::client, {.claimed = 0x8000000000000000u}, none));
    LONGS_EQUAL(1002, error_of(Role::client, {.claimed = 0xfffffffffffffffeu}, none));
    LONGS_EQUAL(0, error_of(Role::client, {.claimed = 0x7fffffffffffffffu}, none));
}

TEST(FrameReader, limit_is_exact_and_found_from_the_head_alone) {
    LONGS_EQUAL(0, error_of(Role::client, {.claimed = 100}, {100}));
    LONGS_EQUAL(1009, error_of(Role::client, {.claimed = 101}, {100}));
    LONGS_EQUAL(0, error_of(Role::client, {.claimed = 70000}, {70000}));
    LONGS_EQUAL(1009, error_of(Role::client, {.claimed = 70001}, {70000}));
    LONGS_EQUAL(0, error_of(Role::client, {.claimed = 0}, {0}));
    LONGS_EQUAL(1009, error_of(Role::client, {.claimed = 1}, {0}));
}

TEST(FrameReader, control_frames_do_not_count_against_the_limit) {
    LONGS_EQUAL(0, error_of(Role::client, {.opcode = 9, .payload = std::string(125, 'x')}, {0}));
}

TEST(FrameReader, exactly_the_known_opcodes_are_taken) {
    for (unsigned opcode = 0; opcode < 16; ++opcode) {
        const bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
        LONGS_EQUAL(known ? 0 : 1002, error_of(Role::client, {.opcode = opcode, .payload = "xy"}));
    }
}

TEST(FrameReader, reserved_bits_are_1002_but_rsv1_that_was_agreed) {
    for (unsigned rsv = 1; rsv < 8; ++rsv) {
        LONGS_EQUAL(1002, error_of(Role::client, {.payload = "x", .rsv = rsv}));
        LONGS_EQUAL(rsv == 4 ? 0 : 1002,
                    error_of(Role::client, {.payload = "x", .rsv = rsv}, {}, true));
    }
    LONGS_EQUAL(0, error_of(Role::client, {.opcode = 2, .payload = "x", .rsv = 4}, {}, true));
    for (const unsigned opcode : {0u, 8u, 9u, 10u}) {
        LONGS_EQUAL(1002, error_of(Role::client, {.opcode = opcode, .rsv = 4}, {}, true));
    }
}

TEST(FrameReader, control_frames_are_whole_and_at_most_125_bytes) {
    for (const unsigned opcode : {8u, 9u, 10u}) {
        const RawFrame most{.opcode = opcode, .payload = std::string(125, 'x'), .masked = true};
        const Read read = read_every_way(Role::server, raw(most));
        LONGS_EQUAL(1, read.frames.size());
        CHECK_TRUE(read.frames[0].payload == most.payload);
        LONGS_EQUAL(1002,
                    error_of(Role::server,
                             {.opcode = opcode, .payload = std::string(126, 'x'), .masked = true}));
        LONGS_EQUAL(1002, error_of(Role::server, {.opcode = opcode, .fin = false, .masked = true}));
    }
}

TEST(FrameReader, clients_must_mask_and_servers_must_not) {
    LONGS_EQUAL(1002, error_of(Role::server, {.payload = "x", .masked = false}));
    LONGS_EQUAL(1002, error_of(Role::client, {.payload = "x", .masked = true}));
    LONGS_EQUAL(0, error_of(Role::server, {.payload = "x", .masked = true}));
}

TEST(FrameReader, a_stream_of_frames_is_the_same_however_it_is_split) {
    const Bytes bytes =
        joined({raw({.opcode = 1, .payload = "Hel", .fin = false, .masked = true}),
                raw({.opcode = 9, .payload = "ping me", .masked = true}),
                raw({.opcode = 0, .payload = "", .fin = false, .masked = true}),
                raw({.opcode = 0, .payload = "lo", .masked = true}),
                raw({.opcode = 2, .payload = std::string(130, 'b'), .masked = true}),
                raw({.opcode = 10, .payload = "", .masked = true})});
    const Read read = read_every_way(Role::server, bytes);
    LONGS_EQUAL(6, read.frames.size());
    CHECK_TRUE(read.frames[1].payload == "ping me");
    CHECK_TRUE(read.frames[3].payload == "lo");
    CHECK_TRUE(read.idle);
}

TEST(FrameReader, is_idle_only_between_frames) {
    Bytes bytes = raw({.payload = "xy"});
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
        CHECK_EQUAL(
            size == 0 || size == bytes.size(),
            read_pieces(FrameReader(Role::client, {}), ByteView(bytes).first(size), {}).idle);
    }
}

TEST(FrameReader, payload_is_viewed_in_place) {
    Bytes bytes = raw({.opcode = 2, .payload = "abcdefgh", .masked = true});
    std::span<std::byte> input(bytes);
    FrameReader reader(Role::server, {});
    const auto frame = reader.next(input);
    POINTERS_EQUAL(bytes.data() + 6, (*frame)->payload.data());
    LONGS_EQUAL(0, reader.buffered_bytes());
}

TEST(FrameReader, tells_of_each_piece_that_it_is_ascii_when_it_unmasks) {
    std::string text(100, 'a');
    text[60] = static_cast<char>(0xc3);
    Bytes bytes = raw({.payload = text, .masked = true});
    FrameReader reader(Role::server, {});
    std::span<std::byte> input = std::span(bytes).first(46);
    CHECK_TRUE((*reader.next(input))->ascii);
    input = std::span(bytes).subspan(46);
    CHECK_FALSE((*reader.next(input))->ascii);
    bytes = raw({.payload = std::string(100, 'a'), .masked = true});
    input = bytes;
    CHECK_TRUE((*reader.next(input))->ascii);
}

TEST(FrameReader, says_nothing_of_ascii_where_nothing_is_masked) {
    Bytes bytes = raw({.payload = "abc"});
    std::span<std::byte> input(bytes);
    FrameReader reader(Role::client, {});
    CHECK_FALSE((*reader.next(input))->ascii);
}

TEST(FrameReader, shortcut_takes_what_is_whole_and_leaves_the_rest_untouched) {
    for (const std::size_t size : {0u, 1u, 20u, 125u, 126u, 65535u, 65536u}) {
        const RawFrame frame{.payload = std::string(size, 'x'), .masked = true};
        const Bytes bytes = joined({raw(frame), raw(frame)});
        const std::size_t one = bytes.size() / 2;
        for (const std::size_t there : {one - 1, one, one + 1}) {
            Bytes copy(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(there));
            const Bytes before = copy;
            std::span<std::byte> input(copy);
            FrameReader reader(Role::server, {});
            Frame got;
            if (there >= one && size < 65536) {
                CHECK_TRUE(reader.take_whole(input, got));
                CHECK_TRUE(as_text(got.payload) == frame.payload);
                LONGS_EQUAL(there - one, input.size());
            } else {
                CHECK_FALSE(reader.take_whole(input, got));
                CHECK_TRUE(copy == before);
                LONGS_EQUAL(there, input.size());
            }
        }
    }
}

TEST(FrameReader, is_small) {
    CHECK_TRUE(sizeof(FrameReader) <= 48);
}

TEST_GROUP(WriteHead){};

TEST(WriteHead, is_what_the_reader_takes_for_every_form) {
    for (const std::uint64_t size :
         {std::uint64_t{0}, std::uint64_t{125}, std::uint64_t{126}, std::uint64_t{65535},
          std::uint64_t{65536}, std::uint64_t{0x7fffffffffffffff}}) {
        std::array<std::byte, kMaxHeadSize> out{};
        const std::size_t written =
            write_head(out, {.opcode = Opcode::binary, .payload_size_bytes = size}, std::nullopt);
        LONGS_EQUAL(size < 126 ? 2 : size < 65536 ? 4 : 10, written);
        Bytes bytes(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(written));
        CHECK_TRUE(bytes == raw({.opcode = 2, .claimed = size}));
    }
}

}  // namespace holdfast::websocket
