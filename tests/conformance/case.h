#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The cases of the suite: data, which both runners play. A case is written from the side of the
/// peer, which need not keep to the RFCs; what is tested, the subject, sends every message back.
namespace holdfast::conformance {

using namespace std::string_literals;

enum class Subject { server, client };

enum OpcodeNumber : unsigned {
    kContinuation = 0,
    kText = 1,
    kBinary = 2,
    kClose = 8,
    kPing = 9,
    kPong = 10
};

/// The bits of a head above the opcode.
inline constexpr unsigned kRsv1 = 4, kRsv2 = 2, kRsv3 = 1;

struct Frame {
    unsigned opcode = kText;
    std::string payload = {};
    bool fin = true;
    unsigned rsv = 0;
    std::size_t repeat = 1;  ///< the payload is `payload` so many times
    enum class Length { minimal, in_16_bits, in_64_bits } length = Length::minimal;
    std::optional<std::uint64_t> claimed = {};  ///< the length in the head, whatever follows
    std::uint32_t mask = 0x37fa213d;
    bool wrongly_masked = false;  ///< masked by a server, or not by a client

    [[nodiscard]] Frame unfinished() const {
        Frame frame = *this;
        frame.fin = false;
        return frame;
    }
    [[nodiscard]] Frame with_rsv(unsigned bits) const {
        Frame frame = *this;
        frame.rsv = bits;
        return frame;
    }
    [[nodiscard]] Frame repeated(std::size_t times) const {
        Frame frame = *this;
        frame.repeat = times;
        return frame;
    }
};

[[nodiscard]] inline Frame text(std::string payload) {
    return {.opcode = kText, .payload = std::move(payload)};
}
[[nodiscard]] inline Frame binary(std::string payload) {
    return {.opcode = kBinary, .payload = std::move(payload)};
}
[[nodiscard]] inline Frame more(std::string payload) {
    return {.opcode = kContinuation, .payload = std::move(payload)};
}
[[nodiscard]] inline Frame ping(std::string payload) {
    return {.opcode = kPing, .payload = std::move(payload)};
}
[[nodiscard]] inline Frame pong(std::string payload) {
    return {.opcode = kPong, .payload = std::move(payload)};
}
/// 1005: without a code.
[[nodiscard]] Frame closing(unsigned code, std::string_view reason = {});

struct Step {
    enum class Kind {
        send,    ///< `frame`, `times` times
        raw,     ///< `bytes` as they are
        expect,  ///< `frame` is the subject's next message or control frame
        wait,    ///< go on when all that was expected so far has come
        end,     ///< end the TCP connection; nothing more can be expected
    };
    Kind kind;
    Frame frame = {};
    std::string bytes = {};
    std::size_t times = 1;
    std::optional<bool> compressed = {};  ///< of what is expected: whether it must be, or must not
};

[[nodiscard]] inline Step send(Frame frame, std::size_t times = 1) {
    return {.kind = Step::Kind::send, .frame = std::move(frame), .times = times};
}
[[nodiscard]] inline Step raw(std::string bytes) {
    return {.kind = Step::Kind::raw, .bytes = std::move(bytes)};
}
[[nodiscard]] inline Step got(Frame frame) {
    return {.kind = Step::Kind::expect, .frame = std::move(frame)};
}
[[nodiscard]] inline Step got(Frame frame, bool compressed) {
    return {.kind = Step::Kind::expect, .frame = std::move(frame), .compressed = compressed};
}
[[nodiscard]] inline Step wait() {
    return {.kind = Step::Kind::wait};
}

/// How the subject listens or offers.
enum class Mode { plain, deflate, takeover };

/// Which subjects a case is for.
enum class For { both, server, client };

/// What comes after the last step.
struct Ending {
    /// 0: the connection is still open, which is shown by a close handshake with 1000. Otherwise
    /// the subject's close frame has this code (1005: none), and it says nothing after it.
    unsigned code = 0;
};
inline constexpr Ending kOpen{};
[[nodiscard]] inline Ending closes(unsigned code) {
    return {code};
}

struct Case {
    std::string name;
    std::string section;  ///< "6455 5.2"
    std::vector<Step> steps;
    Ending ending = kOpen;
    For subject = For::both;
    Mode mode = Mode::plain;
    /// The extension that the peer offers as client, and answers as server.
    std::string offer = {};
    std::string answer = {};
    bool programs_only = false;  ///< too large to be split
};

/// An opening handshake, and what comes of it. In a request `{key}` stands for a key, in a response
/// `{accept}` for what belongs to the client's key.
struct HandshakeCase {
    std::string name;
    std::string section;
    Subject subject = Subject::server;
    std::string bytes;
    /// As server, the subject answers so; 101 is followed by an echo. As client: 101 if it goes on,
    /// 0 if it must end the connection without a word.
    int status = 101;
    std::vector<std::string> contains = {};  ///< lines of the answer's head, in any case
    std::vector<std::string> lacks = {};     ///< parts that no line of it has, in lower case
    Mode mode = Mode::plain;
};

[[nodiscard]] std::vector<Case> framing_cases();
[[nodiscard]] std::vector<Case> control_cases();
[[nodiscard]] std::vector<Case> close_cases();
[[nodiscard]] std::vector<Case> fragmentation_cases();
[[nodiscard]] std::vector<Case> text_cases();
[[nodiscard]] std::vector<Case> size_cases();
[[nodiscard]] std::vector<Case> deflate_cases();
/// All of them.
[[nodiscard]] std::vector<Case> all_cases();

[[nodiscard]] std::vector<HandshakeCase> request_cases();
[[nodiscard]] std::vector<HandshakeCase> response_cases();
[[nodiscard]] std::vector<HandshakeCase> negotiation_cases();

}  // namespace holdfast::conformance
