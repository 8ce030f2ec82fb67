#include "firmware/telemetry/integers.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::telemetry;

namespace {

using Numbers = std::vector<std::uint64_t>;

bool comes_back(const Numbers& numbers) {
    Bytes bytes;
    encode_integers(bytes, numbers);
    Source source(bytes);
    Numbers decoded(numbers.size(), 99);
    return decode_integers(source, decoded) && source.left() == 0 && decoded == numbers;
}

/// Bits a number.
double cost(const Numbers& numbers) {
    Bytes bytes;
    encode_integers(bytes, numbers);
    return 8.0 * static_cast<double>(bytes.size()) / static_cast<double>(numbers.size());
}

}  // namespace

TEST_GROUP(Integers){};

TEST(Integers, of_any_length_and_width_come_back) {
    std::mt19937_64 random(1);
    for (const std::size_t size : {0, 1, 2, 23, 24, 25, 63, 64, 65, 128, 1000}) {
        for (unsigned width = 0; width <= 64; ++width) {
            Numbers numbers;
            for (std::size_t i = 0; i < size; ++i) {
                numbers.push_back(low_bits(random(), width));
            }
            CHECK(comes_back(numbers));
        }
    }
}

TEST(Integers, with_rare_outliers_of_any_width_come_back) {
    for (unsigned width = 1; width <= 64; ++width) {
        for (const std::size_t every : {1, 3, 10, 100}) {
            Numbers numbers;
            for (std::size_t i = 0; i < 500; ++i) {
                numbers.push_back(i % every == every - 1 ? ~std::uint64_t{0} >> (64 - width)
                                                         : i % 2);
            }
            CHECK(comes_back(numbers));
            std::ranges::replace(numbers, std::uint64_t{1}, std::uint64_t{0});
            CHECK(comes_back(numbers));
        }
    }
}

TEST(Integers, gaussian_and_laplacian_differences_cost_little_more_than_their_entropy) {
    std::mt19937_64 random(1);
    std::normal_distribution<double> gauss(0, 1e6);
    std::exponential_distribution<double> laplace(1e-6);
    Numbers from_gauss;
    Numbers from_laplace;
    for (int i = 0; i < 20'000; ++i) {
        const double sign = random() % 2 == 0 ? 1 : -1;
        from_gauss.push_back(zigzag(static_cast<std::uint64_t>(std::llround(gauss(random)))));
        from_laplace.push_back(
            zigzag(static_cast<std::uint64_t>(std::llround(sign * laplace(random)))));
    }
    CHECK(cost(from_gauss) < std::log2(1e6 * std::sqrt(2 * M_PI * M_E)) + 0.2);
    CHECK(cost(from_laplace) < std::log2(2 * M_E * 1e6) + 0.1);
}

TEST(Integers, runs_of_zeros_are_nearly_free) {
    Numbers numbers(100'000, 0);
    CHECK(cost(numbers) * 100'000 <= 8);
    for (std::size_t i = 0; i < numbers.size(); i += 5000) {
        numbers[i + i / 5000] = 3;
    }
    CHECK(cost(numbers) * 100'000 <= 8.0 * 60);
}

TEST(Integers, bits_that_no_number_uses_must_be_zero) {
    Bytes bytes;
    encode_integers(bytes, Numbers(30, 5));
    Numbers decoded(30);
    Source good(bytes);
    CHECK(decode_integers(good, decoded));
    bytes.back() |= std::byte{0x80};
    Source bad(bytes);
    CHECK(!decode_integers(bad, decoded));
}

TEST(Integers, varints_have_one_form_each) {
    for (const std::vector<int>& malformed :
         {std::vector<int>{0x80, 0x00},
          {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02},
          {0x80}}) {
        Bytes bytes;
        for (const int byte : malformed) {
            bytes.push_back(static_cast<std::byte>(byte));
        }
        Source source(bytes);
        LONGS_EQUAL(0, source.varint());
        CHECK(!source.ok());
    }
    for (const std::uint64_t number :
         {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, ~std::uint64_t{0}}) {
        Bytes bytes;
        append_varint(bytes, number);
        Source source(bytes);
        CHECK(source.varint() == number && source.ok() && source.left() == 0);
    }
}
