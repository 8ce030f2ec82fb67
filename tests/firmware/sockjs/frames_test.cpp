#include "firmware/sockjs/frames.h"

#include <vector>

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::sockjs;

namespace {

std::string read(std::string_view text, std::size_t limit = 100) {
    const auto payload = read_payload(text, limit);
    if (!payload) {
        return payload.error() == PayloadFault::empty    ? "empty"
               : payload.error() == PayloadFault::broken ? "broken"
                                                         : "too many";
    }
    std::string out = payload->is_array ? "array" : "one";
    for (const std::string& message : payload->messages) {
        out += "|" + message;
    }
    return out;
}

std::string frame(std::string_view text, std::size_t limit = 100) {
    const auto read = read_server_frame(text, limit);
    if (!read) {
        return read.error().code == ErrorCode::invalid ? "invalid" : "too large";
    }
    if (const auto* messages = std::get_if<MessagesFrame>(&*read)) {
        std::string out = "messages";
        for (const std::string& message : messages->messages) {
            out += "|" + message;
        }
        return out;
    }
    if (const auto* close = std::get_if<CloseFrame>(&*read)) {
        return "close " + std::to_string(close->code) + " " + close->reason;
    }
    return std::holds_alternative<OpenFrame>(*read) ? "open" : "heartbeat";
}

}  // namespace

TEST_GROUP(SockjsFrames){};

TEST(SockjsFrames, json_and_what_browsers_mangle_is_escaped) {
    STRCMP_EQUAL(R"("")", quoted("").c_str());
    STRCMP_EQUAL(R"("a\"\\/\b\f\n\r\t\u0001\u001f")", quoted("a\"\\/\b\f\n\r\t\x01\x1f").c_str());
    STRCMP_EQUAL(R"("\u0000")", quoted(std::string_view("\0", 1)).c_str());
    STRCMP_EQUAL("\"\x7f\u00e9\u200b\\u200c\\u200f\u2010\"",
                 quoted("\x7f\u00e9\u200b\u200c\u200f\u2010").c_str());
    STRCMP_EQUAL("\"\u2027\\u2028\\u202f\u2030\u205f\\u2060\\u206f\u2070\"",
                 quoted("\u2027\u2028\u202f\u2030\u205f\u2060\u206f\u2070").c_str());
    STRCMP_EQUAL("\"\uffef\\ufff0\\uffff\\ud800\\udc00\\udbff\\udfff\"",
                 quoted("\uffef\ufff0\uffff\U00010000\U0010ffff").c_str());
}

TEST(SockjsFrames, every_character_survives_quoting_and_reading) {
    for (char32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 37) {
        if (c >= 0xd800 && c < 0xe000) {
            continue;
        }
        std::string text;
        if (c < 0x80) {
            text = {static_cast<char>(c)};
        } else if (c < 0x800) {
            text = {static_cast<char>(0xc0 | c >> 6u), static_cast<char>(0x80 | (c & 0x3f))};
        } else if (c < 0x10000) {
            text = {static_cast<char>(0xe0 | c >> 12u), static_cast<char>(0x80 | (c >> 6u & 0x3f)),
                    static_cast<char>(0x80 | (c & 0x3f))};
        } else {
            text = {static_cast<char>(0xf0 | c >> 18u), static_cast<char>(0x80 | (c >> 12u & 0x3f)),
                    static_cast<char>(0x80 | (c >> 6u & 0x3f)),
                    static_cast<char>(0x80 | (c & 0x3f))};
        }
        const auto payload = read_payload(quoted(text), 1);
        CHECK(payload && payload->messages.at(0) == text);
    }
}

