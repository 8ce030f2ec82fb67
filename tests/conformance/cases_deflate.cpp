#include "tests/conformance/case.h"
#include "tests/conformance/plain_codec.h"

namespace holdfast::conformance {
namespace {

std::string prose(std::size_t size) {
    static const std::string kSentence =
        "The holdfast grips the rock; whatever the sea does, the kelp stays where it is. ";
    std::string out;
    for (std::size_t i = 0; out.size() < size; ++i) {
        out += std::to_string(i * 7919) + " " + kSentence;
    }
    out.resize(size);
    return out;
}

/// What no compressor makes smaller: the output of a linear congruential generator.
std::string noise(std::size_t size) {
    std::string out(size, '\0');
    std::uint32_t state = 12345;
    for (char& byte : out) {
        state = state * 1664525u + 1013904223u;
        byte = static_cast<char>(state >> 24);
    }
    return out;
}

Frame compressed(Frame frame) {
    return frame.with_rsv(kRsv1);
}

Case made(std::string name, std::string section, std::vector<Step> steps, Ending ending = kOpen) {
    Case out{"deflate." + std::move(name), "7692 " + std::move(section), std::move(steps), ending};
    out.mode = Mode::deflate;
    return out;
}

Case with_takeover(Case out) {
    out.mode = Mode::takeover;
    return out;
}

const std::string kHello = "\xf2\x48\xcd\xc9\xc9\x07\x00"s;

/// The RFC's own examples.
void add_examples(std::vector<Case>& cases) {
    const Step hello = got(text("Hello"));
    cases.push_back(made("example_one_block", "7.2.3.1", {send(compressed(text(kHello))), hello}));
    cases.push_back(made("example_fragments", "7.2.3.1",
                         {send(compressed(text(kHello.substr(0, 3))).unfinished()),
                          send(more(kHello.substr(3))), hello}));
    cases.push_back(with_takeover(made("example_shared_window", "7.2.3.2",
                                       {send(compressed(text(kHello))), hello,
                                        send(compressed(text("\xf2\x00\x11\x00\x00"s))), hello})));
    cases.push_back(made("example_no_compression", "7.2.3.3",
                         {send(compressed(text("\x00\x05\x00\xfa\xffHello\x00"s))), hello}));
    cases.push_back(made("example_bfinal", "7.2.3.4",
                         {send(compressed(text("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s))), hello}));
    cases.push_back(made(
        "example_two_blocks", "7.2.3.5",
        {send(compressed(text("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"s))), hello}));
    cases.push_back(
        made("example_empty", "7.2.3.6", {send(compressed(text("\0"s))), got(text(""))}));
}

void add_framing(std::vector<Case>& cases) {
    const std::string plain = prose(3000);
    const std::string packed = deflated(plain);
    cases.push_back(made("not_compressed_is_allowed", "6",
                         {send(text("plain")), got(text("plain")), send(compressed(text(kHello))),
                          got(text("Hello")), send(text("plain")), got(text("plain"))}));
    cases.push_back(made("binary", "6.2", {send(compressed(binary(packed))), got(binary(plain))}));
    for (const std::size_t piece : {1u, 2u, 7u, 100u}) {
        Case fragments = made("fragments_of_" + std::to_string(piece), "6.1", {});
        for (std::size_t at = 0; at < packed.size(); at += piece) {
            Frame frame = at == 0 ? compressed(text(packed.substr(0, piece)))
                                  : more(packed.substr(at, piece));
            fragments.steps.push_back(send(frame.unfinished()));
        }
        fragments.steps.push_back(send(more("")));
        fragments.steps.push_back(got(text(plain)));
        cases.push_back(fragments);
    }
    cases.push_back(made("empty_fragments_around", "6.1",
                         {send(compressed(text("")).unfinished()), send(more("").unfinished()),
                          send(more(packed).unfinished()), send(more("")), got(text(plain))}));
    cases.push_back(
        made("control_frames_between_fragments", "6.1",
             {send(compressed(text(packed.substr(0, 10))).unfinished()), send(ping("now")),
              got(pong("now")), wait(), send(more(packed.substr(10))), got(text(plain))}));
    cases.push_back(made("rsv1_in_a_continuation", "6.1",
                         {send(compressed(text(packed.substr(0, 10))).unfinished()),
                          send(compressed(more(packed.substr(10))))},
                         closes(1002)));
    cases.push_back(made("rsv1_in_a_continuation_of_plain", "6.1",
                         {send(text("plain").unfinished()), send(compressed(more(kHello)))},
                         closes(1002)));
    for (const Frame& frame : {ping("Hi"), pong("Hi"), closing(1000)}) {
        cases.push_back(made("rsv1_in_opcode_" + std::to_string(frame.opcode), "6.1",
                             {send(text("before")), got(text("before")), send(compressed(frame))},
                             closes(1002)));
    }
    for (const unsigned bits : {kRsv2, kRsv3, kRsv1 | kRsv2, kRsv1 | kRsv3}) {
        cases.push_back(made("reserved_bits_" + std::to_string(bits), "6",
                             {send(text(kHello).with_rsv(bits))}, closes(1002)));
    }
}

/// Whatever a deflater may write.
void add_streams(std::vector<Case>& cases) {
    const std::string plain = prose(20000);
    const auto add = [&](const std::string& name, const std::string& packed) {
        cases.push_back(made(name, "7.2.1", {send(compressed(text(packed))), got(text(plain))}));
    };
    for (int level = 0; level <= 9; ++level) {
        add("level_" + std::to_string(level), deflated(plain, {.level = level}));
    }
    for (const auto& [name, strategy] : {std::pair{"filtered", Z_FILTERED},
                                         {"huffman_only", Z_HUFFMAN_ONLY},
                                         {"rle", Z_RLE},
                                         {"fixed", Z_FIXED}}) {
        add(name, deflated(plain, {.strategy = strategy}));
    }
    for (int bits = 9; bits <= 15; ++bits) {
        add("made_with_window_" + std::to_string(bits), deflated(plain, {.window_bits = bits}));
    }
    add("bfinal", deflated(plain, {.flush = Z_FINISH}) + "\0"s);
    PlainDeflater pieces({.keep_tail = true});
    std::string flushed;
    for (std::size_t at = 0; at < plain.size(); at += 1000) {
        flushed += pieces.message(plain.substr(at, 1000));
    }
    add("flushed_often", flushed.substr(0, flushed.size() - 4));
    // After a final block the next one begins at a byte, and knows nothing of what was before.
    add("two_final_streams", deflated(plain.substr(0, 9000), {.flush = Z_FINISH}) +
                                 deflated(plain.substr(9000), {.flush = Z_FINISH}) + "\0"s);
    add("a_stream_after_a_final_one",
        deflated(plain.substr(0, 9000), {.flush = Z_FINISH}) + deflated(plain.substr(9000)));
    cases.push_back(
        made("noise", "7.2.1",
             {send(compressed(binary(deflated(noise(5000))))), got(binary(noise(5000)))}));
    cases.push_back(
        made("a_megabyte", "7.2.1",
             {send(compressed(binary(deflated(prose(1u << 20))))), got(binary(prose(1u << 20)))}));
}

void add_bad(std::vector<Case>& cases) {
    const std::string packed = deflated(prose(3000));
    const auto add = [&cases](const char* name, std::vector<Step> steps) {
        cases.push_back(made(name, "7.2.2", std::move(steps), closes(1007)));
    };
    add("reserved_block_type", {send(compressed(binary("\x07")))});
    add("stored_length_wrong", {send(compressed(binary("\x00\x05\x00\xfa\xfeHello"s)))});
    add("distance_before_the_beginning", {send(compressed(binary("\xf2\x00\x11\x00\x00"s)))});
    // With the tail that is added at the other end again, the last block has no end.
    add("tail_kept", {send(compressed(binary(deflated(prose(3000), {.keep_tail = true}))))});
    add("cut_short", {send(compressed(binary(packed.substr(0, packed.size() / 2))))});
    add("cut_short_in_fragments",
        {send(compressed(binary(packed.substr(0, packed.size() / 2))).unfinished()),
         send(more(""))});
    add("noise_for_a_stream", {send(compressed(binary("\xff" + noise(500))))});
    add("corrupt_in_mid_message",
        {send(compressed(binary(packed.substr(0, 100) + std::string(50, '\xff'))).unfinished())});
    add("refers_to_the_message_before", {send(compressed(text(kHello))), got(text("Hello")),
                                         send(compressed(text("\xf2\x00\x11\x00\x00"s)))});
    add("text_not_utf8", {send(compressed(text(deflated(prose(200) + "\xff" + prose(200)))))});
    add("text_not_utf8_before_it_ends",
        {send(compressed(text(deflated("good until \xed\xa0\x80 here"))).unfinished())});
    add("text_cut_in_a_character", {send(compressed(text(deflated("half \xf0\x9f\x98"))))});
    cases.push_back(
        made("text_with_a_character_across_fragments", "7.2.2",
             {send(compressed(text(deflated("a\xf0\x9f", {.keep_tail = true}))).unfinished()),
              send(more(deflated("\x98\x80"))), got(text("a\xf0\x9f\x98\x80"))}));
}

/// What the subject sends.
void add_sending(std::vector<Case>& cases) {
    const auto add = [&cases](const char* name, const std::string& message, bool packed) {
        cases.push_back(made(name, "6",
                             {send(binary(message)), got(binary(message), packed),
                              send(binary(message)), got(binary(message), packed)}));
    };
    add("sends_prose_compressed", prose(5000), true);
    add("sends_zeros_compressed", std::string(100'000, '\0'), true);
    add("sends_noise_as_it_is", noise(5000), false);
    add("sends_little_as_it_is", "aaa", false);
    add("sends_nothing_as_it_is", "", false);
    Case prefer = made("sends_within_a_window_of_", "7.1.2.1",
                       {send(binary(prose(60000))), got(binary(prose(60000)), true),
                        send(binary(prose(700))), got(binary(prose(700)))});
    for (int bits = 8; bits <= 15; ++bits) {
        for (const Mode mode : {Mode::deflate, Mode::takeover}) {
            Case narrow = prefer;
            narrow.name += std::to_string(bits) + (mode == Mode::takeover ? "_takeover" : "");
            narrow.mode = mode;
            narrow.offer = "permessage-deflate; server_max_window_bits=" + std::to_string(bits);
            narrow.answer = mode == Mode::takeover
                                ? "permessage-deflate; client_max_window_bits="
                                : "permessage-deflate; server_no_context_takeover; "
                                  "client_no_context_takeover; client_max_window_bits=";
            narrow.answer += std::to_string(bits);
            if (bits == 8) {
                // zlib makes no such streams; nothing need be compressed.
                narrow.steps[1].compressed.reset();
            }
            cases.push_back(narrow);
        }
    }
}

void add_takeover(std::vector<Case>& cases) {
    Case talk = with_takeover(made("takeover_of_ten_messages", "7.1.1", {}));
    Case fragments = with_takeover(made("takeover_in_fragments", "7.1.1", {}));
    PlainDeflater deflater;
    for (int i = 0; i < 10; ++i) {
        const std::string plain = prose(1000) + std::to_string(i);
        const std::string packed = deflater.message(plain);
        talk.steps.push_back(send(compressed(text(packed))));
        talk.steps.push_back(got(text(plain), true));
        fragments.steps.push_back(send(compressed(text(packed.substr(0, 5))).unfinished()));
        fragments.steps.push_back(send(ping("")));
        fragments.steps.push_back(got(pong("")));
        fragments.steps.push_back(send(more(packed.substr(5))));
        fragments.steps.push_back(got(text(plain)));
        // A message that is not compressed is not in the window.
        fragments.steps.push_back(send(text("plain")));
        fragments.steps.push_back(got(text("plain")));
    }
    cases.push_back(talk);
    cases.push_back(fragments);
    Case narrow = with_takeover(made("takeover_within_a_window_of_9", "7.1.2.2", {}));
    narrow.offer = "permessage-deflate; client_max_window_bits=9";
    narrow.answer = "permessage-deflate; server_max_window_bits=9";
    PlainDeflater small({.window_bits = 9});
    for (int i = 0; i < 10; ++i) {
        const std::string plain = prose(900) + std::to_string(i);
        narrow.steps.push_back(send(compressed(text(small.message(plain)))));
        narrow.steps.push_back(got(text(plain)));
    }
    cases.push_back(narrow);
    Case without =
        with_takeover(made("peer_sends_without_takeover", "7.1.1.2",
                           {send(compressed(text(deflated(prose(500))))), got(text(prose(500))),
                            send(compressed(text(deflated(prose(500))))), got(text(prose(500)))}));
    cases.push_back(without);
    without.name = "deflate.subject_sends_without_takeover";
    without.section = "7692 7.1.1.1";
    without.offer = "permessage-deflate; server_no_context_takeover";
    without.answer = "permessage-deflate; client_no_context_takeover";
    cases.push_back(without);
}

void add_bombs(std::vector<Case>& cases) {
    constexpr std::size_t kLimit = 64u << 20;
    const std::string at_limit = deflated(std::string(kLimit, '\0'));
    const std::string past = deflated(std::string(kLimit + 1, '\0'));
    std::vector<Case> bombs;
    bombs.push_back(
        made("bomb_at_the_limit", "8",
             {send(compressed(binary(at_limit))), got(binary("\0"s).repeated(kLimit), true)}));
    bombs.push_back(
        made("bomb_past_the_limit", "8", {send(compressed(binary(past)))}, closes(1009)));
    bombs.push_back(made("bomb_past_the_limit_in_fragments", "8",
                         {send(compressed(binary(past.substr(0, 1000))).unfinished()),
                          send(more(past.substr(1000)).unfinished())},
                         closes(1009)));
    bombs.push_back(made("bomb_of_text", "8", {send(compressed(text(past + past)))}, closes(1009)));
    for (Case& bomb : bombs) {
        bomb.programs_only = true;
        bomb.subject = For::server;
        cases.push_back(std::move(bomb));
    }
}

}  // namespace

std::vector<Case> deflate_cases() {
    std::vector<Case> cases;
    add_examples(cases);
    add_framing(cases);
    add_streams(cases);
    add_bad(cases);
    add_sending(cases);
    add_takeover(cases);
    add_bombs(cases);
    for (Case& one : cases) {
        if (one.offer.empty()) {
            one.offer = "permessage-deflate; client_max_window_bits";
        }
        if (one.answer.empty()) {
            one.answer = one.mode == Mode::takeover
                             ? "permessage-deflate"
                             : "permessage-deflate; server_no_context_takeover; "
                               "client_no_context_takeover";
        }
    }
    return cases;
}

}  // namespace holdfast::conformance
