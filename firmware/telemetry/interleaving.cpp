#include "firmware/telemetry/interleaving.h"

#include <algorithm>
#include <vector>

#include "firmware/telemetry/integers.h"

namespace holdfast::telemetry {
namespace {

using Columns = std::span<const std::uint32_t>;

/// The shape: this, or 1 plus the number of columns by which the cycle is longer than once through
/// all columns.
constexpr std::uint64_t kRuns = 0;

/// The length of the shortest cycle of which the columns are repetitions, the last of them maybe
/// not whole.
std::size_t shortest_cycle(Columns columns, std::uint32_t count) {
    bool in_turn = true;
    for (std::size_t i = 0; i < columns.size() && in_turn; ++i) {
        in_turn = columns[i] == i % count;
    }
    if (in_turn) {
        return count;
    }
    // border[i] is the length of the longest proper prefix of columns[0, i] that is also its suffix
    // (Knuth, Morris and Pratt). The whole without its border is the cycle.
    std::vector<std::uint32_t> border(columns.size(), 0);
    std::uint32_t length = 0;
    for (std::size_t i = 1; i < columns.size(); ++i) {
        while (length > 0 && columns[i] != columns[length]) {
            length = border[length - 1];
        }
        if (columns[i] == columns[length]) {
            ++length;
        }
        border[i] = length;
    }
    return columns.size() - length;
}

/// The distance of each column from the one that was expected.
std::vector<std::uint64_t> to_steps(Columns columns, std::uint32_t count) {
    std::vector<std::uint64_t> steps;
    steps.reserve(columns.size());
    std::uint32_t next = 0;
    for (const std::uint32_t column : columns) {
        steps.push_back(column >= next ? column - next : column + count - next);
        next = column + 1 == count ? 0 : column + 1;
    }
    return steps;
}

bool from_steps(Source& source, std::span<const std::uint64_t> steps, std::uint32_t count,
                std::span<std::uint32_t> columns) {
    std::uint32_t next = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (steps[i] >= count) {
            return source.fail("a column that does not exist");
        }
        const std::uint64_t column = next + steps[i];
        columns[i] = static_cast<std::uint32_t>(column < count ? column : column - count);
        next = columns[i] + 1 == count ? 0 : columns[i] + 1;
    }
    return true;
}

Bytes encode_runs(Columns columns, std::uint32_t count) {
    std::vector<std::uint32_t> heads;
    std::vector<std::uint64_t> more;
    for (const std::uint32_t column : columns) {
        if (!heads.empty() && heads.back() == column) {
            ++more.back();
        } else {
            heads.push_back(column);
            more.push_back(0);
        }
    }
    Bytes out;
    append_varint(out, kRuns);
    append_varint(out, heads.size());
    encode_integers(out, to_steps(heads, count));
    encode_integers(out, more);
    return out;
}

bool decode_runs(Source& source, std::span<std::uint32_t> columns, std::uint32_t count) {
    const std::uint64_t runs = source.varint();
    if (!source.ok() || runs > columns.size()) {
        return source.fail("more runs than readings");
    }
    std::vector<std::uint64_t> steps(static_cast<std::size_t>(runs));
    std::vector<std::uint64_t> more(steps.size());
    std::vector<std::uint32_t> heads(steps.size());
    if (!decode_integers(source, steps) || !decode_integers(source, more) ||
        !from_steps(source, steps, count, heads)) {
        return false;
    }
    std::size_t at = 0;
    for (std::size_t i = 0; i < heads.size(); ++i) {
        if (more[i] >= columns.size() - at) {
            return source.fail("runs of more than all readings");
        }
        const auto length = static_cast<std::size_t>(more[i]) + 1;
        std::ranges::fill(columns.subspan(at, length), heads[i]);
        at += length;
    }
    return at == columns.size() || source.fail("runs of less than all readings");
}

bool decode_cycle(Source& source, std::span<std::uint32_t> columns, std::uint32_t count,
                  std::uint64_t length) {
    if (length > columns.size()) {
        return source.fail("a cycle longer than the batch");
    }
    std::vector<std::uint32_t> cycle(static_cast<std::size_t>(length));
    std::vector<std::uint64_t> steps(cycle.size(), 0);
    if ((length > count && !decode_integers(source, steps)) ||
        !from_steps(source, steps, count, cycle)) {
        return false;
    }
    for (std::size_t i = 0, at = 0; i < columns.size(); ++i) {
        columns[i] = cycle[at];
        at = at + 1 == cycle.size() ? 0 : at + 1;
    }
    return true;
}

}  // namespace

void encode_interleaving(Bytes& out, Columns columns, std::uint32_t count) {
    const std::size_t cycle = shortest_cycle(columns, count);
    Bytes best;
    append_varint(best, cycle - count + 1);
    if (cycle > count) {
        encode_integers(best, to_steps(columns.first(cycle), count));
        Bytes runs = encode_runs(columns, count);
        if (runs.size() < best.size()) {
            best = std::move(runs);
        }
    }
    append(out, best);
}

bool decode_interleaving(Source& source, std::span<std::uint32_t> columns, std::uint32_t count) {
    const std::uint64_t shape = source.varint();
    if (!source.ok() || shape > columns.size()) {
        return source.fail("a cycle longer than the batch");
    }
    if (shape == kRuns ? !decode_runs(source, columns, count)
                       : !decode_cycle(source, columns, count, count + shape - 1)) {
        return false;
    }
    std::uint32_t appeared = 0;
    for (const std::uint32_t column : columns) {
        if (column > appeared) {
            return source.fail("a column before its turn");
        }
        appeared += column == appeared ? 1 : 0;
    }
    return appeared == count || source.fail("a column without a reading");
}

}  // namespace holdfast::telemetry
