#include "firmware/websocket/utf8.h"

#include <array>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "firmware/base/text.h"
#include "firmware/websocket/mask.h"
#include "tests/stride.h"

namespace holdfast::websocket {
namespace {

/// Without a table or a shortcut: the bit patterns of RFC 3629, Section 3, and a comparison of the
/// decoded number.
bool is_valid_by_definition(const std::string& text) {
    std::size_t i = 0;
    while (i < text.size()) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::size_t size = lead < 0x80              ? 1u
                                 : (lead & 0xe0u) == 0xc0 ? 2u
                                 : (lead & 0xf0u) == 0xe0 ? 3u
                                 : (lead & 0xf8u) == 0xf0 ? 4u
                                                          : 0u;
        if (size == 0 || i + size > text.size()) {
            return false;
        }
        std::uint32_t point = size == 1 ? lead : lead & (0x7fu >> size);
        for (std::size_t j = 1; j < size; ++j) {
            const auto byte = static_cast<unsigned char>(text[i + j]);
            if ((byte & 0xc0u) != 0x80) {
                return false;
            }
            point = point << 6u | (byte & 0x3fu);
        }
        const std::uint32_t least = size == 1 ? 0 : size == 2 ? 0x80 : size == 3 ? 0x800 : 0x10000;
        if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
            return false;
        }
        i += size;
    }
    return true;
}

bool accepts(const std::string& text) {
    Utf8Validator validator;
    return validator.feed(as_bytes(text)) && validator.complete();
}

bool accepts_byte_by_byte(const std::string& text) {
    Utf8Validator validator;
    for (const char c : text) {
        if (!validator.feed(as_bytes({&c, 1}))) {
            return false;
        }
    }
    return validator.complete();
}

std::string encode(std::uint32_t point) {
    std::string out;
    const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (point < 0x80) {
        put(point);
    } else if (point < 0x800) {
        put(0xc0 | point >> 6u);
        put(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        put(0xe0 | point >> 12u);
        put(0x80 | (point >> 6u & 0x3f));
        put(0x80 | (point & 0x3f));
    } else {
        put(0xf0 | point >> 18u);
        put(0x80 | (point >> 12u & 0x3f));
        put(0x80 | (point >> 6u & 0x3f));
        put(0x80 | (point & 0x3f));
    }
    return out;
}

struct Way {
    const char* name;
    bool (*valid)(const std::byte*, std::size_t);
};

std::vector<Way> ways() {
    std::vector<Way> all{{"by_character", utf8::by_character}, {"best", utf8::best}};
#ifdef __x86_64__
    if (utf8::has_ssse3()) {
        all.push_back({"by_16", utf8::by_16});
    }
    if (masking::has_avx2()) {
        all.push_back({"by_32", utf8::by_32});
    }
#elif defined(__aarch64__)
    all.push_back({"by_16", utf8::by_16});
#endif
    return all;
}

/// `text` must end in three bytes of ASCII: then it does not end inside a character.
void check_same(const Way& way, const std::string& text) {
    const ByteView bytes = as_bytes(text);
    if (way.valid(bytes.data(), bytes.size()) != is_valid_by_definition(text)) {
        FAIL((std::string(way.name) + ": " + to_hex(bytes)).c_str());
    }
}

std::string repeated(const std::string& unit, std::size_t count) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
        all += unit;
    }
    return all;
}

constexpr std::array<unsigned char, 25> kBoundaryBytes{
    0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
    0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff};

/// All of four bytes.
std::vector<std::string> boundary_sequences() {
    std::vector<std::string> all;
    for (const unsigned char first : kBoundaryBytes) {
        for (const unsigned char second : kBoundaryBytes) {
            for (const unsigned char third : kBoundaryBytes) {
                for (const unsigned char fourth : kBoundaryBytes) {
                    all.push_back({static_cast<char>(first), static_cast<char>(second),
                                   static_cast<char>(third), static_cast<char>(fourth)});
                }
            }
        }
    }
    return all;
}

}  // namespace

TEST_GROUP(Utf8Validator){};

TEST(Utf8Validator, accepts_every_code_point_but_surrogates_and_none_beyond) {
    for (std::uint32_t point = 0; point < 0x110800; point += kStride) {
        const bool valid = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
        if (accepts(encode(point)) != valid || accepts_byte_by_byte(encode(point)) != valid) {
            FAIL(("code point " + std::to_string(point)).c_str());
        }
    }
}

TEST(Utf8Validator, agrees_with_the_definition_on_all_sequences_of_boundary_bytes) {
    for (const std::string& text : boundary_sequences()) {
        const bool valid = is_valid_by_definition(text);
        if (accepts(text) != valid || accepts_byte_by_byte(text) != valid) {
            FAIL(to_hex(as_bytes(text)).c_str());
        }
    }
}

TEST(Utf8Validator, finds_a_bad_byte_at_every_place_of_a_long_text) {
    for (std::size_t place = 0; place < 100; ++place) {
        std::string text(100, 'a');
        CHECK_TRUE(accepts(text));
        text[place] = static_cast<char>(0xff);
        CHECK_FALSE(accepts(text));
        text[place] = static_cast<char>(0x80);
        CHECK_FALSE(accepts(text));
    }
}

TEST(Utf8Validator, accepts_a_character_at_every_place_of_a_long_text_split_anywhere) {
    for (std::size_t place = 0; place < 70; ++place) {
        const std::string text =
            std::string(place, 'a') + "\xf0\x9f\x8c\x8a" + std::string(40, 'b');
        for (std::size_t cut = 0; cut <= text.size(); ++cut) {
            Utf8Validator validator;
            CHECK_TRUE(validator.feed(as_bytes(text).first(cut)));
            CHECK_TRUE(validator.feed(as_bytes(text).subspan(cut)));
            CHECK_TRUE(validator.complete());
        }
    }
}

