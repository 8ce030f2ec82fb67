#include "tests/conformance/case.h"

namespace holdfast::conformance {

std::vector<Case> fragmentation_cases() {
    std::vector<Case> cases;
    const auto add = [&cases](const char* name, std::vector<Step> steps, Ending ending = kOpen) {
        cases.push_back({"fragmentation."s + name, "6455 5.4", std::move(steps), ending});
    };
    add("two", {send(text("frag").unfinished()), send(more("ment")), got(text("fragment"))});
    add("two_binary",
        {send(binary("\0\1"s).unfinished()), send(more("\xff"s)), got(binary("\0\1\xff"s))});
    add("empty_first", {send(text("").unfinished()), send(more("x")), got(text("x"))});
    add("empty_last", {send(text("x").unfinished()), send(more("")), got(text("x"))});
    add("all_empty", {send(text("").unfinished()), send(more("").unfinished(), 5), send(more("")),
                      got(text(""))});
    add("empty_between", {send(text("a").unfinished()), send(more("").unfinished(), 3),
                          send(more("b").unfinished()), send(more("")), got(text("ab"))});
    add("of_one_byte", {send(text("x").unfinished()), send(more("x").unfinished(), 298),
                        send(more("x")), got(text("x").repeated(300))});
    add("two_messages",
        {send(text("a").unfinished()), send(more("b")), send(binary("c").unfinished()),
         send(more("d")), got(text("ab")), got(binary("cd"))});
    add("of_every_length_form",
        {send(binary("1").unfinished()), send(more("2").repeated(126).unfinished()),
         send(more("3").repeated(65536).unfinished()), send(more("")),
         got(binary("1" + std::string(126, '2') + std::string(65536, '3')))});
    add("pongs_and_pings_between",
        {send(text("a").unfinished()), send(pong("p")), send(more("b").unfinished()),
         send(ping("q")), send(more("c")), got(pong("q")), got(text("abc"))});

    for (const bool fin : {true, false}) {
        const std::string which = fin ? "" : "_unfinished";
        Frame lone = more("lone");
        lone.fin = fin;
        add(("continuation_of_nothing" + which).c_str(), {send(lone)}, closes(1002));
        add(("continuation_after_a_message" + which).c_str(),
            {send(text("whole")), got(text("whole")), send(lone)}, closes(1002));
        add(("continuation_after_fragments" + which).c_str(),
            {send(text("a").unfinished()), send(more("b")), got(text("ab")), send(lone)},
            closes(1002));
        for (Frame second : {text("new"), binary("new")}) {
            second.fin = fin;
            const std::string kind = second.opcode == kText ? "text" : "binary";
            add((kind + "_within_a_message" + which).c_str(),
                {send(text("begun").unfinished()), send(second)}, closes(1002));
            add((kind + "_within_a_binary_message" + which).c_str(),
                {send(binary("begun").unfinished()), send(more("more").unfinished()), send(second)},
                closes(1002));
        }
    }
    add("ping_between_does_not_begin_anew",
        {send(text("a").unfinished()), send(ping("p")), got(pong("p")), send(text("b"))},
        closes(1002));
    add("ping_alone_begins_nothing", {send(ping("p")), got(pong("p")), send(more("b"))},
        closes(1002));
    return cases;
}

}  // namespace holdfast::conformance
