#pragma once

#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "firmware/api/verdict.h"

namespace holdfast::api {

/// A status as a person reads it. `holdfast status` prints it, and the page shows it.
struct Words {
    struct Fact {
        std::string name;
        std::string words;
        std::string time = {};  ///< RFC 3339, where `words` tell of a moment
    };
    struct Section {
        std::string name;
        std::vector<Fact> facts;
    };
    Verdict verdict;
    std::vector<Section> sections;
};

/// `status` is the object of `status --json`; what it lacks, or what is of another type than there,
/// is left out.
[[nodiscard]] Words words_of(const boost::json::object& status);

/// The body of `GET /api/node/words`.
[[nodiscard]] std::string words_json(const Words& words);
/// For a terminal: the verdict, then the facts in two columns. What a peer put into a message
/// neither steers it nor forges a line of ours.
[[nodiscard]] std::string words_text(const Words& words);

/// `words` without control characters (C0, DEL, C1).
[[nodiscard]] std::string on_one_line(std::string words);

}  // namespace holdfast::api