TEST(Utf8Validator, fails_at_the_byte_after_which_nothing_can_help) {
    // The second byte decides on overlong forms, surrogates and what is above U+10FFFF.
    for (const std::string text :
         {"\xe0\x9f", "\xed\xa0", "\xf0\x8f", "\xf4\x90", "\xc1", "\xf5"}) {
        Utf8Validator validator;
        CHECK_TRUE(validator.feed(as_bytes(text).first(text.size() - 1)));
        CHECK_FALSE(validator.feed(as_bytes(text).last(1)));
    }
}

TEST(Utf8Validator, is_not_complete_inside_a_character) {
    const std::string text = "\xf0\x90\x80\x80";
    for (std::size_t size = 0; size <= text.size(); ++size) {
        Utf8Validator validator;
        CHECK_TRUE(validator.feed(as_bytes(text).first(size)));
        CHECK_EQUAL(size == 0 || size == 4, validator.complete());
    }
}

TEST_GROUP(Utf8Ways){};

TEST(Utf8Validator, a_lead_at_the_end_behind_another_unfinished_character_is_refused_at_once) {
    for (const std::string unfinished : {"\xc3", "\xe6", "\xe2\x82", "\xf0\x9f", "\xf0\x9f\x8c"}) {
        for (std::size_t before = 0; before < 140; ++before) {
            Utf8Validator validator;
            CHECK_TRUE(validator.feed(as_bytes(std::string(before, 'a') + unfinished)));
            Utf8Validator refusing;
            CHECK_FALSE(refusing.feed(as_bytes(std::string(before, 'a') + unfinished + "\xe8")));
        }
    }
}

TEST(Utf8Ways, agree_with_the_definition_on_every_sequence_of_one_to_three_bytes) {
    const std::vector<Way> all = ways();
    std::string text("......");
    for (std::uint32_t number = 0; number < 1u << 24u; number += kStride) {
        text[0] = static_cast<char>(number);
        text[1] = static_cast<char>(number >> 8u);
        text[2] = static_cast<char>(number >> 16u);
        const bool valid = is_valid_by_definition(text);
        for (const Way& way : all) {
            if (way.valid(as_bytes(text).data(), text.size()) != valid) {
                check_same(way, text);
            }
        }
    }
}

TEST(Utf8Ways, agree_with_the_definition_wherever_a_sequence_of_boundary_bytes_is) {
    // 32, 64 and 128 are steps of vectors: around each, at every place.
    const std::vector<std::string> texts = boundary_sequences();
    for (const Way& way : ways()) {
        for (std::size_t place = 0; place < 140; ++place) {
            for (std::size_t i = place; i < texts.size(); i += 140 * kStride) {
                std::string text(place, 'a');
                text += texts[i] + std::string((place * 7) % 67, 'b') + "...";
                check_same(way, text);
            }
        }
    }
}

TEST(Utf8Ways, find_each_fault_in_the_midst_of_other_characters_at_every_place) {
    const std::vector<std::string> faults{"\x80",         "\xc0\xaf",         "\xc1\xbf",
                                          "\xc3",         "\xe0\x9f\xbf",     "\xe2\x82",
                                          "\xed\xa0\x80", "\xef\xbf",         "\xf0\x8f\xbf\xbf",
                                          "\xf0\x9f\x8c", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                                          "\xff"};
    const std::vector<std::string> fillers{"a", "\xc2\xb0", "\xe2\x82\xac", "\xf0\x9f\x8c\x8a"};
    for (const Way& way : ways()) {
        for (const std::string& filler : fillers) {
            for (std::size_t before = 0; before < 70; before += kStride) {
                const std::string front = repeated(filler, before);
                const std::string back = repeated(filler, 70 - before) + "...";
                check_same(way, front + back);
                for (const std::string& fault : faults) {
                    check_same(way, front + fault + back);
                }
            }
        }
    }
}

TEST(Utf8Ways, read_nothing_outside) {
    for (const Way& way : ways()) {
        for (std::size_t size = 0; size < 300; ++size) {
            // Of its own on the heap, so that the sanitizer sees the byte before and behind.
            const std::vector<std::byte> text(size, std::byte{'a'});
            CHECK_TRUE(way.valid(text.data(), text.size()));
            std::vector<std::byte> other(size + size % 2, std::byte{0xc2});
            for (std::size_t i = 1; i < other.size(); i += 2) {
                other[i] = std::byte{0xb0};
            }
            CHECK_TRUE(way.valid(other.data(), other.size()));
        }
    }
}

TEST(Utf8Validator, is_told_by_no_split_wherever_the_text_is_cut_in_two) {
    const std::string text = repeated("a\xc2\xb0\xe2\x82\xac\xf0\x9f\x8c\x8a", 30);
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        for (const std::size_t bad : {text.size(), cut, cut + 1, cut + 40}) {
            std::string other = text;
            if (bad < text.size()) {
                other[bad] = static_cast<char>(0xc0);
            }
            Utf8Validator validator;
            const bool front = validator.feed(as_bytes(other.substr(0, cut)));
            CHECK_EQUAL(bad >= cut, front);
            if (front) {
                CHECK_EQUAL(bad >= text.size(),
                            validator.feed(as_bytes(other.substr(cut))) && validator.complete());
            }
        }
    }
}

}  // namespace holdfast::websocket
