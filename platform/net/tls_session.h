#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "firmware/base/bytes.h"
#include "firmware/base/error.h"
#include "platform/net/network_thread.h"
#include "platform/net/out_queue.h"
#include "platform/net/tls_context.h"

namespace holdfast::net {

/// One TLS connection without its socket: takes ciphertext, gives plaintext,
/// and puts what is to be sent into the stream's queue. While idle it owns no
/// buffer of its own (wolfSSL's session state stays).
class TlsSession {
public:
    /// `host` is what a client wants to speak to, name or address; "" on a
    /// server. `queue` must outlive the session. Errors: io (out of memory).
    [[nodiscard]] static Result<std::unique_ptr<TlsSession>> make(WolfTlsContext& context,
                                                                  const std::string& host,
                                                                  std::uint16_t port,
                                                                  OutQueue& queue,
                                                                  NetworkThread& thread);
    ~TlsSession();
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    /// Goes on with the handshake. Takes from `input` what belongs to it; true
    /// when done. Errors: see tls_errors.h. An alert that tells the peer may have
    /// been queued.
    [[nodiscard]] Result<bool> handshake(ByteView& input);

    struct Decrypted {
        std::size_t size_bytes = 0;
        bool ended = false;          ///< the peer sent close_notify
        std::optional<Error> error;  ///< after the bytes; the session must not be used again
    };
    /// Decrypts all of `input` to `output`. They may overlap, as long as `output`
    /// begins at least NetworkThread::kHeadroomBytes before `input`.
    [[nodiscard]] Decrypted decrypt(ByteView input, std::byte* output);

    /// Takes plaintext: whole records leave for the queue at once, the rest waits
    /// for `seal` or for more.
    void write(ByteView bytes);
    /// Makes a record of what waits.
    void seal();
    [[nodiscard]] std::size_t unsealed_bytes() const { return plain_.size(); }
    /// Encryption failed (out of memory, or an error before): nothing can be sent
    /// any more.
    [[nodiscard]] bool broken() const { return broken_; }
    /// Queues close_notify; nothing may be written after it.
    void close();

    /// Common name of the peer's verified certificate, or "".
    [[nodiscard]] const std::string& peer_name() const { return peer_name_; }

private:
    struct Free {
        void operator()(WOLFSSL* session) const { wolfSSL_free(session); }
    };

    TlsSession(WolfTlsContext& context, OutQueue& queue, NetworkThread& thread);
    [[nodiscard]] bool configure(const std::string& host, std::uint16_t port);
    void encrypt(ByteView bytes);
    void finish_handshake();
    [[nodiscard]] Error failure(int result);
    [[nodiscard]] bool address_matches(WOLFSSL_X509* certificate) const;

    static int receive(WOLFSSL* session, char* buffer, int size, void* self);
    static int transmit(WOLFSSL* session, char* buffer, int size, void* self);
    static int verify(int ok, WOLFSSL_X509_STORE_CTX* store);

    std::shared_ptr<WolfTlsContext>
        context_;  ///< shared by all sessions of a listener or an uplink
    std::unique_ptr<WOLFSSL, Free> session_;
    OutQueue& queue_;
    NetworkThread& thread_;
    ByteView input_;
    Bytes plain_;  ///< less than a record
    std::string peer_name_;
    std::string session_key_;  ///< under which a client keeps its session for resumption
    std::string host_;         ///< until the handshake is done
    int distrust_ = 0;         ///< why the verification of the peer's certificate failed,
                               ///< wolfSSL's number
    bool resumable_ = false;   ///< a client's, and its handshake has succeeded
    bool broken_ = false;
};

}  // namespace holdfast::net
