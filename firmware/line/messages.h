#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/error.h"
#include "firmware/journal/record.h"
#include "firmware/telemetry/reading.h"

namespace holdfast::line {

/// The messages of the line `holdfast.v1` (proto/README.md), each one Envelope. `stream` is the
/// sender's number for an (origin, epoch) on this line, made known by Open; in a Record it stands
/// in the field `stream`.

struct OpenMessage {
    std::uint32_t stream = 0;
    std::string origin;
    journal::Epoch epoch;
    struct Channel {
        telemetry::ChannelId id = 0;
        telemetry::Channel channel;
    };
    std::vector<Channel> channels;
};

struct HelloMessage {
    std::string device;
    std::uint64_t boot = 0;
    std::string software;
    std::uint64_t backlog_readings = 0;
    std::vector<OpenMessage> open;
};

struct AckMessage {
    std::uint32_t stream = 0;
    std::uint64_t through = 0;
};

struct WelcomeMessage {
    std::vector<AckMessage> acknowledged;
    std::int64_t server_time_us = 0;
    std::uint64_t max_batch_bytes = 0;
    std::uint64_t window_bytes = 0;
    std::uint32_t heartbeat_advice_ms = 0;
};

struct RefusalMessage {
    std::uint32_t stream = 0;
    std::uint64_t first_seq = 0;
    std::string reason;
};

struct GoodbyeMessage {
    std::string reason;
    std::uint32_t retry_after_ms = 0;
};

struct CommandMessage {
    std::uint64_t id = 0;
    std::string name;
};

struct ResultMessage {
    std::uint64_t id = 0;
    bool ok = false;
    std::string text;
};

/// An Envelope whose body this version does not know.
struct UnknownMessage {};

/// A header of the request that opens a line (the WebSocket's handshake, SockJS's first poll): the
/// first message, Hello, in base64. A hub that takes it says so in its answer, and Welcome follows
/// at once; else Hello is sent as a message.
inline constexpr const char* kHelloHeader = "Holdfast-Hello";
inline constexpr const char* kHelloTaken = "taken";
/// Longer ones are sent as messages: proxies and servers take heads of 8 KiB.
inline constexpr std::size_t kLongestHelloHeader = 4096;

using Message =
    std::variant<UnknownMessage, HelloMessage, WelcomeMessage, OpenMessage, journal::Record,
                 AckMessage, RefusalMessage, GoodbyeMessage, CommandMessage, ResultMessage>;

[[nodiscard]] Bytes to_wire(const HelloMessage& message);
[[nodiscard]] Bytes to_wire(const WelcomeMessage& message);
[[nodiscard]] Bytes to_wire(const OpenMessage& message);
[[nodiscard]] Bytes to_wire(const AckMessage& message);
[[nodiscard]] Bytes to_wire(const RefusalMessage& message);
[[nodiscard]] Bytes to_wire(const GoodbyeMessage& message);
[[nodiscard]] Bytes to_wire(const ResultMessage& message);

/// A record's envelope in two parts, so that the columns are sent from where they lie: the message
/// is `head` and then, for a batch, the record's body. Positions and times do not travel.
[[nodiscard]] Bytes wire_head(const journal::Record& record, std::uint32_t stream);

/// Errors: invalid. The times of a received Record are 0; a batch's columns are not looked into.
[[nodiscard]] Result<Message> from_wire(ByteView message);

}  // namespace holdfast::line
