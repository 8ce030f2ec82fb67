#include "platform/system/entropy.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "firmware/base/check.h"

namespace holdfast::system {
namespace {

void fill_from_kernel(std::span<std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
        if (got < 0) {
            // Without random numbers nothing that follows would be safe, so the program ends.
            HOLDFAST_CHECK(errno == EINTR);
            continue;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
}

}  // namespace

SystemEntropy::~SystemEntropy() {
    explicit_bzero(block_.data(), block_.size());
}

void SystemEntropy::fill(std::span<std::byte> bytes) {
    if (bytes.size() > block_.size() / 4) {
        fill_from_kernel(bytes);
        return;
    }
    if (bytes.size() > block_.size() - used_) {
        fill_from_kernel(block_);
        used_ = 0;
    }
    // Bytes that were given out must not stay in memory.
    const auto from = std::span(block_).subspan(used_, bytes.size());
    std::ranges::copy(from, bytes.begin());
    explicit_bzero(from.data(), from.size());
    used_ += from.size();
}

std::uint64_t boot_id() {
    // 32 hexadecimal digits with hyphens between them: a random UUID, folded to half its size.
    std::array<char, 64> text{};
    ssize_t length = -1;
    if (const int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC); file >= 0) {
        length = read(file, text.data(), text.size());
        close(file);
    }
    std::array<std::uint64_t, 2> halves{};
    std::size_t digits = 0;
    for (const char c :
         std::span(text).first(static_cast<std::size_t>(std::max<ssize_t>(length, 0)))) {
        const bool decimal = c >= '0' && c <= '9';
        if ((decimal || (c >= 'a' && c <= 'f')) && digits < 32) {
            std::uint64_t& half = halves.at(digits++ / 16);
            half = half << 4u | static_cast<std::uint64_t>(decimal ? c - '0' : c - 'a' + 10);
        }
    }
    std::uint64_t id = digits == 32 ? halves[0] ^ halves[1] : 0;
    while (id == 0) {
        fill_from_kernel(std::as_writable_bytes(std::span(&id, 1)));
    }
    return id;
}

}  // namespace holdfast::system
