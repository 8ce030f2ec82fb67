// What a machine's node is given, by its own inputs.

#include <algorithm>
#include <bit>
#include <utility>

#include "tests/simulation/machine.h"

namespace holdfast::simulation {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFloodReadings = 5500;

telemetry::Value draw_value(simulated::Random& random) {
    if (random.chance(30)) {
        return std::bit_cast<double>(random.next());
    }
    if (random.chance(10)) {
        return std::string(random.below(random.chance(20) ? 2000 : 40), 'x');
    }
    return static_cast<std::int64_t>(random.below(100'000));
}

}  // namespace

/// As a reading that is taken now is stamped.
Given Machine::make_given(telemetry::Value value, const std::string& channel) const {
    const Now now = clock_.now();
    const bool known = now.wall >= ingest::Timekeeper::kEarliest;
    const Duration time = known ? now.wall.time_since_epoch() : now.monotonic.time_since_epoch();
    Given given;
    given.time_us = std::chrono::floor<std::chrono::milliseconds>(time).count() * 1000;
    given.boot = known ? 0 : clock_.boot_id();
    given.value = std::move(value);
    given.channel = channel;
    given.true_time = clock_.true_time();
    return given;
}

// ---- A sensor that is asked

Result<void> Machine::sample(std::vector<ports::Sample>& out) {
    note_appended();  // by what came before in this event
    simulated::Random& random = setting_.random;
    if (setting_.quiet || random.chance(20)) {
        return {};
    }
    std::size_t count = 1 + random.below(4);
    if (std::exchange(floods_, false)) {
        count = kFloodReadings - random.below(5000);
    } else if (random.chance(5)) {
        count = plan_.evicts ? 20 : 60;
    }
    offer_refused_ = journal().room() == 0;
    for (; count > 0; --count) {
        const std::string channel = random.chance(97) ? "c" + std::to_string(random.below(3))
                                                      : "x" + std::to_string(random.below(500));
        const telemetry::Value value = draw_value(random);
        offered_.push_back(make_given(value, channel));
        offered_.back().kind = offer_refused_ ? Given::Kind::refused : Given::Kind::reading;
        out.push_back({{channel, "u"}, value});
    }
    if (random.chance(3)) {
        return fail(ErrorCode::io, "one of the sensors is away");
    }
    return {};
}

// ---- A file of lines

void Machine::write_lines() {
    if (plan_.feed_every == Duration{}) {
        return;
    }
    setting_.clock.after(setting_.random.between(1ms, 10 * plan_.feed_every), [this] {
        if (setting_.quiet) {
            return;
        }
        for (std::size_t count = 1 + setting_.random.below(4); count > 0; --count) {
            write_line();
        }
        write_lines();
    });
}

void Machine::write_line() {
    lines_.append(R"({"channel":"line","unit":"u","value":)" + std::to_string(lines_.lines() + 1) +
                  "}");
}

std::unique_ptr<ports::LineSource> Machine::open_lines(ports::LinePosition start,
                                                       ports::LineSource::Handler handler) {
    handler.on_lines = [this, take = std::move(handler.on_lines)](
                           std::span<const std::string_view> lines, ports::LinePosition position) {
        const std::uint64_t end = lines_.lines_before(position.offset);
        for (std::uint64_t number = end - lines.size() + 1; number <= end; ++number) {
            offered_.push_back(make_given(static_cast<std::int64_t>(number), "line"));
            offered_.back().source_number = number;
        }
        offer_refused_ = false;
        take(lines, position);
    };
    return std::make_unique<simulated::LineSource>(setting_.clock, lines_, start,
                                                   std::move(handler));
}

// ---- A program that pushes

void Machine::push() {
    if (!pusher_ || plan_.feed_every == Duration{}) {
        return;
    }
    setting_.clock.after(setting_.random.between(1ms, 6 * plan_.feed_every), [this] {
        if (!setting_.quiet) {
            pusher_->produce(1 + setting_.random.below(setting_.random.chance(2) ? 100 : 5));
            push();
        }
    });
}

// ---- What the journal has taken

void Machine::note_given(std::vector<Given> given) {
    for (Given& one : given) {
        // A gap takes one position, however many numbers it has, or goes on in the one before.
        one.end_position =
            one.kind == Given::Kind::reading ? ++seen_position_ : journal().next_position();
        one.at = setting_.clock.now();
        own_->given.push_back(std::move(one));
    }
}

/// Compares the numbers that the journal has given with what was given to it: what was offered in
/// this event, then what was pushed, then the fix of the clock. What others have sent comes behind.
void Machine::note_appended() {
    std::vector<Given> given = std::exchange(offered_, {});
    const std::uint64_t seen = own_->given.size();
    const std::uint64_t numbers = journal().own_next_seq() - 1;
    if (numbers < seen + given.size()) {
        setting_.violated("once, in order", plan_.id + " has numbered " +
                                                std::to_string(numbers - seen) + " of " +
                                                std::to_string(given.size()) + " readings");
        return;
    }
    const std::uint64_t pushed =
        pusher_ ? journal().source(PushClient::kSource).position : seen_pushed_;
    while (seen_pushed_ < pushed) {
        Given one;
        one.source_number = ++seen_pushed_;
        one.value = static_cast<std::int64_t>(one.source_number);
        one.channel = PushClient::kChannel;
        one.time_us = PushClient::time_of(one.source_number).time_since_epoch().count();
        given.push_back(std::move(one));
    }
    if (numbers == seen + given.size() + 1) {
        given.emplace_back().kind = Given::Kind::clock_fix;
    }
    if (numbers != seen + given.size()) {
        setting_.violated("once, in order",
                          plan_.id + " has numbered " + std::to_string(numbers - seen) +
                              " readings, and was given " + std::to_string(given.size()));
    }
    note_given(std::move(given));
    seen_position_ = journal().next_position();
}

}  // namespace holdfast::simulation
