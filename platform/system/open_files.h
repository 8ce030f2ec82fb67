#pragma once

#include <cstdint>

namespace holdfast::system {

/// Raises the process's limit of open files to `wanted`, as far as the hard limit allows. Returns
/// the limit that is in force then; `wanted` if it is not known.
[[nodiscard]] std::uint64_t raise_open_files(std::uint64_t wanted);

}  // namespace holdfast::system
