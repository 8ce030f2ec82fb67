#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <zlib.h>

#include "tests/conformance/case.h"

/// A second opinion: frames and deflate written without a line of the engine, plain and slow, to
/// make what the subjects are given and to judge what they say.
namespace holdfast::conformance {

/// The frame as bytes; from a server, unless it is for the subject `server`.
[[nodiscard]] std::string encode(const Frame& frame, Subject subject);

struct DeflateOptions {
    int window_bits = 15;
    int level = Z_BEST_COMPRESSION;
    int strategy = Z_DEFAULT_STRATEGY;
    int flush = Z_SYNC_FLUSH;
    bool keep_tail = false;  ///< the 00 00 ff ff that RFC 7692 takes away (Section 7.2.1)
};

/// zlib, raw. One for each direction in which contexts are taken over.
class PlainDeflater {
public:
    explicit PlainDeflater(const DeflateOptions& options = {});
    PlainDeflater(const PlainDeflater&) = delete;
    PlainDeflater& operator=(const PlainDeflater&) = delete;
    ~PlainDeflater();
    [[nodiscard]] std::string message(std::string_view text);

private:
    DeflateOptions options_;
    z_stream stream_{};
};

/// One message on its own.
[[nodiscard]] std::string deflated(std::string_view text, const DeflateOptions& options = {});

/// What was agreed of the direction that the subject sends in.
struct AgreedDeflate {
    bool takeover = true;
    int window_bits = 15;
};

/// What a subject said: a whole message, or a control frame.
struct Said {
    unsigned opcode = 0;
    std::string payload = {};
    bool compressed = false;
};

/// Takes apart what the subject sends, and insists on every rule for it.
class Judge {
public:
    Judge(Subject subject, const std::optional<AgreedDeflate>& deflate);
    Judge(const Judge&) = delete;
    Judge& operator=(const Judge&) = delete;
    ~Judge();

    /// What is complete by now is added to `said`. False: a rule was broken, `complaint` says
    /// which.
    [[nodiscard]] bool take(std::string_view bytes, std::vector<Said>& said);
    [[nodiscard]] const std::string& complaint() const { return complaint_; }
    /// In the middle of a frame or a message.
    [[nodiscard]] bool unfinished() const { return !pending_.empty() || in_message_; }

private:
    [[nodiscard]] bool complain(std::string what);
    [[nodiscard]] bool take_frame(unsigned first_byte, std::string payload,
                                  std::vector<Said>& said);
    [[nodiscard]] std::optional<std::string> inflated(std::string_view payload);

    Subject subject_;
    std::optional<AgreedDeflate> deflate_;
    z_stream inflater_{};
    std::string pending_;
    Said message_;
    bool in_message_ = false;
    bool closed_ = false;
    std::string complaint_;
};

[[nodiscard]] bool is_plain_utf8(std::string_view text);

/// base64(SHA-1(key + GUID)).
[[nodiscard]] std::string plain_accept_key(std::string_view key);

/// Hexadecimal, cut in the middle when it is long.
[[nodiscard]] std::string hex(std::string_view bytes);

/// What was agreed for the direction in which `subject` sends, as a Sec-WebSocket-Extensions answer
/// says it; nullopt: no permessage-deflate.
[[nodiscard]] std::optional<AgreedDeflate> agreed_by(std::string_view answer, Subject subject);

}  // namespace holdfast::conformance
