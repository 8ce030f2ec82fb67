#include <array>

#include "tests/conformance/case.h"

namespace holdfast::conformance {
namespace {

/// As the bits fall, whether or not such a character exists; `length` bytes, 1 to 6.
std::string encoded(std::uint32_t point, unsigned length) {
    if (length == 1) {
        return {static_cast<char>(point)};
    }
    std::string out(length, '\0');
    for (unsigned i = length; i-- > 1; point >>= 6) {
        out[i] = static_cast<char>(0x80 | (point & 0x3f));
    }
    out[0] = static_cast<char>((0xffu << (8 - length) & 0xff) | point);
    return out;
}

std::string hex_of(std::string_view bytes) {
    std::string out;
    for (const char byte : bytes) {
        constexpr const char* kDigits = "0123456789abcdef";
        out.push_back(kDigits[static_cast<unsigned char>(byte) >> 4]);
        out.push_back(kDigits[static_cast<unsigned char>(byte) & 15]);
    }
    return out;
}

constexpr const char* kSection = "6455 8.1";

void add_good(std::vector<Case>& cases, const std::string& bytes) {
    cases.push_back({"text.good_" + hex_of(bytes),
                     kSection,
                     {send(text(bytes)), got(text(bytes)), send(text("in " + bytes + " the midst")),
                      got(text("in " + bytes + " the midst"))}});
}

/// `bytes` are spoilt by their last byte. Nothing follows it, though the message is not at an end:
/// neither in the same frame nor in another.
void add_bad(std::vector<Case>& cases, const std::string& bytes) {
    const std::string name = "text.bad_" + hex_of(bytes);
    cases.push_back({name, kSection, {send(text("good until " + bytes + " here"))}, closes(1007)});
    const std::string sent = "\xce\xba\xe1\xbd\xb9" + bytes;
    Frame frame = text(sent);
    frame.claimed = sent.size() + 100;
    cases.push_back({name + "_in_mid_frame", kSection, {send(frame)}, closes(1007)});
    frame.fin = false;
    cases.push_back({name + "_in_mid_fragment", kSection, {send(frame)}, closes(1007)});
    // Each byte in a frame of its own, and the last of them spoils the message before it ends.
    Case fragments{name + "_in_fragments",
                   kSection,
                   {send(text("good ").unfinished()), send(ping("")), got(pong("")), wait()},
                   closes(1007)};
    for (const char byte : bytes) {
        fragments.steps.push_back(send(more({byte}).unfinished()));
    }
    cases.push_back(fragments);
}

/// `bytes` are the beginning of a character, and the message ends.
void add_cut(std::vector<Case>& cases, const std::string& bytes) {
    const std::string name = "text.cut_" + hex_of(bytes);
    cases.push_back({name, kSection, {send(text("x" + bytes))}, closes(1007)});
    cases.push_back(
        {name + "_in_fragments",
         kSection,
         {send(text(bytes).unfinished()), send(ping("")), got(pong("")), wait(), send(more(""))},
         closes(1007)});
}

/// Every edge of the table: what each length may hold, the surrogates, the last character.
void add_edges(std::vector<Case>& cases) {
    struct Edge {
        std::uint32_t point;
        unsigned length;
    };
    for (const auto& [point, length] :
         {Edge{0, 1},    {1, 1},        {0x7e, 1},    {0x7f, 1},    {0x80, 2},    {0x81, 2},
          {0x7fe, 2},    {0x7ff, 2},    {0x800, 3},   {0x801, 3},   {0xfff, 3},   {0x1000, 3},
          {0xd7fe, 3},   {0xd7ff, 3},   {0xe000, 3},  {0xe001, 3},  {0xfdd0, 3},  {0xfdef, 3},
          {0xfeff, 3},   {0xfff9, 3},   {0xfffc, 3},  {0xfffd, 3},  {0xfffe, 3},  {0xffff, 3},
          {0x10000, 4},  {0x10001, 4},  {0x1f600, 4}, {0x3ffff, 4}, {0x40000, 4}, {0xfffff, 4},
          {0x100000, 4}, {0x10fffe, 4}, {0x10ffff, 4}}) {
        add_good(cases, encoded(point, length));
    }
    for (std::uint32_t plane = 1; plane <= 16; ++plane) {
        add_good(cases, encoded(plane << 16 | 0xfffe, 4) + encoded(plane << 16 | 0xffff, 4));
    }
    // The byte at which it cannot become a character any more is the last of each.
    for (unsigned lead = 0x80; lead <= 0xff; ++lead) {
        const std::string first{static_cast<char>(lead)};
        if (lead < 0xc2 || lead > 0xf4) {
            add_bad(cases, first);
            continue;
        }
        const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
        add_cut(cases, first);
        for (const unsigned second : {0x00u, 0x41u, 0x7fu, low - 1, high + 1, 0xc0u, 0xffu}) {
            add_bad(cases, first + static_cast<char>(second));
        }
    }
}

/// The second byte decides all; the third and the fourth are continuations.
void add_later_bytes(std::vector<Case>& cases) {
    for (const std::string& begun : {"\xe0\xa0"s, "\xe1\x80"s, "\xed\x9f"s, "\xee\x80"s,
                                     "\xef\xbf"s, "\xf0\x90"s, "\xf3\xbf"s, "\xf4\x8f"s}) {
        add_cut(cases, begun);
        for (const char third : {'\x00', '\x7f', '\xc0', '\xff'}) {
            add_bad(cases, begun + third);
            if (begun[0] >= '\xf0') {
                add_bad(cases, begun + "\x80" + third);
            }
        }
        if (begun[0] >= '\xf0') {
            add_cut(cases, begun + "\xbf");
        }
    }
}

/// The whole of a form that is not allowed, as other implementations might write it.
void add_forms(std::vector<Case>& cases) {
    struct Form {
        std::uint32_t point;
        unsigned length;
    };
    for (const auto& [point, length] :
         {Form{0, 2},     {0x2f, 2},     {0x7f, 2},      {0, 3},         {0x2f, 3},
          {0x7ff, 3},     {0xd800, 3},   {0xdb7f, 3},    {0xdb80, 3},    {0xdbff, 3},
          {0xdc00, 3},    {0xdf80, 3},   {0xdfff, 3},    {0, 4},         {0x2f, 4},
          {0xffff, 4},    {0x110000, 4}, {0x1fffff, 4},  {0x2f, 5},      {0x200000, 5},
          {0x3ffffff, 5}, {0x2f, 6},     {0x4000000, 6}, {0x7fffffff, 6}}) {
        const std::string bytes = encoded(point, length);
        cases.push_back(
            {"text.form_" + hex_of(bytes), kSection, {send(text(bytes))}, closes(1007)});
        cases.push_back({"text.form_" + hex_of(bytes) + "_in_a_long_text",
                         kSection,
                         {send(text(std::string(1000, 'a') + bytes + std::string(1000, 'a')))},
                         closes(1007)});
    }
    for (const std::string& pair : {"\xed\xa0\x80\xed\xb0\x80"s, "\xed\xaf\xbf\xed\xbf\xbf"s}) {
        cases.push_back({"text.form_" + hex_of(pair), kSection, {send(text(pair))}, closes(1007)});
    }
}

/// Validation goes by words where it can: an error, and a character, at every place of them.
void add_places(std::vector<Case>& cases) {
    for (std::size_t place = 0; place < 70; ++place) {
        std::string bytes(70, 'a');
        bytes[place] = '\x80';
        cases.push_back({"text.error_at_" + std::to_string(place),
                         kSection,
                         {send(text(bytes))},
                         closes(1007)});
        bytes.replace(place, 1, "\xf0\x9f\x98\x80");
        cases.push_back({"text.character_at_" + std::to_string(place),
                         kSection,
                         {send(text(bytes)), got(text(bytes))}});
    }
}

/// The same at the end of a long text, and of a long fragment of one.
void add_ends(std::vector<Case>& cases) {
    for (const std::size_t size : {15u, 16u, 31u, 32u, 33u, 61u, 62u, 63u, 64u, 65u, 70u, 127u}) {
        const std::string before(size, 'a');
        const std::string name = "text.end_after_" + std::to_string(size);
        for (const std::string& begun : {"\xc3"s, "\xe6"s, "\xe6\x80"s, "\xf0"s, "\xf0\x9f\x98"s}) {
            const std::string which = name + "_" + hex_of(begun);
            cases.push_back({which, kSection, {send(text(before + begun))}, closes(1007)});
            Frame hopeless = text(before + begun + "\xe8");
            hopeless.claimed = 1000;
            cases.push_back({which + "_hopeless", kSection, {send(hopeless)}, closes(1007)});
            cases.push_back(
                {which + "_hopeless_fragment",
                 kSection,
                 {send(text(before + begun).unfinished()), send(more("\xe8\x80\x80").unfinished())},
                 closes(1007)});
        }
        cases.push_back({name + "_goes_on",
                         kSection,
                         {send(text(before + "\xe6").unfinished()), send(more("\x80\x80" + before)),
                          got(text(before + "\xe6\x80\x80" + before))}});
    }
}

}  // namespace

std::vector<Case> text_cases() {
    std::vector<Case> cases;
    add_edges(cases);
    add_later_bytes(cases);
    add_forms(cases);
    add_places(cases);
    add_ends(cases);
    const std::string greek = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
    cases.push_back(
        {"text.character_across_fragments",
         "6455 5.6",
         {send(text("\xf0"s).unfinished()), send(more("\x9f"s).unfinished()), send(ping("")),
          got(pong("")), send(more("\x98"s).unfinished()), send(more("").unfinished()),
          send(more("\x80")), got(text("\xf0\x9f\x98\x80"))}});
    for (std::size_t cut = 0; cut <= greek.size(); ++cut) {
        cases.push_back({"text.greek_cut_at_" + std::to_string(cut),
                         "6455 5.6",
                         {send(text(greek.substr(0, cut)).unfinished()),
                          send(more(greek.substr(cut))), got(text(greek))}});
    }
    cases.push_back(
        {"text.state_does_not_outlive_a_message",
         kSection,
         {send(text("a\xc3\xa9").unfinished()), send(more("b")),
          got(text("a\xc3\xa9"
                   "b")),
          send(text("c").unfinished()), send(more("\xc3\xa9")), got(text("c\xc3\xa9"))}});
    cases.push_back({"text.binary_is_not_looked_at",
                     "6455 5.6",
                     {send(binary("\xff\xfe\xc0\x80\xed\xa0\x80")),
                      got(binary("\xff\xfe\xc0\x80\xed\xa0\x80"))}});
    return cases;
}

}  // namespace holdfast::conformance
