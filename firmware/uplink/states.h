#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/error.h"

namespace holdfast::uplink {

/// The client's main states: what is known of its main line.
enum class State : std::uint8_t {
    waiting,     ///< no line; the next try comes when the back-off is over
    connecting,  ///< a path is tried
    greeting,    ///< messages pass; Hello was said, Welcome is awaited
    live,        ///< Welcome came: records are sent
    stopped,     ///< this node stops: no further tries
};
inline constexpr std::array kStates = {State::waiting, State::connecting, State::greeting,
                                       State::live, State::stopped};

enum class Event : std::uint8_t {
    try_due,      ///< the back-off is over
    connected,    ///< the carrier is up: messages can be sent
    welcomed,     ///< Welcome came
    moved,        ///< the candidate line took the place of the main line
    path_failed,  ///< the line ended, or none came about; the next path is tried at once
    ended,        ///< the same, and the back-off begins
    stop,         ///< the node stops
};
inline constexpr std::array kEvents = {Event::try_due, Event::connected,   Event::welcomed,
                                       Event::moved,   Event::path_failed, Event::ended,
                                       Event::stop};

struct Transition {
    State state;
    Event event;
    State next;
};

/// All that may happen. What is not here is an error, see `next`.
inline constexpr std::array kTransitions = {
    Transition{State::waiting, Event::try_due, State::connecting},
    Transition{State::waiting, Event::stop, State::stopped},

    Transition{State::connecting, Event::connected, State::greeting},
    Transition{State::connecting, Event::path_failed, State::connecting},
    Transition{State::connecting, Event::ended, State::waiting},
    Transition{State::connecting, Event::stop, State::stopped},

    Transition{State::greeting, Event::welcomed, State::live},
    Transition{State::greeting, Event::moved, State::greeting},
    Transition{State::greeting, Event::path_failed, State::connecting},
    Transition{State::greeting, Event::ended, State::waiting},
    Transition{State::greeting, Event::stop, State::stopped},

    Transition{State::live, Event::moved, State::greeting},
    Transition{State::live, Event::path_failed, State::connecting},
    Transition{State::live, Event::ended, State::waiting},
    Transition{State::live, Event::stop, State::stopped},
};

[[nodiscard]] const char* name(State state);
[[nodiscard]] const char* name(Event event);

/// The state after `event`. Errors: invalid, an event that is not listed for this state; the error
/// names both.
[[nodiscard]] Result<State> next(State state, Event event);

}  // namespace holdfast::uplink
