#include "firmware/app/sensor_scheduler.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "firmware/app/node.h"
#include "firmware/hub/push.h"
#include "firmware/telemetry/json.h"
#include "platform/system/log.h"

namespace holdfast::app {

namespace {

constexpr Duration kBadLineLogInterval = std::chrono::seconds(10);
constexpr Duration kLongestRetry = std::chrono::minutes(1);

Instant next_multiple(Instant now, Duration interval) {
    const auto count = now.time_since_epoch() / interval + 1;
    return Instant(interval * count);
}

}  // namespace

SensorScheduler::SensorScheduler(Node& node, const std::vector<Config::Sensor>& sensors)
    : node_(node), timer_(node.io()) {
    const Instant now = system::monotonic_now();
    for (const Config::Sensor& config : sensors) {
        if (config.driver == "lines") {
            open_lines(config);
            continue;
        }
        auto polled = std::make_unique<Polled>();
        polled->config = config;
        polled->driver = sensors::find_driver_type(config.driver)->make(sensors::Root{});
        if (config.on_change) {
            polled->filter.emplace(config.dead_band);
        }
        // The first reading is taken at once; from then on in step with the others.
        polled->due = now;
        polled->state.driver = config.driver;
        polled_.push_back(std::move(polled));
    }
    arm();
}

SensorScheduler::~SensorScheduler() {
    *alive_ = false;
}

void SensorScheduler::stop() {
    timer_.cancel();
    polled_.clear();
    lines_.clear();
}

void SensorScheduler::arm() {
    if (polled_.empty()) {
        return;
    }
    const auto first =
        std::ranges::min_element(polled_, {}, [](const auto& sensor) { return sensor->due; });
    timer_.expires_after(std::max(Duration{}, (*first)->due - system::monotonic_now()));
    timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
        if (!error && *alive) {
            sample_due();
            arm();
        }
    });
}

void SensorScheduler::sample_due() {
    const Now now = system::now();
    for (const auto& sensor : polled_) {
        if (sensor->due <= now.monotonic) {
            sample(*sensor, now);
        }
    }
    node_.poke();
}

void SensorScheduler::sample(Polled& sensor, Now now) {
    std::vector<ports::Sample> samples;
    const Result<void> result = sensor.driver->sample(samples);
    report(sensor.state, result ? "" : result.error().message);
    // One that gives nothing but errors is asked less and less often.
    sensor.failures = !result && samples.empty() ? sensor.failures + 1 : 0;
    const Duration wait =
        sensor.config.interval * (std::int64_t{1} << std::min(sensor.failures, 16));
    sensor.due = next_multiple(now.monotonic,
                               std::max(sensor.config.interval, std::min(wait, kLongestRetry)));
    sensor.state.channels = std::max(sensor.state.channels, samples.size());
    if (sensor.filter) {
        sensor.filter->apply(samples);
    }
    if (samples.empty()) {
        return;
    }
    sensor.state.last_time = now.wall;
    const hub::Stamp stamp = node_.stamp();
    telemetry::Batch batch;
    batch.boot = stamp.boot;
    for (ports::Sample& sample : samples) {
        const auto channel = node_.journal().channel(sample.channel);
        if (!channel) {
            report(sensor.state, channel.error().message);
            continue;
        }
        batch.readings.push_back({*channel, stamp.time_us, std::move(sample.value)});
    }
    hub::Shared shared = node_.shared();
    hub::append_own(shared, batch, journal::Promise::by_deadline, nullptr, false, now.monotonic);
}

// ---- Lines

void SensorScheduler::open_lines(const Config::Sensor& config) {
    auto lines = std::make_unique<Lines>();
    lines->config = config;
    lines->state.driver = "lines " + config.path;
    Lines* self = lines.get();
    const journal::SourcePosition start = node_.journal().source("lines:" + config.path);
    ports::LineSource::Handler handler;
    handler.on_lines = [this, self](std::span<const std::string_view> texts,
                                    ports::LinePosition position) {
        take_lines(*self, texts, position);
    };
    handler.on_error = [this, self](const Error& error) { report(self->state, error.message); };
    handler.on_end = [self] {
        log::info("sensors: " + self->state.driver + ": the input has ended");
    };
    lines->source = sensors::open_lines(node_.io(), config.path, {start.position, start.tag},
                                        std::move(handler));
    lines_.push_back(std::move(lines));
}

void SensorScheduler::take_lines(Lines& lines, std::span<const std::string_view> texts,
                                 ports::LinePosition position) {
    const Instant now = system::monotonic_now();
    const hub::Stamp stamp = node_.stamp();
    std::vector<telemetry::JsonReading> readings;
    for (const std::string_view text : texts) {
        if (text.find_first_not_of(" \t") == std::string_view::npos) {
            continue;
        }
        auto parsed = telemetry::parse_readings(text);
        if (!parsed) {
            note_bad_line(lines, parsed.error().message + ": " + std::string(text.substr(0, 80)));
            continue;
        }
        std::ranges::move(*parsed, std::back_inserter(readings));
    }
    const bool remembers = lines.source->remembers();
    const journal::SourcePosition source{"lines:" + lines.config.path, position.offset,
                                         position.inode};
    hub::Shared shared = node_.shared();
    const auto end = hub::append_readings(
        shared, readings, stamp, remembers ? journal::Promise::now : journal::Promise::by_deadline,
        remembers ? &source : nullptr, now);
    if (end) {
        lines.state.last_time = system::wall_now();
    } else {
        note_bad_line(lines, end.error().message);
    }
    if (node_.journal().room() == 0 || node_.journal().storage_error() != nullptr) {
        lines.paused = true;
        lines.source->pause();
    }
    node_.poke();
}

/// A line that is no reading costs itself only. One in ten seconds is logged, the others are
/// counted.
void SensorScheduler::note_bad_line(Lines& lines, const std::string& problem) {
    const Instant now = system::monotonic_now();
    ++lines.passed_over;
    lines.state.last_error = problem;
    if (now >= lines.next_log) {
        lines.next_log = now + kBadLineLogInterval;
        log::warning("sensors: " + lines.state.driver + ": passed over " +
                     std::to_string(std::exchange(lines.passed_over, 0)) +
                     " line(s), the last: " + problem);
    }
}

void SensorScheduler::journal_moved() {
    const bool has_room = node_.journal().room() > node_.config().journal.memory_bytes / 4 &&
                          node_.journal().storage_error() == nullptr;
    for (const auto& lines : lines_) {
        if (has_room && std::exchange(lines->paused, false)) {
            lines->source->resume();
        }
    }
}

/// Logged once per change: a sensor that stays away does not fill the log.
void SensorScheduler::report(State& state, const std::string& error) {
    if (state.last_error == error) {
        return;
    }
    if (error.empty()) {
        log::info("sensors: " + state.driver + ": well again");
    } else {
        log::warning("sensors: " + state.driver + ": " + error);
    }
    state.last_error = error;
}

std::vector<SensorScheduler::State> SensorScheduler::states() const {
    std::vector<State> out;
    for (const auto& sensor : polled_) {
        out.push_back(sensor->state);
    }
    for (const auto& lines : lines_) {
        out.push_back(lines->state);
    }
    return out;
}

}  // namespace holdfast::app
