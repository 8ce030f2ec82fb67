#pragma once

#include <functional>

#include "firmware/http/message.h"

namespace holdfast::app {

class Node;

/// Answers one request of the HTTP interface: the page, `/api`, `/metrics`, `/healthz`, `/readyz`.
/// `respond` is called once, now or when storage has answered.
void answer(Node& node, const http::Request& request, const http::Target& target,
            std::function<void(http::Response)> respond);

}  // namespace holdfast::app
