#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/journal/cursor.h"
#include "firmware/journal/journal.h"
#include "firmware/journal/record.h"

namespace holdfast::journal {

struct ConsumerOptions {
    /// "": nothing is kept of it. A name is kept with its position until `Journal::end_consumer`.
    std::string name = {};
    /// Records are kept for it until it has confirmed them; evicted ones leave a Gap. Needs a name.
    bool holds = false;
    /// Where to begin, in the place of the position that is kept. The kept one does not fall.
    std::optional<Cursor> from = {};
    /// Where a new one begins: at what comes next, or with the oldest record that there is.
    bool begins_with_next = false;
    /// Is also given records that are not yet on stable storage, here or at the hub. After a power
    /// cut they may be gone, and come again at other positions. While a line is healthy, records
    /// are given back as soon as the hub has them: one that follows beside an uplink has to be
    /// early to see them.
    bool early = false;
    /// Records read ahead from the store: bytes of their bodies.
    std::size_t read_bytes = 256u << 10;
};

/// Reads the journal on, record by record in the order of positions: from the rows of the store,
/// which it reads ahead, and then from the journal's memory.
///
/// It *holds* (`ConsumerOptions::holds`): the journal keeps the records until it has confirmed
/// them, and what the size limit evicts all the same leaves Gap records for it. Or it *follows*: it
/// holds up nobody, and when it is too slow, the positions that it missed are told by
/// `take_missed`; after a start these may be some at which nothing stood.
///
/// A relay to a broker is this much (`publish` sends, `published_before` says what the broker has):
///
///     auto relay = Consumer::open(journal, {.name = "relay", .holds = true}, now);
///     // in each turn:
///     if (auto missed = relay->take_missed()) { log(*missed); }
///     while (auto record = relay->next()) {
///         publish(*record);
///         relay->move_to(record->end_position());
///     }
///     relay->confirm(published_before, now);
///     if (auto read = relay->take_read(now)) { … storage thread …, then relay->fetched(…, now) }
///
/// A durable subscription is the same with `.holds = false`, a name of its owner and id, and
/// `confirm` where the client acknowledges; its receipt goes out when `durable_position` is there.
///
/// Records may come again in part: after `rewind` and a restart, and where a row or a Gap has grown
/// since it was read. Their positions then begin before `position()`; a Gap's numbers may reach
/// back to some that were given. Numbers of a stream that jump without a Gap were damaged on the
/// disk.
///
/// Without input and output: `take_read` says what is to be read from the store, the owner has the
/// storage thread read it after all writes given to it before, and answers with `fetched`. On the
/// network thread, beside its Journal.
class Consumer {
public:
    /// The uplink's: what it confirms, the hub has acknowledged (`Journal::release`). It has no
    /// name, for its position is kept by the rows that are there; it holds, is early, and is never
    /// told what is missed, for the line tells that by numbers.
    Consumer(Journal& journal, const ConsumerOptions& options);
    /// Any other. A cursor that is not of this file's positions is told by `take_missed`, and
    /// reading begins with the oldest record. Errors: those of `Journal::keep_consumer`.
    [[nodiscard]] static Result<Consumer> open(Journal& journal, const ConsumerOptions& options,
                                               Instant now);

    // ---- Reading on

    /// The record at `position()`, or the next one after it. nullopt: there is none, or it is not
    /// durable, or has to be read from the store first, or `take_missed` has something before it.
    [[nodiscard]] std::optional<Record> next();
    /// Goes on to `position`: as a rule the `end_position` of the record that `next` gave.
    void move_to(std::uint64_t position);
    /// Where `next` looks.
    [[nodiscard]] std::uint64_t position() const { return cursor_; }
    /// As it may be shown outside.
    [[nodiscard]] Cursor cursor() const { return {journal_->generation(), cursor_}; }
    /// What was to be had no more when `next` or `fetched` came to it; taken, it is passed. Nothing
    /// is given before it was taken.
    [[nodiscard]] std::optional<Missed> take_missed();

    /// The other side has everything before `position`, which `next` has given. Never falls.
    void confirm(std::uint64_t position, Instant now);
    /// Everything before it is confirmed on stable storage.
    [[nodiscard]] std::uint64_t durable_position() const;
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
    [[nodiscard]] std::uint64_t start();
    [[nodiscard]] std::optional<Record> next_to_give();
    void pass_to(std::uint64_t position);

    Journal* journal_;
    ConsumerOptions options_;
    bool is_uplink_ = true;
    std::uint64_t cursor_ = 0;
    std::uint64_t confirmed_ = 0;  ///< unless it is the uplink's
    std::optional<Missed> missed_;

    /// The read-ahead; it begins at the cursor or after it.
    std::deque<Record> ahead_;
    bool read_out_ = false;
    bool read_stale_ = false;     ///< `rewind` was called while the read was out
    std::uint64_t read_end_ = 0;  ///< what the store held when the read was taken
    Instant retry_at_ = kNever;
};

}  // namespace holdfast::journal
