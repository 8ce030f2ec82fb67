#include "firmware/line/hub_end.h"

#include <algorithm>
#include <limits>

#include "firmware/telemetry/batch_codec.h"

namespace holdfast::line {

using journal::Record;
using journal::RecordKind;

HubEnd::HubEnd(journal::Journal& journal, Admission admission, const HubEndOptions& options)
    : journal_(journal), admission_(std::move(admission)), options_(options) {}

Result<void> HubEnd::received(ByteView bytes, Now now) {
    Result<Message> parsed = from_wire(bytes);
    if (!parsed) {
        return std::unexpected(std::move(parsed).error());
    }
    Message& message = *parsed;
    if (const auto* greeting = std::get_if<HelloMessage>(&message)) {
        return hello(*greeting, now);
    }
    const bool unknown = std::holds_alternative<UnknownMessage>(message);
    if (!greeted_ && !unknown) {
        return fail(ErrorCode::invalid, "the first message of a line must be Hello");
    }
    if (superseded_ || said_goodbye_) {
        return {};
    }
    if (unknown) {
        out_.push_back(to_wire(ResultMessage{0, false, "this message is not known here"}));
    }
    if (!greeted_) {
        return {};  // it asks whether bytes pass, and is not the device's line yet
    }
    hello_may_repeat_ = false;
    events_.emplace_back(Heard{});
    if (auto* received = std::get_if<Record>(&message)) {
        return record(std::move(*received));
    }
    if (const auto* opened = std::get_if<OpenMessage>(&message)) {
        return open_later(*opened);
    }
    return {};
}

// ---- Hello and Open

Result<void> HubEnd::hello(const HelloMessage& message, Now now) {
    if (greeted_ && std::exchange(hello_may_repeat_, false) && message.boot == boot_ &&
        message.device == admission_.device) {
        return {};
    }
    if (greeted_) {
        return fail(ErrorCode::invalid, "a second Hello");
    }
    if (message.device != admission_.device) {
        return fail(ErrorCode::unauthorized, "the token is of device \"" + admission_.device +
                                                 "\", but Hello says \"" + message.device + "\"");
    }
    greeted_ = hello_may_repeat_ = true;
    boot_ = message.boot;
    events_.emplace_back(Greeted{message.software, message.backlog_readings});
    if (send_away()) {
        return {};
    }
    for (const OpenMessage& opened : message.open) {
        if (Result<void> result = open(opened); !result) {
            return result;
        }
    }
    for (const auto& [number, stream] : streams_) {
        acknowledged_.push_back({number, journal_.accepted_through(stream.id)});
    }
    server_time_us_ = now.wall.time_since_epoch().count();
    welcome_after_ = journal_.next_position();
    welcome_due_ = true;
    durable();
    return {};
}

/// An Open after Hello, which is answered by an Ack.
Result<void> HubEnd::open_later(const OpenMessage& message) {
    Result<void> result = open(message);
    if (result) {
        OpenStream& stream = streams_.at(message.stream);
        stream.waiting.emplace_back(journal_.next_position(), journal_.accepted_through(stream.id));
        durable();
    }
    return result;
}

Result<void> HubEnd::open(const OpenMessage& message) {
    if (message.origin.empty() || message.origin.size() > 64) {
        return fail(ErrorCode::invalid, "an origin has 1 to 64 characters");
    }
    if (message.origin != admission_.device && !admission_.relay) {
        return fail(ErrorCode::unauthorized, "device \"" + admission_.device +
                                                 "\" may not speak for \"" + message.origin +
                                                 "\": its token is not a relay's");
    }
    if (!streams_.contains(message.stream) && streams_.size() >= options_.max_streams) {
        return fail(ErrorCode::too_large,
                    "more than " + std::to_string(options_.max_streams) + " streams on one line");
    }
    if (message.origin == journal_.own().origin) {
        return fail(
            ErrorCode::invalid,
            "\"" + message.origin + "\" is this node itself: give each node an id of its own");
    }
    const journal::Stream& stream = journal_.open_stream(message.origin, message.epoch);
    const auto [entry, is_new] = streams_.try_emplace(message.stream);
    if (!is_new && entry->second.id != stream.id) {
        return fail(ErrorCode::invalid,
                    "stream " + std::to_string(message.stream) + " opened twice");
    }
    entry->second.id = stream.id;
    for (const OpenMessage::Channel& channel : message.channels) {
        Result<void> added = journal_.add_channel(message.origin, message.epoch.journal, channel.id,
                                                  channel.channel);
        if (!added) {
            return added;
        }
    }
    if (message.origin != admission_.device) {
        events_.emplace_back(Relayed{message.origin});
    }
    return {};
}

// ---- Records

Result<telemetry::Batch> HubEnd::checked_batch(Record& record,
                                               const journal::Stream& stream) const {
    Result<telemetry::Batch> batch = telemetry::decode(
        *record.body, {.bytes = static_cast<std::size_t>(options_.max_batch_bytes)});
    if (!batch) {
        return batch;
    }
    const std::size_t channels = journal_.channels(stream.origin, stream.epoch.journal).size();
    record.last_seq = record.first_seq + batch->readings.size() - 1;
    record.first_time_us = std::numeric_limits<std::int64_t>::max();
    record.last_time_us = std::numeric_limits<std::int64_t>::min();
    for (const telemetry::Reading& reading : batch->readings) {
        if (reading.channel == 0 || reading.channel > channels) {
            return fail(ErrorCode::invalid,
                        "channel " + std::to_string(reading.channel) + " was not declared");
        }
        record.first_time_us = std::min(record.first_time_us, reading.time_us);
        record.last_time_us = std::max(record.last_time_us, reading.time_us);
    }
    return batch;
}

Result<void> HubEnd::record(Record record) {
    const std::uint32_t number = record.stream;
    const auto found = streams_.find(number);
    if (found == streams_.end()) {
        return fail(ErrorCode::invalid, "stream " + std::to_string(number) + " is not open");
    }
    OpenStream& open = found->second;
    const journal::Stream& stream = journal_.streams().at(open.id);
    if (record.first_seq == 0 || record.last_seq < record.first_seq ||
        record.first_seq > std::numeric_limits<std::int64_t>::max() / 2 ||
        record.last_seq > std::numeric_limits<std::int64_t>::max() / 2) {
        return fail(ErrorCode::invalid, "impossible sequence numbers");
    }
    telemetry::Batch readings;
    if (record.kind == RecordKind::batch) {
        Result<telemetry::Batch> batch = checked_batch(record, stream);
        if (!batch) {
            refuse(number, record.first_seq, batch.error().message);
            return {};
        }
        readings = *std::move(batch);
    }
    const std::uint64_t accepted = journal_.accepted_through(open.id);
    record.stream = open.id;
    if (record.last_seq <= accepted) {
        open.waiting.emplace_back(journal_.next_position(), accepted);
        durable();
        return {};
    }
    if (record.first_seq > accepted + 1) {
        if (open.refused) {
            return {};
        }
        return fail(ErrorCode::invalid, "number " + std::to_string(accepted + 1) + " of " +
                                            stream.origin + " was expected, " +
                                            std::to_string(record.first_seq) + " came");
    }
    if (record.first_seq <= accepted) {
        const std::uint64_t known = accepted + 1 - record.first_seq;
        Result<Record> rest = journal::without_prefix(record, accepted);
        if (!rest) {
            refuse(number, record.first_seq, rest.error().message);
            return {};
        }
        record = *std::move(rest);
        if (record.kind == RecordKind::batch) {
            readings.readings.erase(readings.readings.begin(),
                                    readings.readings.begin() + static_cast<std::ptrdiff_t>(known));
        }
    }
    if (!send_away()) {
        append(open, std::move(record), std::move(readings));
    }
    return {};
}

void HubEnd::append(OpenStream& stream, Record record, telemetry::Batch batch) {
    stream.refused = false;
    Appended appended{.stream = record.stream,
                      .kind = record.kind,
                      .first_seq = record.first_seq,
                      .last_seq = record.last_seq,
                      .end_position = 0,
                      .batch = std::move(batch)};
    appended.end_position = journal_.append_received(std::move(record));
    stream.waiting.emplace_back(appended.end_position, appended.last_seq);
    events_.emplace_back(std::move(appended));
}

void HubEnd::refuse(std::uint32_t number, std::uint64_t first_seq, const std::string& reason) {
    streams_.at(number).refused = true;
    out_.push_back(to_wire(RefusalMessage{number, first_seq, reason}));
}

// ---- What is sent

void HubEnd::durable() {
    const std::uint64_t durable_before = journal_.durable_before();
    if (welcome_due_ && durable_before < welcome_after_ && send_away()) {
        welcome_due_ = false;
    }
    if (welcome_due_ && durable_before >= welcome_after_) {
        welcome_due_ = false;
        WelcomeMessage welcome;
        welcome.acknowledged = std::exchange(acknowledged_, {});
        welcome.server_time_us = server_time_us_;
        welcome.max_batch_bytes = options_.max_batch_bytes;
        welcome.window_bytes = options_.window_bytes;
        out_.push_back(to_wire(welcome));
    }
    for (auto& [number, stream] : streams_) {
        std::optional<std::uint64_t> through;
        while (!stream.waiting.empty() && stream.waiting.front().first <= durable_before) {
            through = std::max(through.value_or(0), stream.waiting.front().second);
            stream.waiting.pop_front();
        }
        if (through) {
            out_.push_back(to_wire(AckMessage{number, *through}));
        }
    }
}

bool HubEnd::waits() const {
    return welcome_due_ || std::ranges::any_of(streams_, [](const auto& entry) {
               return !entry.second.waiting.empty();
           });
}

std::optional<Bytes> HubEnd::next_message() {
    if (out_.empty()) {
        return std::nullopt;
    }
    Bytes message = std::move(out_.front());
    out_.pop_front();
    return message;
}

std::optional<HubEnd::Event> HubEnd::next_event() {
    if (events_.empty()) {
        return std::nullopt;
    }
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
}

// ---- The end of the line

/// While storage fails nothing is taken: what cannot be written would fill the memory.
bool HubEnd::send_away() {
    if (const Error* error = journal_.storage_error()) {
        goodbye("this hub cannot store: " + error->message, options_.retry_after);
        return true;
    }
    return false;
}

void HubEnd::goodbye(const std::string& reason, Duration retry_after) {
    if (!std::exchange(said_goodbye_, true)) {
        const auto wait =
            std::chrono::duration_cast<std::chrono::milliseconds>(retry_after).count();
        out_.push_back(to_wire(GoodbyeMessage{reason, static_cast<std::uint32_t>(wait)}));
    }
}

// ---- What is known

std::set<std::uint64_t> HubEnd::own_journals() const {
    std::set<std::uint64_t> journals;
    for (const auto& [number, open] : streams_) {
        const journal::Stream& stream = journal_.streams().at(open.id);
        if (stream.origin == admission_.device) {
            journals.insert(stream.epoch.journal);
        }
    }
    return journals;
}

bool HubEnd::is_of_the_same_device(const HubEnd& other) const {
    if (!greeted_ || !other.greeted_ || boot_ == 0 || boot_ != other.boot_ ||
        admission_.device != other.admission_.device) {
        return false;
    }
    // Containers of one machine share its boot.
    const std::set<std::uint64_t> here = own_journals();
    const std::set<std::uint64_t> there = other.own_journals();
    return here.empty() || there.empty() ||
           std::ranges::any_of(here, [&](std::uint64_t id) { return there.contains(id); });
}

}  // namespace holdfast::line
