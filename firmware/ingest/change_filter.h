#pragma once

#include <map>
#include <string>
#include <vector>

#include "firmware/ports/driver.h"

namespace holdfast::ingest {

/// `on_change`: keeps a sample only if its value differs from the one last kept for its channel by
/// more than `dead_band` (numbers), or at all (bool, string, bytes). A change of type, and NaN to
/// number or back, is a change.
class ChangeFilter {
public:
    explicit ChangeFilter(double dead_band) : dead_band_(dead_band) {}
    /// Removes from `samples` what did not change.
    void apply(std::vector<ports::Sample>& samples);

private:
    double dead_band_;
    std::map<std::string, telemetry::Value> last_;
};

}  // namespace holdfast::ingest
