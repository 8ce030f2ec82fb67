#pragma once

#include <array>
#include <cstddef>

#include "firmware/ports/entropy.h"

namespace holdfast::system {

/// The kernel's generator (getrandom), read in blocks so that a mask does not cost a system call.
/// Not thread-safe: one a thread.
class SystemEntropy final : public ports::Entropy {
public:
    ~SystemEntropy() override;
    void fill(std::span<std::byte> bytes) override;

private:
    std::array<std::byte, 1024> block_{};
    std::size_t used_ = sizeof(block_);
};

/// The kernel's boot id (/proc/sys/kernel/random/boot_id) as 64 bits, never 0; random if it cannot
/// be read.
[[nodiscard]] std::uint64_t boot_id();

}  // namespace holdfast::system
