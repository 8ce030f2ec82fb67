#include "firmware/uplink/heartbeat/path_knowledge.h"

#include <array>
#include <charconv>
#include <cstdlib>

namespace holdfast::uplink {

namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::int64_t kLongestMilliseconds = std::int64_t{1000} * 86400 * 365;
constexpr std::int64_t kWorthwhileAgeSeconds = std::int64_t{6} * 86400;

std::int64_t milliseconds(Duration duration) {
    return duration.count() / 1000;
}

bool moved(Duration from, Duration to) {
    return std::abs(to.count() - from.count()) * 100 > std::max(from, to).count() * 3;
}

}  // namespace

const char* name(CutKind kind) {
    switch (kind) {
        case CutKind::unknown:
            return "unknown";
        case CutKind::none:
            return "none";
        case CutKind::fin:
            return "fin";
        case CutKind::reset:
            return "reset";
        case CutKind::silent:
            return "silent";
    }
    return "";
}

const char* name(Counts counts) {
    switch (counts) {
        case Counts::unknown:
            return "unknown";
        case Counts::either_way:
            return "either-way";
        case Counts::from_hub_only:
            return "from-hub-only";
    }
    return "";
}

std::string to_text(const PathKnowledge& known) {
    std::string text;
    for (const std::int64_t field :
         {kVersion, milliseconds(known.safe), milliseconds(known.cut),
          static_cast<std::int64_t>(known.kind), static_cast<std::int64_t>(known.counts),
          milliseconds(known.lifetime), known.checked_s}) {
        text += (text.empty() ? "" : " ") + std::to_string(field);
    }
    return text;
}

std::optional<PathKnowledge> knowledge_from_text(std::string_view text) {
    std::array<std::int64_t, 7> fields{};
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::int64_t& field : fields) {
        if (&field != fields.data()) {
            if (at == end || *at++ != ' ') {
                return std::nullopt;
            }
        }
        const auto [next, error] = std::from_chars(at, end, field);
        if (error != std::errc{} || field < 0) {
            return std::nullopt;
        }
        at = next;
    }
    const auto& [version, safe, cut, kind, counts, lifetime, checked] = fields;
    if (at != end || version != kVersion || safe > kLongestMilliseconds ||
        cut > kLongestMilliseconds || lifetime > kLongestMilliseconds ||
        kind > static_cast<std::int64_t>(CutKind::silent) ||
        counts > static_cast<std::int64_t>(Counts::from_hub_only) || (cut != 0 && cut < safe)) {
        return std::nullopt;
    }
    using std::chrono::milliseconds;
    return PathKnowledge{milliseconds(safe),         milliseconds(cut),
                         static_cast<CutKind>(kind), static_cast<Counts>(counts),
                         milliseconds(lifetime),     checked};
}

bool worth_writing(const PathKnowledge& written, const PathKnowledge& now) {
    return written.kind != now.kind || written.counts != now.counts ||
           moved(written.safe, now.safe) || moved(written.cut, now.cut) ||
           moved(written.lifetime, now.lifetime) ||
           now.checked_s - written.checked_s >= kWorthwhileAgeSeconds;
}

}  // namespace holdfast::uplink
