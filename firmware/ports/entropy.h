#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace holdfast::ports {

/// Where unpredictable bytes come from: the kernel on a device, a seeded generator in a test.
class Entropy {
public:
    virtual ~Entropy() = default;
    virtual void fill(std::span<std::byte> bytes) = 0;

    [[nodiscard]] std::uint64_t number() {
        std::uint64_t value = 0;
        fill(std::as_writable_bytes(std::span(&value, 1)));
        return value;
    }
};

}  // namespace holdfast::ports
