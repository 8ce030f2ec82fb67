#include "tests/firmware/uplink/heartbeat/path_model.h"

#include <algorithm>

#include "firmware/base/text.h"

namespace holdfast::simulation {

using namespace uplink;
using namespace std::chrono_literals;

std::string PathSpec::text() const {
    std::string text = std::string(name(cut_kind)) + (reset_late ? " late" : "") + " cut " +
                       format_duration(cut) + " + " + format_duration(cut_jitter) + " counts " +
                       std::to_string(static_cast<int>(counts)) + " lifetime " +
                       format_duration(lifetime) + " " + name(lifetime_kind) + " rtt " +
                       format_duration(round_trip) + " + " + format_duration(round_trip_jitter) +
                       " loss " + std::to_string(loss_per_mille) + " data " +
                       format_duration(data_every);
    for (const auto& [begin, length] : outages) {
        text += " outage " + format_duration(begin) + " for " + format_duration(length);
    }
    for (const Duration restart : hub_restarts) {
        text += " restart " + format_duration(restart);
    }
    for (const Duration whim : whims) {
        text += " whim " + format_duration(whim);
    }
    return text;
}

PathWorld::PathWorld(const PathSpec& spec, const AdaptiveOptions& options, std::uint64_t seed,
                     const std::optional<PathKnowledge>& known)
    : spec_(spec), random_(seed), heartbeat_(options, *this) {
    if (known) {
        heartbeat_.on_path(known, clock());
    }
    for (const auto& [begin, length] : spec.outages) {
        at(start_ + begin, {.what = What::trouble});
    }
    for (const Duration restart : spec.hub_restarts) {
        at(start_ + restart, {.what = What::trouble});
    }
    for (const Duration whim : spec.whims) {
        at(start_ + whim, {.what = What::trouble});
    }
    connect(kMainLine);
    if (spec.data_every != 0us) {
        at(now_ + spec.data_every, {.what = What::data});
    }
}

void PathWorld::fill(std::span<std::byte> bytes) {
    for (std::byte& byte : bytes) {
        byte = static_cast<std::byte>(random_());
    }
}

Now PathWorld::clock() const {
    return {now_, WallTime(now_.time_since_epoch() + std::chrono::hours(24 * 365 * 56))};
}

Duration PathWorld::below(Duration limit) {
    return limit <= 0us ? 0us
                        : Duration(static_cast<std::int64_t>(
                              random_() % static_cast<std::uint64_t>(limit.count() + 1)));
}

/// A quarter of a round trip: between an end and the box.
Duration PathWorld::leg() {
    Duration leg = (spec_.round_trip + below(spec_.round_trip_jitter)) / 4;
    Duration again = 200ms + spec_.round_trip;
    while (random_() % 1000 < spec_.loss_per_mille) {
        leg += again;
        again *= 2;
    }
    return leg;
}

bool PathWorld::in_outage() const {
    return std::ranges::any_of(spec_.outages, [&](const auto& outage) {
        return now_ >= start_ + outage.first && now_ < start_ + outage.first + outage.second;
    });
}

bool PathWorld::hub_is_away() const {
    return std::ranges::any_of(spec_.hub_restarts, [&](Duration restart) {
        return now_ >= start_ + restart && now_ < start_ + restart + 3s;
    });
}

void PathWorld::at(Instant when, Event event) {
    event.at = when;
    event.order = order_++;
    events_.push(event);
}

void PathWorld::run(Duration until) {
    while (!events_.empty() && events_.top().at <= start_ + until) {
        const Event event = events_.top();
        events_.pop();
        now_ = event.at;
        if (event.what == What::wake && event.due != wake_) {
            continue;
        }
        handle(event);
        turn();
    }
    now_ = start_ + until;
}

// ---- Lines

void PathWorld::connect(std::size_t index) {
    Line& line = lines_[index];
    const std::uint64_t life = line.life + 1;
    line = Line{};
    line.life = life;
    line.connecting = true;
    const bool refused =
        in_outage() || hub_is_away() || (index < kMainLine && spec_.side_lines_refused);
    Duration needed = refused ? Duration(1s) : Duration{};
    for (int legs = 0; legs < 12 && !refused; ++legs) {
        needed += leg();  // TCP, TLS, the upgrade: three round trips
    }
    at(now_ + needed,
       {.what = refused ? What::refused : What::established, .line = index, .life = life});
}

void PathWorld::send(std::size_t index, Packet packet) {
    at(now_ + leg(),
       {.what = What::packet_up, .line = index, .life = lines_[index].life, .packet = packet});
}

/// The box saw traffic that counts.
void PathWorld::count(std::size_t index, Line& line) {
    line.counted = now_;
    if (spec_.cut_kind != CutKind::none) {
        const bool scheduled = line.limit != kNever;
        line.limit = now_ + spec_.cut + below(spec_.cut_jitter);
        if (!scheduled) {
            at(line.limit, {.what = What::idle_limit, .line = index, .life = line.life});
        }
    }
}

void PathWorld::cut(std::size_t index, Line& line, CutKind kind) {
    line.dropped = true;
    line.by_path = true;
    line.resets = kind == CutKind::reset && spec_.reset_late;
    if (kind == CutKind::silent || line.resets) {
        return;
    }
    const LineEnd end{kind == CutKind::fin ? EndKind::finished : EndKind::reset, 0};
    at(now_ + leg(), {.what = What::end, .line = index, .life = line.life, .end = end});
}

void PathWorld::handle(const Event& event) {
    switch (event.what) {
        case What::data:
            if (lines_[kMainLine].open) {
                heartbeat_.sent(now_);
                send(kMainLine, Packet::data);
            }
            at(now_ + spec_.data_every, {.what = What::data});
            return;
        case What::trouble:
            trouble();
            return;
        case What::wake:
            return;
        default:
            break;
    }
    Line& line = lines_[event.line];
    if (event.life == line.life && (line.open || line.connecting)) {
        handle_box(event, line);
        handle_device(event, line);
    }
}

void PathWorld::handle_box(const Event& event, Line& line) {
    switch (event.what) {
        case What::packet_up:
            if (line.dropped) {
                if (line.resets) {
                    at(now_ + leg(), {.what = What::end,
                                      .line = event.line,
                                      .life = event.life,
                                      .end = {EndKind::reset, 0}});
                }
                return;
            }
            if (spec_.counts != Direction::from_hub) {
                count(event.line, line);
            }
            if (event.packet != Packet::speech) {
                at(now_ + 2 * leg(), {.what = What::packet_down,
                                      .line = event.line,
                                      .life = event.life,
                                      .packet = event.packet});
            }
            return;
        case What::packet_down:
            if (line.dropped) {
                return;
            }
            if (spec_.counts != Direction::from_device) {
                count(event.line, line);
            }
            line.delivered = std::max(line.delivered, now_ + leg());
            at(line.delivered, {.what = What::answer,
                                .line = event.line,
                                .life = event.life,
                                .packet = event.packet});
            return;
        case What::idle_limit:
            if (line.dropped) {
                return;
            }
            if (now_ < line.limit) {
                at(line.limit, {.what = What::idle_limit, .line = event.line, .life = event.life});
            } else {
                cut(event.line, line, spec_.cut_kind);
            }
            return;
        case What::age_limit:
            if (!line.dropped) {
                cut(event.line, line, spec_.lifetime_kind);
            }
            return;
        default:
            return;
    }
}

void PathWorld::handle_device(const Event& event, Line& line) {
    const bool main = event.line >= kMainLine;
    switch (event.what) {
        case What::established:
            established(event.line);
            return;
        case What::refused:
            line.connecting = false;
            if (!main) {
                heartbeat_.line_failed(event.line, now_);
            } else if (event.line == kMainLine) {
                heartbeat_.connect_failed();
                connect(kMainLine);
            }
            return;
        case What::answer:
            if (main) {
                heartbeat_.heard(now_, false);
            } else {
                ++side_beats_;
                heartbeat_.line_answered(event.line, now_);
            }
            return;
        case What::end:
            if (main) {
                main_ended(event.end, line.by_path);
            } else {
                line.open = line.connecting = false;
                heartbeat_.line_ended(event.line, event.end, now_);
            }
            return;
        default:
            return;
    }
}

void PathWorld::established(std::size_t index) {
    if (index == kCandidateLine) {
        // Make before break: the new line takes the place of the old one.
        Line next = lines_[kCandidateLine];
        next.life = lines_[kMainLine].life + 1;
        lines_[kCandidateLine].connecting = false;
        lines_[kMainLine] = next;
        index = kMainLine;
        ++renewals_;
    }
    Line& line = lines_[index];
    line.open = true;
    line.connecting = false;
    line.dropped = in_outage();
    count(index, line);
    if (spec_.lifetime != 0us) {
        at(now_ + spec_.lifetime, {.what = What::age_limit, .line = index, .life = line.life});
    }
    if (index != kMainLine) {
        heartbeat_.line_opened(index, now_);
        return;
    }
    if (main_gone_ != kNever) {
        longest_gap_ = std::max(longest_gap_, now_ - main_gone_);
        main_gone_ = kNever;
    }
    heartbeat_.opened(now_);
}

void PathWorld::main_ended(const LineEnd& end, bool by_path) {
    const EndCause cause = heartbeat_.ended(end, now_);
    drops_.push_back({now_ - start_, cause, by_path});
    main_gone_ = now_;
    lines_[kCandidateLine].connecting = false;
    connect(kMainLine);
}

void PathWorld::trouble() {
    const bool restarts = hub_is_away();
    const bool outage = in_outage();
    for (std::size_t i = 0; i <= kMainLine; ++i) {
        Line& line = lines_[i];
        if (!line.open) {
            continue;
        }
        if (outage) {
            line.dropped = true;
        } else if (restarts || i == kMainLine) {
            line.dropped = true;
            const LineEnd end =
                restarts ? LineEnd{EndKind::closed, 1001} : LineEnd{EndKind::reset, 0};
            at(now_ + leg(), {.what = What::end, .line = i, .life = line.life, .end = end});
        }
    }
}

std::size_t PathWorld::drops_by_path(Duration from, Duration until) const {
    return static_cast<std::size_t>(std::ranges::count_if(drops_, [&](const Drop& drop) {
        return drop.by_path && drop.at >= from && drop.at < until;
    }));
}

// ---- The owner's part: what UplinkDriver does with sockets

void PathWorld::turn() {
    if (lines_[kMainLine].open) {
        if (heartbeat_.dead(now_)) {
            main_ended({EndKind::unanswered, 0}, lines_[kMainLine].by_path);
        } else if (heartbeat_.ping_due(now_)) {
            heartbeat_.ping_sent(now_);
            ++beats_;
            send(kMainLine, Packet::ping);
        }
    }
    while (const std::optional<LineAction> action = heartbeat_.next(now_)) {
        act(*action);
    }
    if (!learned_after_ && report().learned) {
        learned_after_ = now_ - start_;
        learned_ = report();
    }
    const Instant due = std::max(heartbeat_.deadline(), now_ + 1us);
    if (heartbeat_.deadline() != kNever && due != wake_) {
        wake_ = due;
        at(due + below(2ms), {.what = What::wake, .due = due});  // timers are late
    }
}

void PathWorld::act(const LineAction& action) {
    Line& line = lines_[action.line];
    switch (action.kind) {
        case LineAction::Kind::open:
            ++side_lines_;
            connect(action.line);
            break;
        case LineAction::Kind::ping:
            send(action.line, Packet::ping);
            break;
        case LineAction::Kind::speak:
            send(action.line, Packet::speech);
            break;
        case LineAction::Kind::close:
            line.open = line.connecting = false;
            ++line.life;
            break;
        case LineAction::Kind::renew:
            if (!lines_[kCandidateLine].connecting) {
                connect(kCandidateLine);
            }
            break;
    }
    const auto open = std::count_if(lines_.begin(), lines_.begin() + kMainLine,
                                    [](const Line& each) { return each.open || each.connecting; });
    most_side_lines_ = std::max(most_side_lines_, static_cast<std::size_t>(open));
}

}  // namespace holdfast::simulation
