#include "firmware/websocket/mask.h"

#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "tests/stride.h"

namespace holdfast::websocket {
namespace {

constexpr std::array kKey{std::byte{0x11}, std::byte{0xa2}, std::byte{0x44}, std::byte{0x88}};

/// Two pages that may be touched, and one before and behind them that may not: what reads or writes
/// beyond its span ends the program.
class GuardedPages {
public:
    GuardedPages()
        : page_size_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))),
          memory_(static_cast<std::byte*>(
              mmap(nullptr, 4 * page_size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
        CHECK_EQUAL(0, mprotect(memory_ + page_size_, size(), PROT_READ | PROT_WRITE));
    }
    GuardedPages(const GuardedPages&) = delete;
    GuardedPages& operator=(const GuardedPages&) = delete;
    ~GuardedPages() { munmap(memory_, 4 * page_size_); }

    [[nodiscard]] std::size_t size() const { return 2 * page_size_; }
    [[nodiscard]] std::byte* begin() { return memory_ + page_size_; }
    [[nodiscard]] std::byte* end() { return begin() + size(); }

private:
    std::size_t page_size_;
    std::byte* memory_;
};

struct Way {
    const char* name;
    bool (*mask)(std::byte*, std::size_t, masking::Key);
    std::size_t least_size;
};

std::vector<Way> ways() {
    std::vector<Way> all{{"by_8", masking::by_8, masking::kShort},
                         {"by_16", masking::by_16, masking::kShort},
                         {"best", masking::best, masking::kShort},
                         {"apply_mask",
                          [](std::byte* bytes, std::size_t size, masking::Key key) {
                              return apply_mask({bytes, size},
                                                std::bit_cast<std::array<std::byte, 4>>(key));
                          },
                          0}};
#ifdef __x86_64__
    if (masking::has_avx2()) {
        all.push_back({"by_32", masking::by_32, masking::kShort});
    }
#endif
    return all;
}

/// The definition of Section 5.3; true: all of the outcome is ASCII.
bool mask_by_definition(std::span<std::byte> bytes, std::size_t offset) {
    bool ascii = true;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] ^= kKey[(offset + i) % 4];
        ascii = ascii && std::to_integer<unsigned>(bytes[i]) < 0x80;
    }
    return ascii;
}

void fill(std::span<std::byte> bytes, unsigned seed) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::byte>(i * 37 + seed);
    }
}

void check_same(const Way& way, std::span<std::byte> place, std::size_t offset) {
    std::vector<std::byte> expected(place.begin(), place.end());
    const bool ascii = mask_by_definition(expected, offset);
    const masking::Key key = masking::turned(std::bit_cast<masking::Key>(kKey), offset);
    const bool said = way.mask(place.data(), place.size(), key);
    if (said != ascii || !std::equal(place.begin(), place.end(), expected.begin())) {
        FAIL((std::string(way.name) + ", size " + std::to_string(place.size()) + ", offset " +
              std::to_string(offset))
                 .c_str());
    }
}

}  // namespace

TEST_GROUP(Mask){};

TEST(Mask, every_way_is_the_definition_for_every_size_offset_and_alignment) {
    std::vector<std::byte> room(512);
    for (const Way& way : ways()) {
        for (std::size_t size = way.least_size; size <= 300; size += kStride) {
            for (std::size_t offset = 0; offset < 4; ++offset) {
                for (std::size_t alignment = 0; alignment < 32; ++alignment) {
                    fill(room, static_cast<unsigned>(size));
                    check_same(way, std::span(room).subspan(64 + alignment, size), offset);
                }
            }
        }
    }
}

TEST(Mask, every_way_touches_nothing_outside) {
    GuardedPages pages;
    for (const Way& way : ways()) {
        for (std::size_t size = way.least_size; size <= 300; size += kStride) {
            fill({pages.begin(), pages.size()}, 0);
            std::vector<std::byte> before(pages.begin(), pages.end());
            check_same(way, {pages.begin(), size}, 1);
            CHECK_TRUE(std::equal(pages.begin() + size, pages.end(),
                                  before.begin() + static_cast<std::ptrdiff_t>(size)));
            before.assign(pages.begin(), pages.end());
            check_same(way, {pages.end() - size, size}, 2);
            CHECK_TRUE(std::equal(pages.begin(), pages.end() - size, before.begin()));
        }
        check_same(way, {pages.begin(), pages.size()}, 3);
    }
}

TEST(Mask, every_way_sees_a_single_byte_that_is_not_ascii_wherever_it_is) {
    std::vector<std::byte> room(320);
    for (const Way& way : ways()) {
        for (std::size_t size = way.least_size; size <= 300; size += kStride) {
            const std::span<std::byte> place = std::span(room).subspan(5, size);
            for (std::size_t at = 0; at <= size; ++at) {
                std::ranges::fill(place, std::byte{0x7f});
                if (at < size) {
                    place[at] = std::byte{0x80};
                }
                mask_by_definition(place, 0);
                CHECK_EQUAL(at == size,
                            way.mask(place.data(), size, std::bit_cast<masking::Key>(kKey)));
            }
        }
    }
}

TEST(Mask, key_goes_on_where_the_last_piece_ended) {
    std::vector<std::byte> whole(1000);
    fill(whole, 1);
    std::vector<std::byte> pieces = whole;
    apply_mask(whole, kKey);
    for (std::size_t begin = 0, size = 1; begin < pieces.size(); begin += size, size += 3) {
        size = std::min(size, pieces.size() - begin);
        apply_mask(std::span(pieces).subspan(begin, size), kKey, begin);
    }
    CHECK_TRUE(pieces == whole);
}

}  // namespace holdfast::websocket
