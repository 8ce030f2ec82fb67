#pragma once

#include <cstdio>
#include <cstdlib>

/// Ends the program when one of our own invariants does not hold. Active in every build, because a
/// wrong node must not go on writing. Never for what a peer, a disk or a sensor did.
#define HOLDFAST_CHECK(condition)                                                                  \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "%s:%d: invariant broken: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                          \
        }                                                                                          \
    } while (false)
