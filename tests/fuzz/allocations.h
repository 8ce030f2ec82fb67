#pragma once

#include <algorithm>
#include <cstddef>
#include <sanitizer/allocator_interface.h>

namespace holdfast::fuzz {

/// The largest block that was asked for while one of these lives.
class Allocations {
public:
    Allocations() {
        [[maybe_unused]] static const int installed =
            __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
        largest_ = 0;
        watching_ = true;
    }
    Allocations(const Allocations&) = delete;
    Allocations& operator=(const Allocations&) = delete;
    ~Allocations() { watching_ = false; }

    [[nodiscard]] std::size_t largest_bytes() const { return largest_; }

private:
    static void on_malloc(const volatile void* /*block*/, std::size_t size) {
        if (watching_) {
            largest_ = std::max(largest_, size);
        }
    }
    static void on_free(const volatile void* /*block*/) {}

    static inline bool watching_ = false;
    static inline std::size_t largest_ = 0;
};

}  // namespace holdfast::fuzz
