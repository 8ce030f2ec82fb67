#pragma once

#include "firmware/base/clock.h"
#include "firmware/hub/shared.h"
#include "firmware/line/hub_end.h"

namespace holdfast::hub {

/// Keeps the fleet and the live feed in step with what happens on one line. The line outlives it.
///
/// A superseded line does not touch the fleet's entry: that is the newer line's.
class Presence {
public:
    Presence(Shared shared, line::HubEnd& end) : shared_(shared), end_(end) {}
    Presence(const Presence&) = delete;
    Presence& operator=(const Presence&) = delete;
    /// The device, and what it relays, is offline now, unless the line was superseded.
    ~Presence();

    /// Takes the line's events. To be called after each `HubEnd::received`, whatever its result
    /// was, and before another line receives: the live feed needs readings in the order of
    /// positions.
    void follow(WallTime now);

private:
    void apply(const line::HubEnd::Greeted& greeted, WallTime now);
    void apply(const line::HubEnd::Heard& heard, WallTime now);
    void apply(const line::HubEnd::Relayed& relayed, WallTime now);
    void apply(const line::HubEnd::Appended& appended, WallTime now);
    [[nodiscard]] Device& device() { return shared_.fleet[end_.admission().device]; }

    Shared shared_;
    line::HubEnd& end_;
    bool is_online_ = false;  ///< by this line: Hello was applied
};

}  // namespace holdfast::hub
