#include "firmware/ingest/polled_sensor.h"

#include <algorithm>
#include <string>
#include <utility>

#include "firmware/ingest/append.h"

namespace holdfast::ingest {

namespace {

constexpr Duration kLongestRetry = std::chrono::minutes(1);

Instant next_multiple(Instant now, Duration interval) {
    const auto count = now.time_since_epoch() / interval + 1;
    return Instant(interval * count);
}

}  // namespace

PolledSensor::PolledSensor(InputContext& context, const SensorOptions& options,
                           std::unique_ptr<ports::Driver> driver, Instant now)
    : context_(context), options_(options), driver_(std::move(driver)), due_(now) {
    if (options.on_change) {
        filter_.emplace(options.dead_band);
    }
    state_.driver = options.driver;
}

void PolledSensor::sample(Now now) {
    std::vector<ports::Sample> samples;
    const Result<void> result = driver_->sample(samples);
    failures_ = !result && samples.empty() ? failures_ + 1 : 0;
    const Duration wait = options_.interval * (std::int64_t{1} << std::min(failures_, 16));
    due_ = next_multiple(now.monotonic, std::max(options_.interval, std::min(wait, kLongestRetry)));
    state_.channels = std::max(state_.channels, samples.size());
    std::string problem = result ? "" : result.error().message;
    // Before the filter: a channel that is refused is an error also while its value stays the same.
    std::erase_if(samples, [&](const ports::Sample& sample) {
        const auto channel = context_.shared.journal.channel(sample.channel);
        if (!channel && problem.empty()) {
            problem = channel.error().message;
        }
        return !channel;
    });
    state_.report(context_.log, problem);
    if (filter_) {
        filter_->apply(samples);
    }
    if (!samples.empty()) {
        append(samples, now);
    }
}

void PolledSensor::append(std::vector<ports::Sample>& samples, Now now) {
    state_.last_time = now.wall;
    const Stamp stamp = context_.timekeeper.stamp(now);
    telemetry::Batch batch;
    batch.boot = stamp.boot;
    for (ports::Sample& sample : samples) {
        const auto channel = context_.shared.journal.channel(sample.channel);
        batch.readings.push_back({*channel, stamp.time_us, std::move(sample.value)});
    }
    append_own(context_.shared, batch, journal::Promise::by_deadline, nullptr, false,
               now.monotonic);
}

}  // namespace holdfast::ingest
