#include "firmware/uplink/client.h"

#include <algorithm>
#include <utility>

#include "firmware/uplink/client_line.h"

/// The upper half of the client: what happens on its main line, and what follows from that.

namespace holdfast::uplink {

namespace {

constexpr std::size_t kMostLogged = 16;
/// Any line may end so by chance; so many in a row have the path to blame.
constexpr int kMostFruitless = 3;

ClientOptions with_ladder(ClientOptions options) {
    options.ladder.proxy = !options.proxy.empty();
    options.ladder.patience_max = options.connect_timeout;
    options.ladder.patience_min =
        std::min(options.ladder.patience_min, options.ladder.patience_max);
    return options;
}

}  // namespace

Client::Client(journal::Journal& journal, const ClientOptions& options, ports::Entropy& entropy)
    : options_(with_ladder(options)),
      entropy_(entropy),
      engine_(journal, options_.uplink, entropy),
      ladder_(options_.ladder) {}

Client::~Client() = default;

// ---- The main line

/// On the ladder's path; the line that is tried on it already may become it, at whatever point it
/// is.
void Client::open_main(Now now) {
    if (!lines_[kCandidateLine] || lines_[kCandidateLine]->path != ladder_.path()) {
        drop_line(kCandidateLine, websocket::CloseCode::normal, "", now);
        open_line(kMainLine, ladder_.path(), now);
        return;
    }
    lines_[kMainLine] = std::move(lines_[kCandidateLine]);
    if (lines_[kMainLine]->up()) {
        main_happened({.kind = Carrier::Event::Kind::up}, now);
    }
}

void Client::main_happened(const Carrier::Event& event, Now now) {
    switch (event.kind) {
        case Carrier::Event::Kind::up:
            use_heartbeat_of(lines_[kMainLine]->path, now);
            announce(*lines_[kMainLine]);
            engine_.connected(now.monotonic);
            break;
        case Carrier::Event::Kind::message:
            message_came(event.payload, now);
            break;
        case Carrier::Event::Kind::ended:
            end_main(engine_.give_up(now.monotonic).value_or(event.error),
                     websocket::CloseCode::normal, event.end, event.trouble, now);
            break;
        case Carrier::Event::Kind::passes:
            drop_line(kCandidateLine, websocket::CloseCode::normal, "", now);  // the race is won
            worked(now);
            break;
        case Carrier::Event::Kind::pong:
            break;
    }
}

void Client::message_came(ByteView payload, Now now) {
    if (const Result<void> result = engine_.received(payload, now.monotonic); !result) {
        end_main(result.error(), websocket::CloseCode::protocol_error, {EndKind::ours, 0},
                 Trouble::hub, now);
        return;
    }
    if (is_live() && !was_live_) {
        live();
    }
    worked(now);
    if (const std::optional<std::int64_t> told = engine_.take_server_time()) {
        actions_.push_back({.kind = Action::Kind::told, .server_time_us = *told});
    }
}

void Client::live() {
    const Line& line = *lines_[kMainLine];
    was_live_ = true;
    const std::string path_words = line.path == Path{} ? "" : " by " + name(line.path);
    log(std::exchange(moved_, false) ? Action::Level::debug : Action::Level::info,
        "live at " + options_.url + " (" + line.peer + ")" + path_words);
}

/// A path has proven itself when Welcome has come by it, frames pass, and a record was
/// acknowledged: there are boxes that end a line that says more. The path that worked before need
/// not wait for a record if there is none.
void Client::worked(Now now) {
    Line& line = *lines_[kMainLine];
    if (line.worked || !was_live_ || !line.attempt.passes) {
        return;
    }
    ladder_.line_up(now.monotonic);
    if (!engine_.line().has_acknowledged() &&
        (engine_.line().has_backlog() || !ladder_.is_home())) {
        return;
    }
    line.worked = true;
    logged_.clear();
    first_error_.reset();
    if (ladder_.worked(now.monotonic)) {
        keep(ladder_note(), name(line.path));
    }
}

/// The main line is not there any more, or is to be ended.
void Client::end_main(Error error, websocket::CloseCode code, LineEnd end, Trouble trouble,
                      Now now) {
    const bool live = std::exchange(was_live_, false) && lines_[kMainLine]->attempt.passes;
    const bool fruitless = live && trouble == Trouble::transport && engine_.line().is_fruitless();
    fruitless_ = fruitless ? fruitless_ + 1 : live ? 0 : fruitless_;
    const bool proven = live && fruitless_ < kMostFruitless;
    if (live && !proven) {
        error = std::move(error).context("line after line ends with nothing acknowledged");
    }
    if (error.code == ErrorCode::timeout) {
        lines_[kMainLine]->carrier->abort();  // nobody hears a farewell
    }
    drop_line(kMainLine, code, code == websocket::CloseCode::normal ? "" : error.message, now);
    more_ = moved_ = renewal_failed_ = false;
    if (proven) {
        drop_line(kCandidateLine, websocket::CloseCode::normal, "", now);
        if (error.code == ErrorCode::closed) {
            log(Action::Level::info, "the line ended: " + error.message);
        } else {
            log_failure(error, "; readings are kept, and a new line follows by itself");
        }
        ladder_.line_ended();
        engine_.disconnected(error, now.monotonic, end);
        return;
    }
    // Of all that failed in a round, the best path's failure is what people look for in status.
    const Error first = first_error_ ? *first_error_ : error;
    if (ladder_.failed(trouble)) {
        first_error_ = first;
        log_failure(error, "; next path: " + name(ladder_.path()));
        engine_.another_path(first, now.monotonic);
        open_main(now);
    } else {
        drop_line(kCandidateLine, websocket::CloseCode::normal, "", now);
        first_error_.reset();
        log_failure(error, "; readings are kept, and the next tries follow by themselves");
        engine_.disconnected(first, now.monotonic, end);
    }
}

void Client::send_due(Now now) {
    Line& line = *lines_[kMainLine];
    if (engine_.ping_due(now.monotonic)) {
        beat(line, now);
    }
    const auto is_full = [&] { return line.carrier->gathered_bytes() >= options_.gathered_bytes; };
    more_ = false;
    while (line.writable() && !is_full()) {
        const std::optional<Outgoing> message = engine_.next_message(now.monotonic);
        if (!message) {
            break;
        }
        more_ = true;
        // The body is a record, whose columns are compressed already.
        line.carrier->send(
            message->head, message->body ? ByteView(*message->body) : ByteView{},
            message->body ? websocket::Compression::off : websocket::Compression::automatic);
    }
    const bool was_full = more_ && is_full();
    take_orders(kMainLine, now);
    // Where the carrier keeps what it was given until it has an answer, that makes room.
    more_ = was_full && !is_full();
}

// ---- The line it moves to

void Client::trial_due(Now now) {
    if (!is_live() || lines_[kCandidateLine]) {
        return;
    }
    if (const std::optional<Path> path = ladder_.trial_due(now.monotonic)) {
        is_trial_ = true;
        open_line(kCandidateLine, *path, now);
    }
}

void Client::candidate_happened(const Carrier::Event& event, Now now) {
    if (is_race()) {
        raced_happened(event, now);
    } else if (event.kind == Carrier::Event::Kind::passes) {
        move_to_candidate(now);
    } else if (event.kind == Carrier::Event::Kind::ended) {
        log(Action::Level::debug, (is_trial_ ? "a better path, " : "a new line, ") +
                                      name(lines_[kCandidateLine]->path) +
                                      ", did not come about: " + event.error.message);
        lines_[kCandidateLine].reset();
        if (is_trial_) {
            ladder_.trial_ended(false, now.monotonic);
        }
        renewal_failed_ = renewal_failed_ || !is_trial_;
    }
}

/// Make before break: the old line ends when bytes pass on the new one, and resume does the rest.
void Client::move_to_candidate(Now now) {
    if (is_trial_) {
        ladder_.trial_ended(true, now.monotonic);
        log(Action::Level::info,
            "a better path works again: the line moves to " + name(lines_[kCandidateLine]->path));
    } else {
        log(Action::Level::debug, "the line is renewed before its time is up");
    }
    std::swap(lines_[kMainLine], lines_[kCandidateLine]);
    was_live_ = more_ = renewal_failed_ = false;
    moved_ = true;
    use_heartbeat_of(lines_[kMainLine]->path, now);
    announce(*lines_[kMainLine]);
    engine_.renewed(now.monotonic);
    // Hello first, so that the hub sees this device move, and not leave and come back.
    send_due(now);
    drop_line(kCandidateLine, websocket::CloseCode::normal, "the line moves", now);
}

// ---- Turns

void Client::turn(Now now) {
    if (is_stopped()) {
        return;
    }
    if (engine_.connect_due(now.monotonic)) {
        open_main(now);
    }
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
        if (lines_[slot] && lines_[slot]->carrier->deadline() <= now.monotonic) {
            lines_[slot]->carrier->tick(now.monotonic);
            drain(slot, now);
        }
        leave_deaf_hub(slot, now);
    }
    race_due(now);
    if (lines_[kMainLine] && lines_[kMainLine]->up()) {
        if (const std::optional<Error> error = engine_.give_up(now.monotonic)) {
            const bool dead = error->code == ErrorCode::timeout;
            end_main(*error, websocket::CloseCode::normal,
                     {dead ? EndKind::unanswered : EndKind::ours, 0},
                     dead ? Trouble::transport : Trouble::hub, now);
        } else {
            send_due(now);
        }
    }
    probe_lines_due(now);
    trial_due(now);
    for (std::string& notice : engine_.take_notices()) {
        log(Action::Level::warning, std::move(notice));
    }
    note_heartbeat(now);
}

