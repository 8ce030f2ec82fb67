#include "firmware/telemetry/integers.h"

#include <algorithm>
#include <vector>

namespace holdfast::telemetry {
namespace {

using Numbers = std::span<const std::uint64_t>;

enum class Form : unsigned { zeros = 0, blocks = 1, sparse = 2, varints = 3 };

constexpr std::size_t kBlock = 64;
/// A longer quotient is not written in unary: after this many zeros the number follows in 64 bits.
constexpr unsigned kEscape = 24;
/// A block's code is its Rice parameter (0 to 63), or this plus the width of each number (0 to 64).
constexpr unsigned kPacked = 64;
constexpr unsigned kLastCode = kPacked + 64;

void append_form(Bytes& out, Form form) {
    out.push_back(static_cast<std::byte>(form));
}

std::uint64_t rice_cost_bits(Numbers block, unsigned parameter) {
    std::uint64_t cost = 0;
    for (const std::uint64_t number : block) {
        const std::uint64_t quotient = number >> parameter;
        cost += quotient < kEscape ? quotient + parameter : kEscape + 64;
    }
    return cost + block.size();
}

/// The cheapest code. To keep the code of the block before saves eight bits.
unsigned choose_code(Numbers block, unsigned previous) {
    std::uint64_t any = 0;
    unsigned total_width = 0;
    for (const std::uint64_t number : block) {
        any |= number;
        total_width += static_cast<unsigned>(std::bit_width(number));
    }
    const auto width = static_cast<unsigned>(std::bit_width(any));
    unsigned best = kPacked + width;
    std::uint64_t best_cost = block.size() * width + (best == previous ? 0 : 8);
    if (width == 0) {
        return best;
    }
    const auto consider = [&](unsigned parameter) {
        const std::uint64_t cost =
            rice_cost_bits(block, parameter) + (parameter == previous ? 0 : 8);
        if (cost < best_cost) {
            best_cost = cost;
            best = parameter;
        }
    };
    // For exponentially distributed numbers the best parameter is within one of their mean width.
    const auto mean = static_cast<unsigned>(total_width / block.size());
    for (unsigned parameter = mean > 0 ? mean - 1 : 0; parameter <= std::min(mean + 1, 63u);
         ++parameter) {
        consider(parameter);
    }
    if (previous < kPacked) {
        consider(previous);
    }
    return best;
}

void encode_block(BitWriter& bits, Numbers block, unsigned code) {
    if (code >= kPacked) {
        for (const std::uint64_t number : block) {
            bits.put(number, code - kPacked);
        }
        return;
    }
    for (const std::uint64_t number : block) {
        const std::uint64_t quotient = number >> code;
        if (quotient >= kEscape) {
            bits.put(std::uint64_t{1} << kEscape, kEscape + 1);
            bits.put(number, 64);
            continue;
        }
        const auto zeros = static_cast<unsigned>(quotient);
        const unsigned prefix = zeros + 1;
        if (prefix + code <= 64) {
            const std::uint64_t low = low_bits(number, code);
            bits.put(std::uint64_t{1} << zeros | (prefix < 64 ? low << prefix : 0), prefix + code);
        } else {
            bits.put(std::uint64_t{1} << zeros, prefix);
            bits.put(low_bits(number, code), code);
        }
    }
}

void encode_blocks(Bytes& out, Numbers numbers) {
    append_form(out, Form::blocks);
    BitWriter bits(out);
    unsigned previous = kPacked;
    for (; !numbers.empty(); numbers = numbers.subspan(std::min(numbers.size(), kBlock))) {
        const Numbers block = numbers.first(std::min(numbers.size(), kBlock));
        const unsigned code = choose_code(block, previous);
        bits.put(code == previous ? 1 : code << 1u, code == previous ? 1 : 9);
        encode_block(bits, block, code);
        previous = code;
    }
    bits.finish();
}

void encode_varints(Bytes& out, Numbers numbers) {
    append_form(out, Form::varints);
    for (const std::uint64_t number : numbers) {
        append_varint(out, number);
    }
}

void encode_dense(Bytes& out, Numbers numbers) {
    const std::size_t before = out.size();
    // In long sequences blocks always win.
    constexpr std::size_t kFew = 24;
    if (numbers.size() <= kFew) {
        Bytes varints;
        encode_varints(varints, numbers);
        encode_blocks(out, numbers);
        if (varints.size() <= out.size() - before) {
            out.resize(before);
            append(out, varints);
        }
        return;
    }
    encode_blocks(out, numbers);
}

std::size_t count_nonzero(Numbers numbers) {
    return numbers.size() - static_cast<std::size_t>(std::ranges::count(numbers, 0u));
}

void encode_within_sparse(Bytes& out, Numbers numbers) {
    if (numbers.empty()) {
        return;
    }
    if (count_nonzero(numbers) == 0) {
        append_form(out, Form::zeros);
        return;
    }
    encode_dense(out, numbers);
}

/// The numbers that are not zero: how many, the zeros before each, and each less one.
void encode_sparse(Bytes& out, Numbers numbers, std::size_t nonzero) {
    append_form(out, Form::sparse);
    append_varint(out, nonzero);
    std::vector<std::uint64_t> gaps;
    std::vector<std::uint64_t> values;
    gaps.reserve(nonzero);
    values.reserve(nonzero);
    std::uint64_t gap = 0;
    for (const std::uint64_t number : numbers) {
        if (number == 0) {
            ++gap;
        } else {
            gaps.push_back(gap);
            values.push_back(number - 1);
            gap = 0;
        }
    }
    encode_within_sparse(out, gaps);
    encode_within_sparse(out, values);
}

bool decode_rice(BitReader& bits, std::span<std::uint64_t> block, unsigned parameter) {
    for (std::uint64_t& number : block) {
        const std::uint64_t window = bits.peek();
        const auto zeros = static_cast<unsigned>(std::countr_zero(window));
        if (zeros >= kEscape) {
            if (zeros > kEscape) {
                return false;
            }
            bits.skip(kEscape + 1);
            number = bits.get(64);
            continue;
        }
        std::uint64_t low = 0;
        if (zeros + 1 + parameter <= 57) {
            low = low_bits(window >> (zeros + 1), parameter);
            bits.skip(zeros + 1 + parameter);
        } else {
            bits.skip(zeros + 1);
            low = bits.get(parameter);
        }
        number = std::uint64_t{zeros} << parameter | low;
    }
    return true;
}

bool decode_blocks(Source& source, std::span<std::uint64_t> numbers) {
    BitReader bits(source.rest());
    unsigned code = kPacked;
    for (; !numbers.empty(); numbers = numbers.subspan(std::min(numbers.size(), kBlock))) {
        const auto block = numbers.first(std::min(numbers.size(), kBlock));
        if (bits.get(1) == 0) {
            code = static_cast<unsigned>(bits.get(8));
        }
        if (code > kLastCode) {
            return source.fail("a block of an unknown kind");
        }
        if (code == kPacked) {
            std::ranges::fill(block, 0);
        } else if (code > kPacked) {
            for (std::uint64_t& number : block) {
                number = bits.get(code - kPacked);
            }
        } else if (!decode_rice(bits, block, code)) {
            return source.fail("a malformed block");
        }
        if (bits.overrun()) {
            return source.fail("the end is missing");
        }
    }
    if (!bits.padding_is_zero()) {
        return source.fail("stray bits after a block");
    }
    source.skip(bits.used_bytes());
    return true;
}

bool decode_form(Source& source, std::span<std::uint64_t> numbers, bool within_sparse);

bool decode_sparse(Source& source, std::span<std::uint64_t> numbers) {
    const std::uint64_t nonzero = source.varint();
    if (!source.ok() || nonzero > numbers.size()) {
        return source.fail("more numbers than there should be");
    }
    std::vector<std::uint64_t> gaps(static_cast<std::size_t>(nonzero));
    std::vector<std::uint64_t> values(gaps.size());
    if (!decode_form(source, gaps, true) || !decode_form(source, values, true)) {
        return false;
    }
    std::ranges::fill(numbers, 0);
    std::size_t at = 0;
    for (std::size_t i = 0; i < gaps.size(); ++i) {
        if (gaps[i] >= numbers.size() - at) {
            return source.fail("more numbers than there should be");
        }
        at += static_cast<std::size_t>(gaps[i]);
        numbers[at++] = values[i] + 1;
    }
    return true;
}

bool decode_form(Source& source, std::span<std::uint64_t> numbers, bool within_sparse) {
    if (numbers.empty()) {
        return source.ok();
    }
    const unsigned form = source.byte();
    if (!source.ok()) {
        return false;
    }
    switch (form) {
        case static_cast<unsigned>(Form::zeros):
            std::ranges::fill(numbers, 0);
            return true;
        case static_cast<unsigned>(Form::blocks):
            return decode_blocks(source, numbers);
        case static_cast<unsigned>(Form::varints):
            for (std::uint64_t& number : numbers) {
                number = source.varint();
            }
            return source.ok();
        case static_cast<unsigned>(Form::sparse):
            if (!within_sparse) {
                return decode_sparse(source, numbers);
            }
            break;
        default:
            break;
    }
    return source.fail("numbers of an unknown form");
}

}  // namespace

void encode_integers(Bytes& out, Numbers numbers) {
    const std::size_t nonzero = count_nonzero(numbers);
    if (nonzero == 0) {
        encode_within_sparse(out, numbers);
        return;
    }
    const std::size_t before = out.size();
    encode_dense(out, numbers);
    // A gap and a value cost more than four zeros in a block.
    if (nonzero < numbers.size() / 4) {
        Bytes sparse;
        encode_sparse(sparse, numbers, nonzero);
        if (sparse.size() < out.size() - before) {
            out.resize(before);
            append(out, sparse);
        }
    }
}

bool decode_integers(Source& source, std::span<std::uint64_t> numbers) {
    return decode_form(source, numbers, false);
}

}  // namespace holdfast::telemetry
