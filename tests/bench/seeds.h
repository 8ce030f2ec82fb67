#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace holdfast::bench {

/// Of "--seeds N"; 5 without it. nullopt: the command line is something else, and the usage was
/// printed.
[[nodiscard]] inline std::optional<std::uint64_t> seeds_of(int argc, char** argv,
                                                           const char* program) {
    if (argc == 3 && std::string_view(argv[1]) == "--seeds") {
        return std::max<std::uint64_t>(1, std::strtoull(argv[2], nullptr, 10));
    }
    if (argc != 1) {
        std::fprintf(stderr, "%s [--seeds N]\n", program);
        return std::nullopt;
    }
    return 5;
}

}  // namespace holdfast::bench