std::optional<Action> Client::next_action() {
    if (actions_.empty()) {
        return std::nullopt;
    }
    Action action = std::move(actions_.front());
    actions_.pop_front();
    return action;
}

Instant Client::deadline() const {
    if (is_stopped()) {
        return kNever;
    }
    if (more_ && lines_[kMainLine] && lines_[kMainLine]->writable()) {
        return {};
    }
    Instant due = std::min(engine_.deadline(), race_at());
    for (const std::unique_ptr<Line>& line : lines_) {
        due = line ? std::min(due, line->carrier->deadline()) : due;
    }
    return is_live() && !lines_[kCandidateLine] ? std::min(due, ladder_.deadline()) : due;
}

void Client::stop(Now now) {
    if (is_stopped()) {
        return;
    }
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
        drop_line(slot, websocket::CloseCode::going_away, "this node stops", now);
    }
    engine_.stop(now.monotonic);
}

Path Client::path() const {
    return lines_[kMainLine] ? lines_[kMainLine]->path : ladder_.path();
}

// ---- The log

void Client::log(Action::Level level, std::string text) {
    actions_.push_back({.kind = Action::Kind::log, .level = level, .text = std::move(text)});
}

/// Once in full for each kind of failure; the same again is only worth a debug line.
void Client::log_failure(const Error& error, const std::string& what_follows) {
    if (std::ranges::find(logged_, error.message) != logged_.end()) {
        log(Action::Level::debug, "again: " + error.message);
        return;
    }
    if (logged_.size() >= kMostLogged) {
        logged_.erase(logged_.begin());
    }
    logged_.push_back(error.message);
    log(Action::Level::warning, options_.url + ": " + error.message + what_follows);
}

}  // namespace holdfast::uplink
