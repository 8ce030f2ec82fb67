#include "firmware/websocket/utf8.h"

#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

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

}  // namespace

TEST_GROUP(Utf8Validator){};

TEST(Utf8Validator, accepts_every_code_point_but_surrogates_and_none_beyond) {
    for (std::uint32_t point = 0; point < 0x110800; ++point) {
        const bool valid = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
        if (accepts(encode(point)) != valid || accepts_byte_by_byte(encode(point)) != valid) {
            FAIL(("code point " + std::to_string(point)).c_str());
        }
    }
}

TEST(Utf8Validator, agrees_with_the_definition_on_all_sequences_of_boundary_bytes) {
    const std::vector<unsigned> bytes{0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0,
                                      0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
                                      0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff};
    for (std::size_t number = 0; number < 25 * 25 * 25 * 25; ++number) {
        std::string text;
        for (std::size_t rest = number, i = 0; i < 4; ++i, rest /= 25) {
            text.push_back(static_cast<char>(bytes[rest % 25]));
        }
        if (accepts(text) != is_valid_by_definition(text) ||
            accepts_byte_by_byte(text) != is_valid_by_definition(text)) {
            FAIL(("sequence " + std::to_string(number)).c_str());
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

}  // namespace holdfast::websocket
