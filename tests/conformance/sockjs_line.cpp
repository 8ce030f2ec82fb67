#include "tests/conformance/sockjs_line.h"

#include <algorithm>
#include <utility>

#include "platform/system/clock.h"

namespace holdfast::conformance {
namespace {

constexpr Duration kFarewell = std::chrono::seconds(1);
constexpr std::size_t kBodyBytes = 1u << 20;
constexpr std::size_t kPipelinedBytes = 64u << 10;
constexpr std::size_t kStreamingBytes = 4096;

}  // namespace

SockjsLine::SockjsLine(SockjsServer& server, std::unique_ptr<ports::Stream> stream,
                       sockjs::ExchangeId exchange)
    : server_(server),
      stream_(std::move(stream)),
      exchange_(exchange),
      reader_(http::Limits{.body_size_bytes = kBodyBytes}) {}

void SockjsLine::start() {
    stream_->start(*this);
}

void SockjsLine::on_bytes(std::span<std::byte> bytes) {
    take(bytes);
    server_.turn();
}

void SockjsLine::take(std::span<std::byte> bytes) {
    while (!bytes.empty()) {
        switch (state_) {
            case State::ending:
                return;
            case State::socket:
                service_->receive(exchange_, bytes, system::monotonic_now());
                return;
            case State::answering:
                append(unread_, bytes);
                if (unread_.size() > kPipelinedBytes) {
                    refuse(400, "Too much was sent ahead.");
                }
                return;
            case State::reading:
                break;
        }
        ByteView unread = bytes;
        const Result<std::optional<http::Request>> request = reader_.next(unread);
        bytes = bytes.last(unread.size());
        if (!request) {
            refuse(request.error().code == ErrorCode::too_large ? 413 : 400,
                   request.error().message);
        } else if (*request) {
            handle(**request);
        }
    }
}

void SockjsLine::handle(const http::Request& request) {
    service_ = server_.service(request.target);
    if (service_ == nullptr) {
        http::Response response;
        response.status = 404;
        response.keep_alive = request.keep_alive;
        stream_->send(as_bytes(to_wire(response, request.method == "HEAD")));
        if (!request.keep_alive) {
            end();
        }
        return;
    }
    state_ = State::answering;
    service_->request(exchange_, request, system::now());
}

void SockjsLine::write(const sockjs::Output& output) {
    using Then = sockjs::Output::Then;
    if (state_ == State::ending) {
        return;
    }
    if (!output.bytes.empty() && !stream_->send(output.bytes)) {
        service_->hold(exchange_);
    }
    switch (output.then) {
        case Then::more:
            break;
        case Then::next_request:
        case Then::socket: {
            state_ = output.then == Then::socket ? State::socket : State::reading;
            Bytes unread = std::exchange(unread_, {});
            take(unread);
            break;
        }
        case Then::end:
            end();
            break;
    }
}

void SockjsLine::on_writable() {
    if (service_ != nullptr) {
        service_->go_on(exchange_);
        server_.turn();
    }
}

void SockjsLine::refuse(int status, std::string why) {
    http::Response response;
    response.status = status;
    response.keep_alive = false;
    response.body = std::move(why) + "\n";
    stream_->send(as_bytes(to_wire(response)));
    end();
}

void SockjsLine::end() {
    state_ = State::ending;
    stream_->shutdown(kFarewell);
}

void SockjsLine::on_closed(const Error&) {
    if (service_ != nullptr) {
        service_->disconnected(exchange_, system::monotonic_now());
        server_.turn();
    }
    server_.ended(exchange_);
}

// ---- The server

SockjsServer::SockjsServer(boost::asio::io_context& io, ports::Entropy& entropy) : timer_(io) {
    add({.prefix = "/echo"}, false, entropy);
    add({.prefix = "/disabled_websocket_echo", .websocket = false}, false, entropy);
    add({.prefix = "/cookie_needed_echo", .cookie_needed = true}, false, entropy);
    add({.prefix = "/close"}, true, entropy);
}

void SockjsServer::add(sockjs::ServerOptions options, bool closes, ports::Entropy& entropy) {
    options.allowed_origins = {"*"};
    options.hixie76 = true;
    sockjs::ServerLimits limits;
    limits.response_bytes = kStreamingBytes;
    services_.push_back(
        {std::make_unique<sockjs::Server>(std::move(options), limits, entropy), closes});
}

void SockjsServer::accept(std::unique_ptr<ports::Stream> stream) {
    const sockjs::ExchangeId exchange = ++last_exchange_;
    auto line = std::make_unique<SockjsLine>(*this, std::move(stream), exchange);
    lines_.emplace(exchange, std::move(line)).first->second->start();
}

sockjs::Server* SockjsServer::service(std::string_view target) {
    const auto found = std::ranges::find_if(
        services_, [target](const Service& service) { return service.engine->serves(target); });
    return found == services_.end() ? nullptr : found->engine.get();
}

/// True: there was something to do. An output may bring the connection's next request with it, so
/// events are looked at again after each.
bool SockjsServer::drain(Service& service) {
    for (bool any = false;;) {
        while (const std::optional<sockjs::Event> event = service.engine->next_event()) {
            answer(service, *event);
            any = true;
        }
        const auto output = service.engine->next_output(system::monotonic_now());
        if (!output) {
            return any;
        }
        any = true;
        if (const auto line = lines_.find(output->exchange); line != lines_.end()) {
            line->second->write(*output);
        }
    }
}

void SockjsServer::answer(const Service& service, const sockjs::Event& event) {
    using Kind = sockjs::Event::Kind;
    if (event.kind == Kind::opened && service.closes) {
        service.engine->close(event.session, 3000, "Go away!");
    } else if (event.kind == Kind::message && !service.engine->send(event.session, event.text)) {
        service.engine->close(event.session, 3001, "Too much waits to be received.");
    }
}

void SockjsServer::turn() {
    // A connection's next request may be another service's.
    for (std::size_t idle = 0; idle < services_.size();) {
        for (Service& service : services_) {
            idle = drain(service) ? 0 : idle + 1;
        }
    }
    schedule();
}

void SockjsServer::schedule() {
    Instant due = kNever;
    for (const Service& service : services_) {
        due = std::min(due, service.engine->deadline());
    }
    if (due == kNever) {
        timer_.cancel();
        return;
    }
    timer_.expires_after(std::max(Duration(), due - system::monotonic_now()));
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (error) {
            return;
        }
        for (Service& service : services_) {
            service.engine->tick(system::monotonic_now());
        }
        turn();
    });
}

void SockjsServer::ended(sockjs::ExchangeId exchange) {
    lines_.erase(exchange);
}

}  // namespace holdfast::conformance
