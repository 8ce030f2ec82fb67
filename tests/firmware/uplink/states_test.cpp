#include "firmware/uplink/states.h"

#include <set>
#include <string>
#include <utility>

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::uplink;

TEST_GROUP(States){};

TEST(States, each_event_in_each_state_is_listed_once_or_refused_by_name) {
    std::set<std::pair<State, Event>> listed;
    for (const Transition& transition : kTransitions) {
        CHECK(listed.insert({transition.state, transition.event}).second);
        const Result<State> after = next(transition.state, transition.event);
        CHECK(after && *after == transition.next);
    }
    std::size_t refused = 0;
    for (const State state : kStates) {
        for (const Event event : kEvents) {
            if (listed.contains({state, event})) {
                continue;
            }
            const Result<State> after = next(state, event);
            CHECK(!after && after.error().code == ErrorCode::invalid);
            STRCMP_CONTAINS(name(state), after.error().message.c_str());
            STRCMP_CONTAINS(name(event), after.error().message.c_str());
            ++refused;
        }
    }
    LONGS_EQUAL(kStates.size() * kEvents.size(), listed.size() + refused);
}

TEST(States, every_state_is_reached_from_waiting) {
    std::set<State> reached{State::waiting};
    for (std::size_t round = 0; round < kStates.size(); ++round) {
        for (const Transition& transition : kTransitions) {
            if (reached.contains(transition.state)) {
                reached.insert(transition.next);
            }
        }
    }
    LONGS_EQUAL(kStates.size(), reached.size());
}

TEST(States, a_node_can_be_stopped_in_every_state_and_is_then_left_alone) {
    for (const State state : kStates) {
        CHECK(state == State::stopped || next(state, Event::stop) == State::stopped);
    }
    for (const Event event : kEvents) {
        CHECK(!next(State::stopped, event));
    }
}

TEST(States, records_are_sent_after_a_welcome_only) {
    for (const Transition& transition : kTransitions) {
        CHECK(transition.next != State::live || transition.event == Event::welcomed);
        CHECK(transition.event != Event::welcomed || transition.state == State::greeting);
    }
}

TEST(States, names_are_different) {
    std::set<std::string> names;
    for (const State state : kStates) {
        CHECK(names.insert(name(state)).second);
    }
    for (const Event event : kEvents) {
        CHECK(names.insert(name(event)).second);
    }
}
