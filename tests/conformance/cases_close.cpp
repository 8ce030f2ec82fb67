#include "tests/conformance/case.h"

namespace holdfast::conformance {
namespace {

constexpr unsigned kNone = 1005;

void add_codes(std::vector<Case>& cases) {
    std::vector<unsigned> good{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011,
                               1012, 1013, 1014, 3000, 3001, 3999, 4000, 4001, 4999};
    for (const unsigned code : good) {
        const std::string name = "close.code_" + std::to_string(code);
        cases.push_back({name, "6455 7.4.1", {send(closing(code))}, closes(code)});
        cases.push_back({name + "_with_reason",
                         "6455 7.4.2",
                         {send(closing(code, "because …"))},
                         closes(code)});
    }
    for (const unsigned code :
         {0u,    1u,    2u,    255u,  256u,  999u,  1004u, 1005u, 1006u, 1015u, 1016u,
          1017u, 1099u, 1100u, 1999u, 2000u, 2998u, 2999u, 5000u, 5001u, 9999u, 65535u}) {
        std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
        const std::string name = "close.bad_code_" + std::to_string(code);
        cases.push_back(
            {name, "6455 7.4.1", {send({.opcode = kClose, .payload = payload})}, closes(1002)});
        cases.push_back({name + "_with_reason",
                         "6455 7.4.1",
                         {send({.opcode = kClose, .payload = payload + "reason"})},
                         closes(1002)});
    }
}

void add_reasons(std::vector<Case>& cases) {
    for (const std::size_t size : {1u, 60u, 122u, 123u}) {
        cases.push_back({"close.reason_of_" + std::to_string(size),
                         "6455 5.5.1",
                         {send(closing(1000, std::string(size, 'r')))},
                         closes(1000)});
    }
    cases.push_back({"close.reason_of_124",
                     "6455 5.5",
                     {send(closing(1000, std::string(124, 'r')))},
                     closes(1002)});
    int number = 0;
    for (const std::string& reason :
         {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64"s, "\x80"s, "\xc3"s,
          "\xc0\xaf"s, "good until here \xf4\x90\x80\x80"s, "\xf0\x9f\x98"s, "\xff"s,
          "\xed\xbf\xbf"s}) {
        cases.push_back({"close.reason_not_utf8_" + std::to_string(++number),
                         "6455 5.5.1",
                         {send(closing(1000, reason))},
                         closes(1007)});
    }
    cases.push_back({"close.reason_may_be_any_text",
                     "6455 5.5.1",
                     {send(closing(1000, "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\0"s))},
                     closes(1000)});
    cases.push_back({"close.empty", "6455 5.5.1", {send({.opcode = kClose})}, closes(kNone)});
    for (const char byte : {'\x03', '\xff', 'A'}) {
        cases.push_back({"close.one_byte_" + std::to_string(static_cast<unsigned char>(byte)),
                         "6455 5.5.1",
                         {send({.opcode = kClose, .payload = std::string(1, byte)})},
                         closes(1002)});
    }
}

/// After the close frame the connection is over: nothing is answered any more.
void add_afterwards(std::vector<Case>& cases) {
    const std::vector<std::pair<std::string, Frame>> afterwards{
        {"ping", ping("late")},         {"text", text("late")},
        {"close", closing(1001)},       {"bad_close", closing(1006)},
        {"continuation", more("late")}, {"reserved_opcode", {.opcode = 3}},
        {"bad_text", text("\xff")},     {"half_a_message", text("late").unfinished()},
    };
    for (const auto& [name, frame] : afterwards) {
        cases.push_back({"close.then_" + name,
                         "6455 5.5.1",
                         {send(text("before")), got(text("before")), send(closing(1000)),
                          send(frame), send(frame)},
                         closes(1000)});
        cases.push_back({"close.failed_then_" + name,
                         "6455 7.1.7",
                         {send({.opcode = 11}), send(frame), send(frame)},
                         closes(1002)});
    }
    cases.push_back({"close.then_garbage",
                     "6455 5.5.1",
                     {send(closing(1000)), raw(std::string(3000, '\xff'))},
                     closes(1000)});
    cases.push_back({"close.then_the_end",
                     "6455 7.1.1",
                     {send(closing(1000)), Step{.kind = Step::Kind::end}},
                     closes(1000)});
}

}  // namespace

std::vector<Case> close_cases() {
    std::vector<Case> cases;
    add_codes(cases);
    add_reasons(cases);
    add_afterwards(cases);
    cases.push_back({"close.within_a_message",
                     "6455 5.4",
                     {send(text("half").unfinished()), send(closing(1000)), send(more("rest"))},
                     closes(1000)});
    cases.push_back({"close.all_before_it_is_answered",
                     "6455 7.1.6",
                     {send(text("first").repeated(50'000)), send(text("second")),
                      got(text("first").repeated(50'000)), got(text("second")), send(closing(1000)),
                      send(ping(""))},
                     closes(1000)});
    return cases;
}

}  // namespace holdfast::conformance
