#pragma once

#include <functional>

#include "firmware/api/view.h"
#include "firmware/http/message.h"

namespace holdfast::api {

/// Answers one request of the HTTP interface: the page, `/api`, `/metrics`, `/healthz`, `/readyz`.
/// `respond` is called once, now or when storage has answered; `node` must live until then, or be
/// one that calls no `done` after its end.
void answer(AskedNode& node, const http::Request& request, const http::Target& target,
            std::function<void(http::Response)> respond);

}  // namespace holdfast::api
