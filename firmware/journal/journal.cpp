#include "firmware/journal/journal.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "firmware/base/check.h"
#include "firmware/base/text.h"
#include "firmware/telemetry/batch_codec.h"

namespace holdfast::journal {

namespace {

/// What an entry costs in memory beside its body.
constexpr std::uint64_t kEntryOverheadBytes = 160;
/// Of a channel's name, and of its unit.
constexpr std::size_t kChannelTextBytes = 1024;

std::size_t size_of(const telemetry::Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
        return text->size();
    }
    if (const auto* bytes = std::get_if<Bytes>(&value)) {
        return bytes->size();
    }
    return 0;
}

/// What a message of the line can carry, and what is not absurd.
Result<void> check_channel(const telemetry::Channel& channel) {
    if (channel.name.size() > kChannelTextBytes || channel.unit.size() > kChannelTextBytes) {
        return fail(ErrorCode::too_large, "a channel's name or unit has more than " +
                                              std::to_string(kChannelTextBytes) + " bytes");
    }
    if (!is_utf8(as_bytes(channel.name)) || !is_utf8(as_bytes(channel.unit))) {
        return fail(ErrorCode::invalid, "a channel's name or unit is not UTF-8");
    }
    return {};
}

std::uint64_t memory_size(const Record& record) {
    return kEntryOverheadBytes + (record.body ? record.body->size() : 0);
}

}  // namespace

Journal::Journal(const Opened& opened, const JournalOptions& options)
    : options_(options),
      own_(opened.own),
      next_position_(opened.next_position),
      durable_(opened.next_position),
      acknowledged_(opened.first_position),
      released_(opened.first_position),
      store_first_(opened.first_position),
      store_end_(opened.store_end),
      generation_(opened.generation),
      holes_(opened.holes),
      reserved_(opened.next_position),
      used_bytes_(opened.used_bytes) {
    for (const ConsumerPosition& consumer : opened.consumers) {
        consumers_[consumer.name] = {consumer, consumer.position, false};
    }
    find_held();
    for (const Stream& stream : opened.streams) {
        streams_[stream.id] = stream;
        stream_ids_[{stream.origin, stream.epoch}] = stream.id;
        if (stream.through > 0) {
            std::uint32_t& newest = newest_run_[{stream.origin, stream.epoch.journal}];
            newest = std::max(newest, stream.epoch.run);
        }
    }
    streams_[own_.id] = own_;
    stream_ids_[{own_.origin, own_.epoch}] = own_.id;
    for (const ChannelRow& row : opened.channels) {
        ChannelTable& table = channels_[{row.origin, row.journal}];
        if (table.rows.size() < row.id) {
            table.rows.resize(row.id);
        }
        table.rows[row.id - 1] = row.channel;
        table.ids[{row.channel.name, row.channel.unit}] = row.id;
    }
    durable_channels_ = channels(own_.origin, own_.epoch.journal).size();
    for (const SourcePosition& source : opened.sources) {
        sources_[source.name] = {source, source.position, false};
    }
}

// ---- Appending

Result<telemetry::ChannelId> Journal::channel(const telemetry::Channel& channel) {
    ChannelTable& table = channels_[{own_.origin, own_.epoch.journal}];
    const auto found = table.ids.find({channel.name, channel.unit});
    if (found != table.ids.end()) {
        return found->second;
    }
    if (Result<void> good = check_channel(channel); !good) {
        return std::unexpected(std::move(good).error());
    }
    if (table.rows.size() >= options_.channels_per_origin) {
        return fail(ErrorCode::too_large,
                    "channel \"" + channel.name + "\" would be one more than the " +
                        std::to_string(options_.channels_per_origin) + " that a node may have");
    }
    table.rows.push_back(channel);
    const auto id = static_cast<telemetry::ChannelId>(table.rows.size());
    table.ids[{channel.name, channel.unit}] = id;
    new_channels_.push_back({own_.origin, own_.epoch.journal, id, channel});
    return id;
}

