#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/journal/journal.h"
#include "firmware/journal/record.h"

namespace holdfast::journal {

struct ConsumerOptions {
    /// Records read ahead from the store: bytes of their bodies.
    std::size_t read_bytes = 256u << 10;
};

/// Reads the journal on, record by record in the order of positions: from the rows of the store,
/// which it reads ahead, and then from the journal's memory. It *holds* the records until it has
/// confirmed them.
///
/// Without input and output: `take_read` says what is to be read from the store, the owner has the
/// storage thread read it, and answers with `fetched`. On the network thread, beside its Journal.
class Consumer {
public:
    Consumer(Journal& journal, const ConsumerOptions& options)
        : journal_(journal), options_(options) {}

    // ---- Reading on

    /// The record at `position()`, or the next one after it. nullopt: there is none, or it has to
    /// be read from the store first.
    [[nodiscard]] std::optional<Record> next();
    /// Goes on to `position`: as a rule the `end_position` of the record that `next` gave.
    void move_to(std::uint64_t position);
    /// Where `next` looks.
    [[nodiscard]] std::uint64_t position() const { return cursor_; }
    /// The other side has everything before `position`: the journal may give it back.
    void confirm(std::uint64_t position, Instant now);
    /// Goes back to what is not confirmed, and forgets what was read ahead; the answer to a read
    /// that is out is passed over.
    void rewind();

    // ---- The store

    struct Read {
        std::uint64_t position = 0;
        std::size_t max_bytes = 0;
    };
    /// What is to be read from the store, if anything; at most one read is out at a time. The
    /// caller answers with `fetched`.
    [[nodiscard]] std::optional<Read> take_read(Instant now);
    /// true: nothing is left of the rows that were there (evicted, or lost with a damaged file),
    /// and the consumer has moved on past them. Errors: those of the read, which is tried again
    /// later.
    Result<bool> fetched(Result<std::vector<Record>> records, Instant now);
    /// When `take_read` is to be asked again after a read that failed; kNever: none did.
    [[nodiscard]] Instant deadline() const { return retry_at_; }

private:
    Journal& journal_;
    ConsumerOptions options_;
    std::uint64_t cursor_ = 0;

    /// The read-ahead; it begins at the cursor or after it.
    std::deque<Record> ahead_;
    bool read_out_ = false;
    bool read_stale_ = false;     ///< `rewind` was called while the read was out
    std::uint64_t read_end_ = 0;  ///< what the store held when the read was taken
    Instant retry_at_ = kNever;
};

}  // namespace holdfast::journal
