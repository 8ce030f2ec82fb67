#pragma once

#include <algorithm>

#include "firmware/base/clock.h"
#include "firmware/ports/entropy.h"

namespace holdfast::uplink {

/// Exponential back-off with full jitter: the n-th wait is uniform in (0, min(max, first · 2ⁿ)], so
/// that a thousand devices that lost their hub at one moment do not come back at one moment.
class Backoff {
public:
    Backoff(Duration first, Duration max) : first_(first), max_(max) {}

    [[nodiscard]] Duration next(ports::Entropy& entropy) {
        const Duration cap = std::min(max_, first_ * (std::int64_t{1} << std::min(attempt_, 30)));
        ++attempt_;
        return Duration(1 + static_cast<std::int64_t>(entropy.number() %
                                                      static_cast<std::uint64_t>(cap.count())));
    }
    void reset() { attempt_ = 0; }

private:
    Duration first_;
    Duration max_;
    int attempt_ = 0;
};

}  // namespace holdfast::uplink