std::uint64_t Journal::append(const Append& append, Instant now) {
    if (append.source != nullptr) {
        Source& source = sources_[append.source->name];
        source.accepted = *append.source;
        source.dirty = true;
    }
    if (append.readings.empty()) {
        return next_position_;
    }
    if (append.promise == Promise::by_deadline && !append.keep && room() == 0) {
        refuse(append.readings.size(), now);
        return next_position_;
    }
    const Instant due = append.promise == Promise::now ? kAtOnce : now + options_.commit_interval;
    for (telemetry::Reading& reading : append.readings) {
        const bool is_full =
            open_bytes_ >= options_.batch_bytes || open_.readings.size() >= options_.batch_readings;
        if (open_.boot != append.boot || is_full) {
            close_open_batch();
        }
        if (open_.readings.empty()) {
            open_.boot = append.boot;
            open_first_seq_ = next_seq_;
            open_position_ = next_position_;
            open_since_ = now;
        }
        open_bytes_ += 16 + size_of(reading.value);
        open_durable_first_ |= append.source != nullptr || reading.channel > durable_channels_;
        open_due_ = std::min(open_due_, due);
        open_.readings.push_back(std::move(reading));
        ++next_seq_;
        ++next_position_;
    }
    forget();
    return next_position_;
}

void Journal::append(const ClockFix& fix, Instant now) {
    close_open_batch();
    Record record;
    record.position = next_position_++;
    record.stream = own_.id;
    record.kind = RecordKind::clock_fix;
    record.first_seq = record.last_seq = next_seq_++;
    record.first_time_us = record.last_time_us = fix.wall_us;
    record.body = std::make_shared<const Bytes>(encode(fix));
    push({std::move(record), now + options_.commit_interval, false});
}

/// Readings that find no room become numbers that will not come. They extend the last entry if that
/// is such a gap already and has not been taken for writing or sending.
void Journal::refuse(std::uint64_t count, Instant now) {
    close_open_batch();
    dropped_ += count;
    const std::uint64_t first = next_seq_;
    next_seq_ += count;
    if (memory_.size() > written_) {
        Record& last = memory_.back().record;
        const bool free = !memory_.back().handed_out && (!out_ || last.position >= out_->end);
        if (free && last.kind == RecordKind::gap && last.stream == own_.id) {
            last.last_seq = next_seq_ - 1;
            return;
        }
    }
    Record record;
    record.position = next_position_++;
    record.stream = own_.id;
    record.kind = RecordKind::gap;
    record.first_seq = first;
    record.last_seq = next_seq_ - 1;
    record.body = std::make_shared<const Bytes>(encode(GapReason::refused));
    push({std::move(record), now + options_.commit_interval, false});
}

void Journal::close_open_batch() {
    if (open_.readings.empty()) {
        return;
    }
    Record record;
    record.position = open_position_;
    record.stream = own_.id;
    record.kind = RecordKind::batch;
    record.first_seq = open_first_seq_;
    record.last_seq = open_first_seq_ + open_.readings.size() - 1;
    const auto [least, greatest] = std::ranges::minmax_element(
        open_.readings, {}, [](const telemetry::Reading& reading) { return reading.time_us; });
    record.first_time_us = least->time_us;
    record.last_time_us = greatest->time_us;
    record.body = std::make_shared<const Bytes>(telemetry::encode(open_));
    push({std::move(record), open_due_, open_durable_first_});
    open_.readings.clear();
    if (open_.readings.capacity() > kKeptReadings) {
        open_.readings.shrink_to_fit();
    }
    open_bytes_ = 0;
    open_due_ = kNever;
    open_durable_first_ = false;
}

void Journal::push(Entry entry) {
    memory_used_ += memory_size(entry.record);
    urgent_ += entry.due == kAtOnce ? 1 : 0;
    memory_.push_back(std::move(entry));
}

void Journal::pop_front() {
    const Entry& front = memory_.front();
    memory_used_ -= memory_size(front.record);
    if (written_ > 0) {
        --written_;
    } else if (front.due == kAtOnce) {
        --urgent_;
    }
    memory_.pop_front();
}

/// Durable entries are only a cache for consumers: they make room for new ones.
void Journal::forget() {
    while (written_ > 0 && (!caches() || memory_used_bytes() > options_.memory_bytes / 2)) {
        pop_front();
    }
}

std::uint64_t Journal::room() const {
    const std::uint64_t used = memory_used_bytes();
    return used < options_.memory_bytes ? options_.memory_bytes - used : 0;
}

SourcePosition Journal::source(std::string_view name) const {
    const auto found = sources_.find(name);
    return found == sources_.end() ? SourcePosition{std::string(name), 0, 0}
                                   : found->second.accepted;
}

std::uint64_t Journal::durable_source(std::string_view name) const {
    const auto found = sources_.find(name);
    return found == sources_.end() ? 0 : found->second.durable;
}

// ---- Notes

