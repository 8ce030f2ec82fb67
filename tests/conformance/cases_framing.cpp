#include "tests/conformance/case.h"

namespace holdfast::conformance {
namespace {

/// A payload whose bytes show where it begins.
std::string letters(std::size_t size) {
    std::string out(size, ' ');
    for (std::size_t i = 0; i < size; ++i) {
        out[i] = static_cast<char>('!' + i % 90);
    }
    return out;
}

void add_lengths(std::vector<Case>& cases) {
    for (const std::size_t size : {0u, 1u, 2u, 7u, 124u, 125u, 126u, 127u, 128u, 255u, 256u, 257u,
                                   4095u, 65534u, 65535u, 65536u, 65537u, 131072u}) {
        const std::string name = "framing.length_" + std::to_string(size);
        cases.push_back(
            {name + "_text", "6455 5.2", {send(text(letters(size))), got(text(letters(size)))}});
        const std::string zeros(size, '\xfe');
        cases.push_back({name + "_binary", "6455 5.2", {send(binary(zeros)), got(binary(zeros))}});
    }
}

void add_long_forms(std::vector<Case>& cases) {
    using Length = Frame::Length;
    for (const std::size_t size : {0u, 1u, 125u}) {
        for (const Length length : {Length::in_16_bits, Length::in_64_bits}) {
            Frame frame = binary(letters(size));
            frame.length = length;
            cases.push_back({"framing.not_minimal_" + std::to_string(size) +
                                 (length == Length::in_16_bits ? "_in_16" : "_in_64"),
                             "6455 5.2",
                             {send(frame)},
                             closes(1002)});
        }
    }
    for (const std::size_t size : {126u, 65535u}) {
        Frame frame = binary(letters(size));
        frame.length = Length::in_64_bits;
        cases.push_back({"framing.not_minimal_" + std::to_string(size) + "_in_64",
                         "6455 5.2",
                         {send(frame)},
                         closes(1002)});
    }
    // The most significant bit of a 64-bit length must be 0. It is wrong from the head alone.
    constexpr unsigned long long kTopBit = 1ull << 63;
    for (const unsigned long long claimed : {kTopBit, ~0ull}) {
        Frame frame = binary("");
        frame.claimed = claimed;
        cases.push_back(
            {claimed == kTopBit ? "framing.length_of_2_to_the_63" : "framing.length_of_all_ones",
             "6455 5.2",
             {send(frame)},
             closes(1002)});
    }
    // Refused from the head alone, for the payload never comes.
    for (const unsigned long long claimed : {kTopBit - 1, 1ull << 32, (1ull << 30) + 1}) {
        Frame frame = binary("");
        frame.claimed = claimed;
        cases.push_back({"framing.claims_" + std::to_string(claimed) + "_bytes",
                         "6455 7.4.1",
                         {send(frame)},
                         closes(1009)});
    }
}

void add_reserved(std::vector<Case>& cases) {
    for (unsigned rsv = 1; rsv < 8; ++rsv) {
        for (const Frame& frame : {text("Hi"), binary("Hi"), ping("Hi"), pong("Hi"), closing(1000),
                                   text("Hi").unfinished()}) {
            cases.push_back({"reserved.bits_" + std::to_string(rsv) + "_in_opcode_" +
                                 std::to_string(frame.opcode) + (frame.fin ? "" : "_unfinished"),
                             "6455 5.2",
                             {send(text("before")), got(text("before")), send(frame.with_rsv(rsv)),
                              send(ping("after"))},
                             closes(1002)});
        }
        cases.push_back({"reserved.bits_" + std::to_string(rsv) + "_in_a_continuation",
                         "6455 5.2",
                         {send(text("Hi").unfinished()), send(more("Hi").with_rsv(rsv))},
                         closes(1002)});
    }
    for (const unsigned opcode : {3u, 4u, 5u, 6u, 7u, 11u, 12u, 13u, 14u, 15u}) {
        for (const bool fin : {true, false}) {
            for (const char* payload : {"", "Hi"}) {
                const Frame frame{.opcode = opcode, .payload = payload, .fin = fin};
                cases.push_back(
                    {"reserved.opcode_" + std::to_string(opcode) + (fin ? "" : "_unfinished") +
                         (*payload ? "" : "_empty"),
                     "6455 5.2",
                     {send(text("before")), got(text("before")), send(frame), send(ping("after"))},
                     closes(1002)});
            }
        }
        cases.push_back(
            {"reserved.opcode_" + std::to_string(opcode) + "_within_a_message",
             "6455 5.2",
             {send(text("be").unfinished()), send({.opcode = opcode}), send(more("fore"))},
             closes(1002)});
    }
}

void add_masking(std::vector<Case>& cases) {
    for (const Frame& right : {text("Hi"), binary(""), ping("Hi"), pong(""), closing(1000),
                               text("Hi").unfinished(), binary(letters(300))}) {
        Frame frame = right;
        frame.wrongly_masked = true;
        cases.push_back({"masking.wrong_in_opcode_" + std::to_string(frame.opcode) + "_of_" +
                             std::to_string(frame.payload.size()) +
                             (frame.fin ? "" : "_unfinished"),
                         "6455 5.1",
                         {send(text("before")), got(text("before")), send(frame)},
                         closes(1002)});
    }
    Frame second = more("fore");
    second.wrongly_masked = true;
    cases.push_back({"masking.wrong_in_a_continuation",
                     "6455 5.1",
                     {send(text("be").unfinished()), send(second)},
                     closes(1002)});
    for (const std::uint32_t mask : {0u, 0xffffffffu, 0x000000ffu, 0xff000000u, 0x80818283u}) {
        for (const std::size_t size : {1u, 3u, 4u, 5u, 63u, 64u, 65u, 1000u}) {
            Frame frame = text(letters(size));
            frame.mask = mask;
            cases.push_back(
                {"masking.key_" + std::to_string(mask) + "_over_" + std::to_string(size),
                 "6455 5.3",
                 {send(frame), got(text(letters(size)))},
                 kOpen,
                 For::server});
        }
    }
    Frame other = binary(letters(129));
    other.mask = 0x01020304;
    cases.push_back({"masking.another_key_each_frame",
                     "6455 5.3",
                     {send(binary(letters(130)).unfinished()),
                      send({.opcode = kContinuation, .payload = letters(129), .mask = 0x01020304}),
                      got(binary(letters(130) + letters(129)))},
                     kOpen,
                     For::server});
}

}  // namespace

std::vector<Case> framing_cases() {
    std::vector<Case> cases;
    add_lengths(cases);
    add_long_forms(cases);
    add_reserved(cases);
    add_masking(cases);
    Case hundred{"framing.hundred_messages_at_once", "6455 5.4", {send(text("one of many"), 100)}};
    for (int i = 0; i < 100; ++i) {
        hundred.steps.push_back(got(text("one of many")));
    }
    cases.push_back(hundred);
    cases.push_back({"framing.text_and_binary_in_turn",
                     "6455 5.6",
                     {send(text("a")), send(binary("b")), send(text("c")), send(binary("")),
                      got(text("a")), got(binary("b")), got(text("c")), got(binary(""))}});
    return cases;
}

}  // namespace holdfast::conformance
