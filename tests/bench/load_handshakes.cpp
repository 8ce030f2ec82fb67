// TLS 1.3 handshakes, one after the other, full or resumed by ticket.

#include <array>
#include <cstdio>
#include <memory>
#include <unistd.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "tests/bench/load_modes.h"

namespace holdfast::bench {

namespace {

struct Free {
    void operator()(WOLFSSL_CTX* context) const { wolfSSL_CTX_free(context); }
    void operator()(WOLFSSL* session) const { wolfSSL_free(session); }
    void operator()(WOLFSSL_SESSION* session) const { wolfSSL_SESSION_free(session); }
};

class Handshakes {
public:
    explicit Handshakes(const HandshakeLoad& load)
        : load_(load),
          context_(wolfSSL_CTX_new(wolfTLSv1_3_client_method())),
          request_(handshake_request("/", false)) {
        if (!context_ || wolfSSL_CTX_load_verify_locations(context_.get(), load_.ca_file.c_str(),
                                                           nullptr) != WOLFSSL_SUCCESS) {
            give_up("the CA's certificate cannot be read: " + load_.ca_file);
        }
    }

    void run() {
        const ServerClock server(load_.server_process);
        for (int i = 0; i < 10; ++i) {
            once();
        }
        resumed_ = 0;
        std::size_t count = 0;
        const double cpu = server.cpu_s();
        const double began = now_s();
        while (now_s() < began + load_.window_s) {
            once();
            ++count;
        }
        const double seconds = now_s() - began;
        if (resumed_ != (load_.resumed ? count : 0)) {
            give_up("of " + std::to_string(count) + " sessions " + std::to_string(resumed_) +
                    " were resumed");
        }
        std::printf("{\"handshakes\":%zu,\"seconds\":%.6f,\"server_cpu_s\":%.6f}\n", count, seconds,
                    server.cpu_s() - cpu);
    }

private:
    void once() {
        const int line = connect_blocking(load_.peer);
        const std::unique_ptr<WOLFSSL, Free> session(wolfSSL_new(context_.get()));
        wolfSSL_set_fd(session.get(), line);
        if (load_.x25519 &&
            wolfSSL_UseKeyShare(session.get(), WOLFSSL_ECC_X25519) != WOLFSSL_SUCCESS) {
            give_up("wolfSSL was built without X25519");
        }
        if (load_.resumed && ticket_) {
            wolfSSL_set_session(session.get(), ticket_.get());
        }
        if (wolfSSL_connect(session.get()) != WOLFSSL_SUCCESS) {
            std::array<char, 80> text{};
            const int error = wolfSSL_get_error(session.get(), 0);
            give_up(std::string("TLS: ") +
                    wolfSSL_ERR_error_string(static_cast<unsigned long>(error), text.data()));
        }
        resumed_ += wolfSSL_session_reused(session.get()) != 0;
        // The tickets come after the handshake, so before the first response.
        std::array<char, 1024> response;
        wolfSSL_write(session.get(), request_.data(), static_cast<int>(request_.size()));
        const int size =
            wolfSSL_read(session.get(), response.data(), static_cast<int>(response.size()));
        if (size <= 0 || !std::string_view(response.data(), static_cast<std::size_t>(size))
                              .starts_with("HTTP/1.1 101")) {
            give_up("the server did not answer the opening handshake");
        }
        if (load_.resumed) {
            ticket_.reset(wolfSSL_get1_session(session.get()));
        }
        wolfSSL_shutdown(session.get());
        ::close(line);
    }

    HandshakeLoad load_;
    std::unique_ptr<WOLFSSL_CTX, Free> context_;
    std::string request_;
    std::unique_ptr<WOLFSSL_SESSION, Free> ticket_;
    std::size_t resumed_ = 0;
};

}  // namespace

void run_handshakes(const HandshakeLoad& load) {
    wolfSSL_Init();
    Handshakes(load).run();
}

}  // namespace holdfast::bench