Result<void> Journal::note(std::string name, std::string text, Instant now) {
    if (name.size() > kNoteBytes || text.size() > kNoteBytes) {
        return fail(ErrorCode::too_large,
                    "a note's name or text has more than " + std::to_string(kNoteBytes) + " bytes");
    }
    if (!is_utf8(as_bytes(name)) || !is_utf8(as_bytes(text))) {
        return fail(ErrorCode::invalid, "a note's name or text is not UTF-8");
    }
    std::erase_if(notes_, [&](const Note& note) { return note.name == name; });
    if (notes_.size() == kNotes) {
        notes_.erase(notes_.begin());
    }
    notes_.push_back({std::move(name), std::move(text)});
    notes_due_ = std::min(notes_due_, now + options_.commit_interval);
    return {};
}

// ---- Received

const Stream& Journal::open_stream(const std::string& origin, const Epoch& epoch) {
    const auto found = stream_ids_.find({origin, epoch});
    if (found != stream_ids_.end()) {
        return streams_.at(found->second);
    }
    const StreamId id = streams_.rbegin()->first + 1;
    const Stream stream{id, origin, epoch, 0};
    stream_ids_[{origin, epoch}] = id;
    new_streams_.push_back(stream);
    return streams_[id] = stream;
}

std::uint64_t Journal::accepted_through(StreamId id) const {
    const Stream& stream = streams_.at(id);
    const auto newest = newest_run_.find({stream.origin, stream.epoch.journal});
    if (newest != newest_run_.end() && stream.epoch.run < newest->second) {
        return std::numeric_limits<std::uint64_t>::max();
    }
    return stream.through;
}

Result<void> Journal::add_channel(const std::string& origin, std::uint64_t journal,
                                  telemetry::ChannelId id, const telemetry::Channel& channel) {
    ChannelTable& table = channels_[{origin, journal}];
    if (id >= 1 && id <= table.rows.size()) {
        if (table.rows[id - 1] == channel) {
            return {};
        }
        return fail(ErrorCode::invalid, "channel " + std::to_string(id) + " of " + origin +
                                            " is \"" + table.rows[id - 1].name +
                                            "\" and cannot become \"" + channel.name + "\"");
    }
    if (id != table.rows.size() + 1) {
        return fail(ErrorCode::invalid, "channel " + std::to_string(id) + " of " + origin +
                                            " does not follow channel " +
                                            std::to_string(table.rows.size()));
    }
    if (table.rows.size() >= options_.channels_per_origin) {
        return fail(ErrorCode::too_large, origin + " has more than " +
                                              std::to_string(options_.channels_per_origin) +
                                              " channels");
    }
    if (Result<void> good = check_channel(channel); !good) {
        return good;
    }
    table.rows.push_back(channel);
    table.ids[{channel.name, channel.unit}] = id;
    new_channels_.push_back({origin, journal, id, channel});
    return {};
}

std::uint64_t Journal::append_received(Record record) {
    close_open_batch();
    Stream& stream = streams_.at(record.stream);
    HOLDFAST_CHECK(record.first_seq == stream.through + 1 && record.last_seq >= record.first_seq);
    stream.through = record.last_seq;
    std::uint32_t& newest = newest_run_[{stream.origin, stream.epoch.journal}];
    newest = std::max(newest, stream.epoch.run);
    record.position = next_position_;
    next_position_ = record.end_position();
    push({std::move(record), kAtOnce, false});
    forget();
    return next_position_;
}

// ---- Reading

Journal::Next Journal::next(std::uint64_t position) const {
    const std::uint64_t front = memory_.empty() ? next_position_ : memory_.front().record.position;
    if (position < std::min(front, store_end_)) {
        return {std::nullopt, true};
    }
    const auto entry = std::ranges::lower_bound(
        memory_, position + 1, {}, [](const Entry& e) { return e.record.end_position(); });
    if (entry == memory_.end()) {
        return {};
    }
    const auto blocked = [](const Entry& e) { return e.durable_first; };
    const auto undurable = memory_.begin() + static_cast<std::ptrdiff_t>(written_);
    if (entry >= undurable && std::any_of(undurable, entry + 1, blocked)) {
        return {};
    }
    entry->handed_out = true;
    return {entry->record, false};
}

std::span<const telemetry::Channel> Journal::declarable_channels(const std::string& origin,
                                                                 std::uint64_t journal) const {
    const bool own = origin == own_.origin && journal == own_.epoch.journal;
    const auto all = channels(origin, journal);
    return own ? all.first(durable_channels_) : all;
}

std::span<const telemetry::Channel> Journal::channels(const std::string& origin,
                                                      std::uint64_t journal) const {
    const auto found = channels_.find({origin, journal});
    return found == channels_.end() ? std::span<const telemetry::Channel>{}
                                    : std::span<const telemetry::Channel>(found->second.rows);
}

}  // namespace holdfast::journal
