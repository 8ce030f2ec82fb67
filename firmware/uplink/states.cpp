#include "firmware/uplink/states.h"

#include <algorithm>
#include <string>

namespace holdfast::uplink {

const char* name(State state) {
    switch (state) {
        case State::waiting:
            return "waiting";
        case State::connecting:
            return "connecting";
        case State::greeting:
            return "greeting";
        case State::live:
            return "live";
        case State::stopped:
            return "stopped";
    }
    return "";
}

const char* name(Event event) {
    switch (event) {
        case Event::try_due:
            return "try_due";
        case Event::connected:
            return "connected";
        case Event::welcomed:
            return "welcomed";
        case Event::moved:
            return "moved";
        case Event::path_failed:
            return "path_failed";
        case Event::ended:
            return "ended";
        case Event::stop:
            return "stop";
    }
    return "";
}

Result<State> next(State state, Event event) {
    const auto found = std::ranges::find_if(kTransitions, [&](const Transition& transition) {
        return transition.state == state && transition.event == event;
    });
    if (found == kTransitions.end()) {
        return fail(ErrorCode::invalid, std::string("event \"") + name(event) +
                                            "\" has no transition in state \"" + name(state) +
                                            "\"");
    }
    return found->next;
}

}  // namespace holdfast::uplink
