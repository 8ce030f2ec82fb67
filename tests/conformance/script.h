#pragma once

#include <string>
#include <vector>

#include "tests/conformance/case.h"
#include "tests/conformance/plain_codec.h"

namespace holdfast::conformance {

/// A case made ready for one subject: bytes, and what must come back.
struct Script {
    struct Segment {
        std::string bytes = {};
        std::size_t answers_before = 0;  ///< so many must have come before the bytes are sent
        bool ends = false;               ///< the TCP connection is then ended by the peer
    };
    struct Answer {
        Frame frame;
        std::optional<bool> compressed;
    };
    std::vector<Segment> segments;
    std::vector<Answer> answers;  ///< the last is a close frame
};

[[nodiscard]] bool is_for(const Case& one, Subject subject);
[[nodiscard]] Script script_of(const Case& one, Subject subject);

/// "" if what was said is what had to be, in so far as it was said yet.
[[nodiscard]] std::string difference(const Script& script, const std::vector<Said>& said);

/// What a failure looks like: the case, its section, and what is wrong.
[[nodiscard]] std::string report(const std::string& name, const std::string& section,
                                 Subject subject, const std::string& how, const std::string& wrong);

/// With a key for `{key}`, or the answer to it for `{accept}`.
[[nodiscard]] std::string filled_in(std::string head, const std::string& key);

/// "" if the answer's head is what the case demands.
[[nodiscard]] std::string difference(const HandshakeCase& one, const std::string& answer);

/// The value of the header, "" if there is none; `name` in lower case.
[[nodiscard]] std::string header_of(const std::string& head, const std::string& name);

inline constexpr const char* kSampleKey = "dGhlIHNhbXBsZSBub25jZQ==";

/// The request of a peer that offers `extension`, if it is not "".
[[nodiscard]] std::string upgrade_request(const std::string& extension);
/// The answer of a peer, which agrees to `extension`, if it is not "".
[[nodiscard]] std::string upgrade_answer(const std::string& key, const std::string& extension);

}  // namespace holdfast::conformance
