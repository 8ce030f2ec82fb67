#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "firmware/api/view.h"
#include "firmware/app/config.h"
#include "platform/sensors/change_filter.h"
#include "platform/sensors/driver.h"
#include "platform/sensors/lines.h"

namespace holdfast::app {

class Node;

/// Asks the sensors when it is their time, and takes the lines that come. Times are multiples of
/// the interval on the monotonic clock, so sensors of one interval are read together, carry one
/// stamp, and share a batch.
class SensorScheduler {
public:
    SensorScheduler(Node& node, const std::vector<Config::Sensor>& sensors);
    ~SensorScheduler();

    /// The journal may have room again.
    void journal_moved();
    void stop();

    using State = api::SensorState;
    [[nodiscard]] std::vector<State> states() const;

private:
    struct Polled {
        Config::Sensor config;
        std::unique_ptr<ports::Driver> driver;
        std::optional<sensors::ChangeFilter> filter;
        Instant due{};
        int failures = 0;
        State state;
    };
    struct Lines {
        Config::Sensor config;
        std::unique_ptr<ports::LineSource> source;
        bool paused = false;
        std::uint64_t passed_over = 0;
        Instant next_log{};
        State state;
    };

    void arm();
    void sample_due();
    void sample(Polled& sensor, Now now);
    void open_lines(const Config::Sensor& config);
    void take_lines(Lines& lines, std::span<const std::string_view> texts,
                    ports::LinePosition position);
    void note_bad_line(Lines& lines, const std::string& problem);
    void report(State& state, const std::string& error);

    Node& node_;
    std::vector<std::unique_ptr<Polled>> polled_;
    std::vector<std::unique_ptr<Lines>> lines_;
    boost::asio::steady_timer timer_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast::app
