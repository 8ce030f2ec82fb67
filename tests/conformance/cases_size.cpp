#include "tests/conformance/case.h"

/// The subjects are made or started with the limit named here.
namespace holdfast::conformance {
namespace {

constexpr std::size_t kMiB = 1u << 20;

Case of_programs(Case made) {
    made.programs_only = true;
    return made;
}

}  // namespace

std::vector<Case> size_cases() {
    std::vector<Case> cases;
    const Frame unit = binary("0123456789abcdef");
    for (const std::size_t size : {1u, 4u, 16u}) {
        const Frame whole = unit.repeated(size * kMiB / 16);
        const std::string name = "size." + std::to_string(size) + "_MiB";
        cases.push_back(of_programs({name, "6455 5.2", {send(whole), got(whole)}}));
        Frame letters = text("\xce\xba\xe1\xbd\xb9\xcf\x83 abcdefgh").repeated(size * kMiB / 16);
        cases.push_back(of_programs({name + "_text", "6455 5.2", {send(letters), got(letters)}}));
    }
    for (const std::size_t piece : {64u, 4096u, 65536u}) {
        const Frame first = unit.repeated(piece / 16).unfinished();
        const Frame next = more(unit.payload).repeated(piece / 16).unfinished();
        cases.push_back(of_programs({"size.4_MiB_in_fragments_of_" + std::to_string(piece),
                                     "6455 5.4",
                                     {send(first), send(next, 4 * kMiB / piece - 1), send(more("")),
                                      got(unit.repeated(4 * kMiB / 16))}}));
    }
    // The subject's limit is 64 MiB.
    const Frame largest = unit.repeated(4 * kMiB);
    cases.push_back(of_programs({"size.at_the_limit", "6455 10.4", {send(largest), got(largest)}}));
    cases.push_back(of_programs({"size.at_the_limit_in_two_fragments",
                                 "6455 10.4",
                                 {send(unit.repeated(2 * kMiB).unfinished()),
                                  send(more(unit.payload).repeated(2 * kMiB)), got(largest)}}));
    Frame larger = binary("");
    larger.claimed = 64 * kMiB + 1;
    cases.push_back(
        {"size.past_the_limit", "6455 10.4", {send(larger)}, closes(1009), For::server});
    larger.fin = false;
    cases.push_back(
        {"size.fragment_past_the_limit", "6455 10.4", {send(larger)}, closes(1009), For::server});
    Frame rest = more("");
    rest.claimed = 64 * kMiB - 3;
    cases.push_back({"size.fragments_past_the_limit",
                     "6455 10.4",
                     {send(binary("four").unfinished()), send(rest)},
                     closes(1009),
                     For::server});
    cases.push_back(
        of_programs({"size.a_million_fragments_of_a_byte",
                     "6455 5.4",
                     {send(text("x").unfinished()), send(more("x").unfinished(), 999'998),
                      send(more("x")), got(text("x").repeated(1'000'000))}}));
    cases.push_back(
        of_programs({"size.a_million_empty_fragments",
                     "6455 5.4",
                     {send(text("x").unfinished()), send(more("").unfinished(), 999'999),
                      send(more("y")), got(text("xy"))}}));
    return cases;
}

}  // namespace holdfast::conformance
