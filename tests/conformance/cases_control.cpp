#include "tests/conformance/case.h"

namespace holdfast::conformance {
namespace {

/// Each byte value once.
std::string all_bytes(std::size_t size) {
    std::string out(size, ' ');
    for (std::size_t i = 0; i < size; ++i) {
        out[i] = static_cast<char>(255 - i);
    }
    return out;
}

/// Too long, and the same announced but never sent: refused from the head alone.
void add_too_long(std::vector<Case>& cases) {
    for (const unsigned opcode : {8u, 9u, 10u}) {
        for (const std::size_t size : {126u, 127u, 65535u, 65536u}) {
            const std::string name =
                "control.opcode_" + std::to_string(opcode) + "_of_" + std::to_string(size);
            Frame frame{.opcode = opcode, .payload = all_bytes(size)};
            if (opcode == kClose) {
                frame.payload.replace(0, 2, "\x03\xe8");
            }
            cases.push_back({name, "6455 5.5", {send(frame)}, closes(1002)});
            Frame head{.opcode = opcode};
            head.claimed = size;
            cases.push_back({name + "_head_alone", "6455 5.5", {send(head)}, closes(1002)});
        }
        const Frame unfinished{.opcode = opcode, .payload = "\x03\xe8", .fin = false};
        cases.push_back({"control.opcode_" + std::to_string(opcode) + "_fragmented",
                         "6455 5.4",
                         {send(unfinished), send(more(""))},
                         closes(1002)});
        cases.push_back({"control.opcode_" + std::to_string(opcode) + "_fragmented_in_a_message",
                         "6455 5.4",
                         {send(text("be").unfinished()), send(unfinished), send(more("fore"))},
                         closes(1002)});
    }
}

}  // namespace

std::vector<Case> control_cases() {
    std::vector<Case> cases;
    for (const std::size_t size : {0u, 1u, 2u, 64u, 124u, 125u}) {
        const std::string payload = all_bytes(size);
        cases.push_back({"control.ping_of_" + std::to_string(size),
                         "6455 5.5.2",
                         {send(ping(payload)), got(pong(payload))}});
        cases.push_back({"control.unasked_pong_of_" + std::to_string(size),
                         "6455 5.5.3",
                         {send(pong(payload)), send(ping("then")), got(pong("then"))}});
    }
    Case many{"control.ten_pings_at_once", "6455 5.5.2", {}};
    for (int i = 0; i < 10; ++i) {
        many.steps.push_back(send(ping("number " + std::to_string(i))));
    }
    for (int i = 0; i < 10; ++i) {
        many.steps.push_back(got(pong("number " + std::to_string(i))));
    }
    cases.push_back(many);
    cases.push_back({"control.ping_before_a_message_ends",
                     "6455 5.4",
                     {send(text("one").unfinished()), send(ping("now")), got(pong("now")), wait(),
                      send(more("two").unfinished()), send(pong("")), send(ping("again")),
                      got(pong("again")), wait(), send(more("three")), got(text("onetwothree"))}});
    cases.push_back({"control.ping_in_the_middle_of_a_fragmented_binary",
                     "6455 5.4",
                     {send(binary("\0\xff"s).unfinished()), send(ping("")), send(more("\x80"s)),
                      got(pong("")), got(binary("\0\xff\x80"s))}});
    cases.push_back({"control.ping_between_two_messages",
                     "6455 5.5.2",
                     {send(text("a")), send(ping("b")), send(text("c")), got(text("a")),
                      got(pong("b")), got(text("c"))}});
    add_too_long(cases);
    return cases;
}

}  // namespace holdfast::conformance
