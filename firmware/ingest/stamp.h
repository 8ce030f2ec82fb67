#pragma once

#include <cstdint>

namespace holdfast::ingest {

/// How readings without a time of their own are stamped. While the node does not know the time,
/// `boot` is the boot's id, and `time_us` counts from the boot; else `boot` is 0, and `time_us` is
/// microseconds since 1970.
struct Stamp {
    std::uint64_t boot = 0;
    std::int64_t time_us = 0;
};

}  // namespace holdfast::ingest
