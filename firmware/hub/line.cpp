#include "firmware/hub/line.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "firmware/telemetry/batch_codec.h"

namespace holdfast::hub {

using journal::Record;
using journal::RecordKind;

Line::Line(Shared shared, Admission admission, const LineOptions& options)
    : shared_(shared), admission_(std::move(admission)), options_(options) {}

Line::~Line() {
    if (!greeted_ || superseded_) {
        return;
    }
    for (auto& [origin, entry] : shared_.fleet) {
        if (origin == admission_.device || entry.via == admission_.device) {
            entry.online = false;
            entry.connected_since.reset();
        }
    }
}

Device& Line::device(const std::string& origin) {
    return shared_.fleet[origin];
}

Result<void> Line::received(ByteView bytes, Now now) {
    Result<line::Message> parsed = line::from_wire(bytes);
    if (!parsed) {
        return std::unexpected(std::move(parsed).error());
    }
    line::Message& message = *parsed;
    if (const auto* greeting = std::get_if<line::HelloMessage>(&message)) {
        return hello(*greeting, now);
    }
    const bool unknown = std::holds_alternative<line::UnknownMessage>(message);
    if (!greeted_ && !unknown) {
        return fail(ErrorCode::invalid, "the first message of a line must be Hello");
    }
    if (superseded_ || said_goodbye_) {
        return {};
    }
    if (unknown) {
        out_.push_back(to_wire(line::ResultMessage{0, false, "this message is not known here"}));
    }
    if (!greeted_) {
        return {};  // it asks whether bytes pass, and is not the device's line yet
    }
    hello_may_repeat_ = false;
    device(admission_.device).last_seen = now.wall;
    if (auto* received = std::get_if<Record>(&message)) {
        return record(std::move(*received), now);
    }
    if (const auto* opened = std::get_if<line::OpenMessage>(&message)) {
        Result<void> result = open(*opened);
        if (result) {
            LineStream& stream = streams_.at(opened->stream);
            stream.waiting.emplace_back(shared_.journal.next_position(),
                                        shared_.journal.accepted_through(stream.id));
            durable();
        }
        return result;
    }
    return {};
}

Result<void> Line::hello(const line::HelloMessage& message, Now now) {
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
    Device& entry = device(admission_.device);
    entry.online = true;
    entry.connected_since = entry.last_seen = now.wall;
    entry.software = message.software;
    entry.address = admission_.address;
    entry.backlog = message.backlog_readings;
    ++entry.connects;
    if (send_away()) {
        return {};
    }
    for (const line::OpenMessage& opened : message.open) {
        if (Result<void> result = open(opened); !result) {
            return result;
        }
    }
    for (const auto& [number, stream] : streams_) {
        acknowledged_.push_back({number, shared_.journal.accepted_through(stream.id)});
    }
    server_time_us_ = now.wall.time_since_epoch().count();
    welcome_after_ = shared_.journal.next_position();
    welcome_due_ = true;
    durable();
    return {};
}

Result<void> Line::open(const line::OpenMessage& message) {
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
    if (message.origin == shared_.journal.own().origin) {
        return fail(
            ErrorCode::invalid,
            "\"" + message.origin + "\" is this node itself: give each node an id of its own");
    }
    const journal::Stream& stream = shared_.journal.open_stream(message.origin, message.epoch);
    const auto [entry, is_new] = streams_.try_emplace(message.stream);
    if (!is_new && entry->second.id != stream.id) {
        return fail(ErrorCode::invalid,
                    "stream " + std::to_string(message.stream) + " opened twice");
    }
    entry->second.id = stream.id;
    for (const line::OpenMessage::Channel& channel : message.channels) {
        Result<void> added = shared_.journal.add_channel(message.origin, message.epoch.journal,
                                                         channel.id, channel.channel);
        if (!added) {
            return added;
        }
    }
    if (message.origin != admission_.device) {
        // As far as can be known from here, who is behind a relay is there while the relay is.
        Device& relayed = device(message.origin);
        relayed.via = admission_.device;
        relayed.online = true;
    }
    return {};
}

std::set<std::uint64_t> Line::own_journals() const {
    std::set<std::uint64_t> journals;
    for (const auto& [number, line] : streams_) {
        const journal::Stream& stream = shared_.journal.streams().at(line.id);
        if (stream.origin == admission_.device) {
            journals.insert(stream.epoch.journal);
        }
    }
    return journals;
}

bool Line::is_of_the_same_device(const Line& other) const {
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

Result<telemetry::Batch> Line::checked_batch(Record& record, const journal::Stream& stream) const {
    Result<telemetry::Batch> batch = telemetry::decode(
        *record.body, {.bytes = static_cast<std::size_t>(options_.max_batch_bytes)});
    if (!batch) {
        return batch;
    }
    const std::size_t channels =
        shared_.journal.channels(stream.origin, stream.epoch.journal).size();
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

Result<void> Line::record(Record record, Now now) {
    const auto found = streams_.find(record.stream);
    if (found == streams_.end()) {
        return fail(ErrorCode::invalid, "stream " + std::to_string(record.stream) + " is not open");
    }
    LineStream& line = found->second;
    const journal::Stream& stream = shared_.journal.streams().at(line.id);
    if (record.first_seq == 0 || record.last_seq < record.first_seq ||
        record.first_seq > std::numeric_limits<std::int64_t>::max() / 2 ||
        record.last_seq > std::numeric_limits<std::int64_t>::max() / 2) {
        return fail(ErrorCode::invalid, "impossible sequence numbers");
    }
    telemetry::Batch readings;
    if (record.kind == RecordKind::batch) {
        Result<telemetry::Batch> batch = checked_batch(record, stream);
        if (!batch) {
            refuse(line, record, batch.error().message);
            return {};
        }
        readings = *std::move(batch);
    }
    const std::uint64_t accepted = shared_.journal.accepted_through(line.id);
    record.stream = line.id;
    if (record.last_seq <= accepted) {
        line.waiting.emplace_back(shared_.journal.next_position(), accepted);
        durable();
        return {};
    }
    if (record.first_seq > accepted + 1) {
        if (line.refused) {
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
            refuse(line, record, rest.error().message);
            return {};
        }
        record = *std::move(rest);
        if (record.kind == RecordKind::batch) {
            readings.readings.erase(readings.readings.begin(),
                                    readings.readings.begin() + static_cast<std::ptrdiff_t>(known));
        }
    }
    if (send_away()) {
        return {};
    }
    line.refused = false;
    Device& entry = device(stream.origin);
    entry.last_seen = now.wall;
    entry.gaps += record.kind == RecordKind::gap ? 1 : 0;
    if (entry.backlog) {
        *entry.backlog -= std::min(*entry.backlog, record.last_seq - record.first_seq + 1);
    }
    const std::uint64_t first_seq = record.first_seq;
    const std::uint64_t last_seq = record.last_seq;
    const std::uint64_t end = shared_.journal.append_received(std::move(record));
    line.waiting.emplace_back(end, last_seq);
    if (!readings.readings.empty()) {
        note_readings(shared_, stream, readings, first_seq, end);
    }
    return {};
}

void note_readings(Shared& shared, const journal::Stream& stream, const telemetry::Batch& batch,
                   std::uint64_t first_seq, std::uint64_t end_position) {
    const auto channels = shared.journal.channels(stream.origin, stream.epoch.journal);
    shared.live.add(end_position, stream.origin, channels, batch, first_seq);
    Device& entry = shared.fleet[stream.origin];
    entry.readings += batch.readings.size();
    constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
    std::vector<std::size_t> newest(channels.size(), kNone);
    for (std::size_t i = 0; i < batch.readings.size(); ++i) {
        newest[batch.readings[i].channel - 1] = i;
    }
    for (std::size_t id = 0; id < newest.size(); ++id) {
        if (newest[id] == kNone) {
            continue;
        }
        const telemetry::Reading& reading = batch.readings[newest[id]];
        LastReading& last = entry.channels[{channels[id].name, channels[id].unit}];
        last.seq = first_seq + newest[id];
        last.time_us = batch.boot == 0 ? std::optional(reading.time_us) : std::nullopt;
        last.value = reading.value;
    }
}

void Line::refuse(LineStream& stream, const Record& record, const std::string& reason) {
    stream.refused = true;
    for (const auto& [number, entry] : streams_) {
        if (&entry == &stream) {
            out_.push_back(to_wire(line::RefusalMessage{number, record.first_seq, reason}));
        }
    }
}

void Line::durable() {
    const std::uint64_t durable_before = shared_.journal.durable_before();
    if (welcome_due_ && durable_before < welcome_after_ && send_away()) {
        welcome_due_ = false;
    }
    if (welcome_due_ && durable_before >= welcome_after_) {
        welcome_due_ = false;
        line::WelcomeMessage welcome;
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
            out_.push_back(to_wire(line::AckMessage{number, *through}));
        }
    }
}

bool Line::waits() const {
    return welcome_due_ || std::ranges::any_of(streams_, [](const auto& entry) {
               return !entry.second.waiting.empty();
           });
}

std::optional<Bytes> Line::next_message() {
    if (out_.empty()) {
        return std::nullopt;
    }
    Bytes message = std::move(out_.front());
    out_.pop_front();
    return message;
}

/// While storage fails nothing is taken: what cannot be written would fill the memory.
bool Line::send_away() {
    if (const Error* error = shared_.journal.storage_error()) {
        goodbye("this hub cannot store: " + error->message, options_.retry_after);
        return true;
    }
    return false;
}

void Line::goodbye(const std::string& reason, Duration retry_after) {
    if (!std::exchange(said_goodbye_, true)) {
        const auto wait =
            std::chrono::duration_cast<std::chrono::milliseconds>(retry_after).count();
        out_.push_back(to_wire(line::GoodbyeMessage{reason, static_cast<std::uint32_t>(wait)}));
    }
}

}  // namespace holdfast::hub
