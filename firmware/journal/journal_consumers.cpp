// What readers of the journal have confirmed, and what may be given back for it.

#include <algorithm>
#include <utility>

#include "firmware/base/check.h"
#include "firmware/base/text.h"
#include "firmware/journal/journal.h"

namespace holdfast::journal {

Result<void> Journal::keep_consumer(const std::string& name, bool holds, std::uint64_t position,
                                    Instant now) {
    if (name.empty() || !is_utf8(as_bytes(name))) {
        return fail(ErrorCode::invalid, "a consumer needs a name, in UTF-8");
    }
    if (name.size() > kConsumerNameBytes) {
        return fail(ErrorCode::too_large, "a consumer's name has more than " +
                                              std::to_string(kConsumerNameBytes) + " bytes");
    }
    const auto found = consumers_.find(name);
    if (found == consumers_.end() && consumers_.size() >= kConsumers) {
        return fail(ErrorCode::too_large, "consumer \"" + name + "\" would be one more than the " +
                                              std::to_string(kConsumers) + " that are kept");
    }
    if (found != consumers_.end() && found->second.at.holds == holds) {
        return {};
    }
    const std::uint64_t known = found == consumers_.end() ? position : found->second.at.position;
    Kept& kept = consumers_[name];
    kept.at = {name, holds ? std::max(known, released_) : known, holds};
    kept.dirty = true;
    consumers_due_ = std::min(consumers_due_, now + options_.commit_interval);
    find_held();
    give_back(now);
    return {};
}

const ConsumerPosition* Journal::consumer(std::string_view name) const {
    const auto found = consumers_.find(name);
    return found == consumers_.end() ? nullptr : &found->second.at;
}

std::uint64_t Journal::durable_consumer(std::string_view name) const {
    const auto found = consumers_.find(name);
    return found == consumers_.end() ? 0 : found->second.durable;
}

void Journal::confirm(std::string_view name, std::uint64_t position, Instant now) {
    const auto found = consumers_.find(name);
    HOLDFAST_CHECK(found != consumers_.end() && position <= next_position_);
    Kept& kept = found->second;
    if (position <= kept.at.position) {
        return;
    }
    kept.at.position = position;
    kept.dirty = true;
    consumers_due_ = std::min(consumers_due_, now + options_.commit_interval);
    if (kept.at.holds) {
        find_held();
        give_back(now);
    }
}

void Journal::end_consumer(std::string_view name, Instant now) {
    const auto found = consumers_.find(name);
    if (found == consumers_.end()) {
        return;
    }
    ended_.push_back(found->first);
    consumers_.erase(found);
    consumers_due_ = std::min(consumers_due_, now + options_.commit_interval);
    find_held();
    give_back(now);
}

bool Journal::may_show(std::uint64_t end_position) {
    if (end_position <= std::max(store_end_, reserved_)) {
        return true;
    }
    owes_reserve_ = true;
    return false;
}

std::uint64_t Journal::past_hole(std::uint64_t position) const {
    const auto hole = std::ranges::find(holes_, position, &Hole::first);
    return hole == holes_.end() ? position : hole->end;
}

std::uint64_t Journal::backlog() const {
    std::uint64_t count = next_position_ - acknowledged_;
    for (const Hole& hole : holes_) {
        count -= hole.first >= acknowledged_ ? hole.end - hole.first : 0;
    }
    return count;
}

void Journal::release(std::uint64_t position, Instant now) {
    if (position > acknowledged_) {
        acknowledged_ = past_hole(position);
        durable_ = std::max(durable_, acknowledged_);
        give_back(now);
    }
}

void Journal::find_held() {
    held_from_ = kNobody;
    for (const auto& [name, kept] : consumers_) {
        if (kept.at.holds) {
            held_from_ = std::min(held_from_, kept.at.position);
        }
    }
}

void Journal::give_back(Instant now) {
    const std::uint64_t position = past_hole(std::min(acknowledged_, held_from_));
    if (position <= released_) {
        return;
    }
    released_ = position;
    while (!memory_.empty() && memory_.front().record.end_position() <= released_) {
        pop_front();
    }
    if (owed_deletion()) {
        release_due_ = std::min(release_due_, now + options_.release_delay);
    }
}

}  // namespace holdfast::journal
