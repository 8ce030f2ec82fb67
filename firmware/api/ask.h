#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "firmware/api/view.h"

namespace holdfast::api {

/// `AskedNode::read` with a result: calls `done(work(store))`.
template <class Work, class Done>
void ask_store(AskedNode& node, Work work, Done done) {
    using Answer = std::invoke_result_t<Work, journal::Store&>;
    const auto found = std::make_shared<std::optional<Answer>>();
    node.read(
        [found, work = std::move(work)](journal::Store& store) mutable { *found = work(store); },
        [found, done = std::move(done)]() mutable { done(*std::move(*found)); });
}

}  // namespace holdfast::api