TEST(SockjsFrames, payloads_are_a_string_or_an_array_of_them) {
    STRCMP_EQUAL("array|a", read(R"(["a"])").c_str());
    STRCMP_EQUAL("array|a||b", read(R"( [ "a" , "" ,"b"] )").c_str());
    STRCMP_EQUAL("array", read("[]").c_str());
    STRCMP_EQUAL("one|a", read(R"("a")").c_str());
    STRCMP_EQUAL("empty", read("").c_str());
    STRCMP_EQUAL("empty", read(" \r\n").c_str());
    for (const char* broken : {"[",         "]",         R"(["a)",      R"(["a")",
                               R"(["a",])", R"([,"a"])", R"(["a"]])",   R"(["a"] x)",
                               "[1]",       "{}",        "null",        R"([["a"]])",
                               R"("\x")",   R"("\u12")", R"("\u12g4")", R"("\ud800\u12")",
                               "\"\n\"",    "\"\xff\"",  R"("a" "b")",  R"(["a" "b"])",
                               "\"\\",      "\"\\u"}) {
        STRCMP_EQUAL("broken", read(broken).c_str());
    }
}

TEST(SockjsFrames, lone_surrogates_become_the_replacement_character) {
    STRCMP_EQUAL("one|\U0001f9c0", read(R"("\uD83E\udDC0")").c_str());
    STRCMP_EQUAL("one|\ufffd \ufffd", read(R"("\ud83e \uddc0")").c_str());
    STRCMP_EQUAL("one|\ufffd\U0001f9c0", read(R"("\ud83e\ud83e\uddc0")").c_str());
    STRCMP_EQUAL("one|\ufffdA", read(R"("\ud83e\u0041")").c_str());
    STRCMP_EQUAL("one|\ufffd\n", read(R"("\ud83e\n")").c_str());
}

TEST(SockjsFrames, a_payload_has_as_many_messages_as_allowed) {
    STRCMP_EQUAL("array|a|b", read(R"(["a","b"])", 2).c_str());
    STRCMP_EQUAL("too many", read(R"(["a","b","c"])", 2).c_str());
}

TEST(SockjsFrames, frames_are_written_as_the_protocol_has_them) {
    const std::vector<std::string> messages{quoted("a"), quoted("\"")};
    STRCMP_EQUAL(R"(a["a","\""])", messages_frame(messages).c_str());
    STRCMP_EQUAL(R"(c[3000,"Go away!"])", close_frame(3000, "Go away!").c_str());
}

TEST(SockjsFrames, frames_of_a_server_are_read) {
    STRCMP_EQUAL("open", frame("o").c_str());
    STRCMP_EQUAL("heartbeat", frame("h").c_str());
    STRCMP_EQUAL("heartbeat", frame(std::string(2048, 'h')).c_str());
    STRCMP_EQUAL("messages|a|b", frame(R"(a["a","b"])").c_str());
    STRCMP_EQUAL("messages|a", frame(R"(m"a")").c_str());
    STRCMP_EQUAL("close 3000 Go away!", frame(R"(c[3000,"Go away!"])").c_str());
    STRCMP_EQUAL("close 2010 ", frame(R"(c[2010 , ""])").c_str());
    STRCMP_EQUAL("too large", frame(R"(a["a","b"])", 1).c_str());
    for (const char* wrong : {"",
                              "x",
                              "oo",
                              "hx",
                              "a",
                              "a[",
                              R"(a"a")",
                              "m",
                              R"(m["a"])",
                              "c",
                              "c[]",
                              "c[1]",
                              "c[1,]",
                              R"(c["a","b"])",
                              R"(c[3000,"a"]x)",
                              R"(c[30000,"a"])",
                              R"(c[-1,"a"])",
                              "<html>",
                              "a[\"\xff\"]",
                              "\xff"}) {
        STRCMP_EQUAL("invalid", frame(wrong).c_str());
    }
}

TEST(SockjsFrames, envelopes_come_back_bit_for_bit) {
    Bytes bytes;
    for (int i = 0; i < 600; ++i) {
        const std::string text = envelope_text(bytes);
        CHECK(quoted(text) == "\"" + text + "\"");  // nothing in it needs an escape
        CHECK(envelope_bytes(text).value() == bytes);
        bytes.push_back(static_cast<std::byte>(i * 7));
    }
    CHECK(!envelope_bytes("a"));
    CHECK(!envelope_bytes("????"));
}
