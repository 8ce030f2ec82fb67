#include <algorithm>
#include <utility>

#include "firmware/base/text.h"
#include "firmware/uplink/client_line.h"

/// What the client remembers of networks, and what it does for the adaptive heartbeat.

namespace holdfast::uplink {

namespace {

/// As long as the journal keeps.
constexpr std::size_t kLongestNote = 200;
/// For who comes through very many networks in one life.
constexpr std::size_t kMostNotes = 256;
/// A request, its answer and a frame of the stream, with their heads: about.
constexpr std::uint32_t kSockJsBeatBytes = 800;

/// To a second, for people.
std::string in_words(Duration duration) {
    return format_duration(std::chrono::round<std::chrono::seconds>(duration));
}

}  // namespace

// ---- What is remembered

void Client::remember(std::string_view name, std::string_view text) {
    notes_.insert_or_assign(std::string(name), std::string(text));
}

void Client::keep(const std::string& name, const std::string& text) {
    if (name.size() > kLongestNote || text.size() > kLongestNote) {
        return;
    }
    if (notes_.size() >= kMostNotes) {
        notes_.erase(notes_.begin());
    }
    notes_.insert_or_assign(name, text);
    actions_.push_back({.kind = Action::Kind::note, .name = name, .text = text});
}

std::string Client::ladder_note() const {
    return "ladder " + network_.value_or("") + ' ' + options_.hub.authority();
}

std::string Client::heartbeat_note(Path path) const {
    return "heartbeat " + network_.value_or("") + ' ' + name(path) +
           (path.proxied ? ' ' + options_.proxy : "") + ' ' + options_.hub.authority();
}

void Client::on_network(std::string_view network, Now) {
    if (network_ == network || lines_[kMainLine]) {
        return;
    }
    network_ = network;
    const auto known = notes_.find(ladder_note());
    ladder_.on_network(known == notes_.end() ? std::nullopt : path_from_name(known->second));
}

/// What is known of the idle limit is known of one path.
void Client::use_heartbeat_of(Path path, Now now) {
    AdaptiveHeartbeat* const heartbeat = engine_.adaptive();
    std::string note = heartbeat_note(path);
    if (heartbeat == nullptr || heartbeat_of_ == note) {
        return;
    }
    const auto known = notes_.find(note);
    written_ = known == notes_.end() ? std::nullopt : knowledge_from_text(known->second);
    heartbeat_of_ = std::move(note);
    heartbeat->on_path(written_, now);
    heartbeat->beats_cost(path.transport == Transport::websocket
                              ? options_.uplink.adaptive->beat_bytes
                              : kSockJsBeatBytes);
}

void Client::note_heartbeat(Now now) {
    const AdaptiveHeartbeat* const heartbeat = engine_.adaptive();
    if (heartbeat == nullptr || !was_live_) {
        return;
    }
    const std::optional<PathKnowledge> known = heartbeat->knowledge(now);
    if (known && (!written_ || worth_writing(*written_, *known))) {
        const bool told = written_ && written_->kind == known->kind && written_->cut == known->cut;
        log(told ? Action::Level::debug : Action::Level::info,
            "this path lets a line be idle for " +
                (known->kind == CutKind::none
                     ? "as long as was tried"
                     : in_words(known->cut) + " (" + name(known->kind) + ")") +
                "; a beat every " + in_words(heartbeat->interval()));
        written_ = known;
        keep(heartbeat_of_, to_text(*known));
    }
}

// ---- Beats

/// The hub is told when it is to wait longer than it was told, or much shorter.
bool Client::is_news(const Line& line) const {
    const Duration quiet = silence();
    return quiet > line.announced || quiet < line.announced / 2;
}

void Client::beat(Line& line, Now now) {
    const bool news = is_news(line);
    line.announced = news ? silence() : line.announced;
    line.carrier->ping(news ? std::optional(line.announced) : std::nullopt);
    line.ping = {};
    engine_.ping_sent(now.monotonic);
}

StreamId Client::awaited() const {
    return lines_[kMainLine] && engine_.awaits_pong() ? lines_[kMainLine]->sending() : 0;
}

/// Only what stands before the ping counts. What is given out later would always move again where a
/// proxy takes all that it gets, while the hub behind it is dead.
void Client::progress(StreamId stream, Progress progress, Now now) {
    if (stream == 0 || stream != awaited()) {
        return;
    }
    Line& line = *lines_[kMainLine];
    if (line.ping.stream != stream) {
        line.ping = {stream, progress.sent_bytes,
                     std::min(progress.acknowledged_bytes, progress.sent_bytes)};
        return;
    }
    const std::uint64_t came_to = std::min(progress.acknowledged_bytes, line.ping.ends_at);
    if (came_to > line.ping.came_to) {
        line.ping.came_to = came_to;
        engine_.leaving(now.monotonic);
    }
}

/// What the first ping said was of the path that was in use before.
void Client::announce(Line& line) {
    if (line.path.transport == Transport::websocket && is_news(line)) {
        line.announced = silence();
        line.carrier->ping(line.announced);
    }
}

/// With some room to grow, so that not every beat need tell it.
Duration Client::silence() const {
    const AdaptiveHeartbeat* const heartbeat = engine_.adaptive();
    const Duration interval =
        heartbeat == nullptr ? options_.uplink.heartbeat : heartbeat->interval();
    return interval + interval / 4;
}

// ---- Probe lines

void Client::probe_lines_due(Now now) {
    AdaptiveHeartbeat* const heartbeat = engine_.adaptive();
    while (heartbeat != nullptr) {
        const std::optional<LineAction> action = heartbeat->next(now.monotonic);
        if (!action) {
            return;
        }
        const std::size_t slot = kFirstProbeLine + action->line;
        switch (action->kind) {
            case LineAction::Kind::open:
                if (path().transport == Transport::websocket && lines_[kMainLine] &&
                    lines_[kMainLine]->up()) {
                    open_line(slot, path(), now);
                } else {
                    heartbeat->line_failed(action->line, now.monotonic);
                }
                break;
            case LineAction::Kind::ping:
                if (lines_[slot]) {
                    lines_[slot]->carrier->ping(std::nullopt);
                    take_orders(slot, now);
                }
                break;
            case LineAction::Kind::speak:
                if (lines_[slot]) {
                    lines_[slot]->carrier->speak();
                    take_orders(slot, now);
                }
                break;
            case LineAction::Kind::close:
                drop_line(slot, websocket::CloseCode::normal, "", now);
                break;
            case LineAction::Kind::renew:
                if (lines_[kCandidateLine] && is_trial_ && !renewal_failed_) {
                    // A better path can wait, the end of this line does not.
                    drop_line(kCandidateLine, websocket::CloseCode::normal, "", now);
                    ladder_.trial_ended(false, now.monotonic);
                }
                if (renewal_failed_) {
                    trial_due(now);  // another path may be the one that lets a new line through
                }
                // Before the first acknowledgement nothing would be gained: what is on its way
                // would only be sent again, and where it takes longer than a line may live, for
                // ever.
                if (!lines_[kCandidateLine] && lines_[kMainLine]->attempt.passes &&
                    !engine_.line().is_fruitless()) {
                    is_trial_ = false;
                    open_line(kCandidateLine, path(), now);
                }
                break;
        }
    }
}

void Client::probe_happened(std::size_t side, const Carrier::Event& event, Now now) {
    AdaptiveHeartbeat& heartbeat = *engine_.adaptive();
    switch (event.kind) {
        case Carrier::Event::Kind::passes:
            heartbeat.line_opened(side, now.monotonic);
            break;
        case Carrier::Event::Kind::pong:
            heartbeat.line_answered(side, now.monotonic);
            break;
        case Carrier::Event::Kind::ended:
            if (lines_[kFirstProbeLine + side]->attempt.passes) {
                heartbeat.line_ended(side, event.end, now.monotonic);
            } else {
                heartbeat.line_failed(side, now.monotonic);
            }
            lines_[kFirstProbeLine + side].reset();
            break;
        case Carrier::Event::Kind::up:
        case Carrier::Event::Kind::message:
            break;
    }
}

}  // namespace holdfast::uplink
