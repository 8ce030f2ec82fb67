#pragma once

#include <string>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

namespace holdfast::api {

/// What `holdfast status` tells a person of the uplink: name and words of each fact, in the order
/// in which they are shown. `uplink` is the object of that name in `status --json`; what it lacks,
/// or what is of another type than there, is left out. firmware/dashboard/src/uplink.ts says the
/// same on the page.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> uplink_words(
    const boost::json::object& uplink);

/// `words` for a terminal: what a peer put into a message must neither steer it nor forge a line of
/// ours.
[[nodiscard]] std::string on_one_line(std::string words);

}  // namespace holdfast::api
