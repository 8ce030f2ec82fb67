#include "platform/net/tls_session.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <wolfssl/openssl/x509v3.h>
#include <wolfssl/wolfcrypt/ecc.h>

#include "platform/net/tls_errors.h"

namespace holdfast::net {
namespace {

/// RFC 8446, Section 5.1: the most a record holds.
constexpr std::size_t kRecordSizeBytes = 16384;

bool is_address(const std::string& host) {
    boost::system::error_code error;
    boost::asio::ip::make_address(host, error);
    return !error;
}

/// wolfSSL keeps tables of the points that it has multiplied twice, 800 KiB each, to be faster at
/// the next. A server gains by it; a client, which shakes hands once in a long while, would hold
/// more memory for it than for all the rest of a gateway.
void forget_points(const WolfTlsContext& context) {
#ifdef FP_ECC
    if (context.role() == WolfTlsContext::Role::client) {
        wc_ecc_fp_free();
    }
#else
    static_cast<void>(context);
#endif
}

}  // namespace

TlsSession::TlsSession(WolfTlsContext& context, OutQueue& queue, NetworkThread& thread)
    : context_(context.shared_from_this()),
      session_(wolfSSL_new(context.get())),
      queue_(queue),
      thread_(thread) {}

TlsSession::~TlsSession() {
    // Only now has a TLS 1.3 server surely sent its ticket. TLS 1.2 is not
    // resumed: when a server no longer knows the ticket (it was started anew),
    // wolfSSL before 5.7.6 fails the full handshake that follows.
    if (resumable_ && !broken_ && wolfSSL_version(session_.get()) == TLS1_3_VERSION) {
        if (WOLFSSL_SESSION* kept = wolfSSL_get1_session(session_.get())) {
            context_->keep_session(session_key_, kept);
        }
    }
}

Result<std::unique_ptr<TlsSession>> TlsSession::make(WolfTlsContext& context,
                                                     const std::string& host, std::uint16_t port,
                                                     OutQueue& queue, NetworkThread& thread) {
    std::unique_ptr<TlsSession> made(new TlsSession(context, queue, thread));
    if (!made->session_ || !made->configure(host, port)) {
        return fail(ErrorCode::io, "no memory for a TLS session");
    }
    return made;
}

bool TlsSession::configure(const std::string& host, std::uint16_t port) {
    WOLFSSL* const session = session_.get();
    wolfSSL_SSLSetIORecv(session, &TlsSession::receive);
    wolfSSL_SSLSetIOSend(session, &TlsSession::transmit);
    wolfSSL_SetIOReadCtx(session, this);
    wolfSSL_SetIOWriteCtx(session, this);
    wolfSSL_SetCertCbCtx(session, this);
    int mode = WOLFSSL_VERIFY_NONE;
    if (context_->trust() != WolfTlsContext::Trust::anything) {
        mode = WOLFSSL_VERIFY_PEER;
    }
    if (context_->trust() == WolfTlsContext::Trust::verified) {
        mode |= WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    const bool verifies = mode != WOLFSSL_VERIFY_NONE;
    wolfSSL_set_verify(session, mode, verifies ? &TlsSession::verify : nullptr);
    if (context_->role() == WolfTlsContext::Role::server) {
        return true;
    }
    // X25519 costs both sides half of what P-256 does. A server without it asks for another key
    // share, and a wolfSSL without it offers P-256.
    static_cast<void>(wolfSSL_UseKeyShare(session, WOLFSSL_ECC_X25519));
    host_ = host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
    if (!is_address(host_)) {
        // RFC 6066, Section 3: names only.
        if (wolfSSL_UseSNI(session, WOLFSSL_SNI_HOST_NAME, host_.data(),
                           static_cast<unsigned short>(host_.size())) != WOLFSSL_SUCCESS) {
            return false;
        }
        if (verifies && wolfSSL_check_domain_name(session, host_.c_str()) != WOLFSSL_SUCCESS) {
            return false;
        }
    }
    session_key_ = host_ + ":" + std::to_string(port);
    if (WOLFSSL_SESSION* earlier = context_->session(session_key_)) {
        wolfSSL_set_session(session,
                            earlier);  // an expired one is ignored: a full handshake follows
    }
    return true;
}

Result<bool> TlsSession::handshake(ByteView& input) {
    input_ = input;
    const int result = context_->role() == WolfTlsContext::Role::server
                           ? wolfSSL_accept(session_.get())
                           : wolfSSL_connect(session_.get());
    input = std::exchange(input_, {});
    forget_points(*context_);
    if (result == WOLFSSL_SUCCESS) {
        finish_handshake();
        return true;
    }
    if (wolfSSL_get_error(session_.get(), result) == WOLFSSL_ERROR_WANT_READ) {
        return false;
    }
    // Were the earlier session what the server stumbles over, every further try
    // would fail as well.
    context_->forget_session(session_key_);
    return std::unexpected(failure(result));
}

void TlsSession::finish_handshake() {
    if (context_->trust() != WolfTlsContext::Trust::anything) {
        if (WOLFSSL_X509* peer = wolfSSL_get_peer_certificate(session_.get())) {
            std::array<char, 256> name{};
            if (wolfSSL_X509_NAME_get_text_by_NID(wolfSSL_X509_get_subject_name(peer),
                                                  NID_commonName, name.data(),
                                                  static_cast<int>(name.size())) > 0) {
                peer_name_ = name.data();
            }
            wolfSSL_X509_free(peer);
        }
    }
    resumable_ = !session_key_.empty();
    wolfSSL_FreeHandshakeResources(session_.get());
}

TlsSession::Decrypted TlsSession::decrypt(ByteView input, std::byte* output) {
    Decrypted decrypted;
    input_ = input;
    for (;;) {
        const int got = wolfSSL_read(session_.get(), output + decrypted.size_bytes,
                                     static_cast<int>(kRecordSizeBytes));
        if (got > 0) {
            decrypted.size_bytes += static_cast<std::size_t>(got);
            continue;
        }
        const int error = wolfSSL_get_error(session_.get(), got);
        if (error == WOLFSSL_ERROR_ZERO_RETURN) {
            decrypted.ended = true;
        } else if (error != WOLFSSL_ERROR_WANT_READ) {
            decrypted.error = failure(got);
        }
        break;
    }
    input_ = {};
    return decrypted;
}

void TlsSession::write(ByteView bytes) {
    while (!bytes.empty()) {
        if (plain_.empty() && bytes.size() >= kRecordSizeBytes) {
            encrypt(bytes.first(kRecordSizeBytes));
            bytes = bytes.subspan(kRecordSizeBytes);
            continue;
        }
        if (plain_.capacity() == 0) {
            plain_ = thread_.take_spare();
        }
        const std::size_t taken = std::min(bytes.size(), kRecordSizeBytes - plain_.size());
        append(plain_, bytes.first(taken));
        bytes = bytes.subspan(taken);
        if (plain_.size() == kRecordSizeBytes) {
            encrypt(plain_);
            plain_.clear();
        }
    }
}

void TlsSession::seal() {
    if (!plain_.empty()) {
        encrypt(plain_);
        plain_.clear();
    }
    if (plain_.capacity() > 0) {
        thread_.give_spare(std::move(plain_));
        plain_ = {};
    }
}

void TlsSession::encrypt(ByteView bytes) {
    if (!broken_) {
        const int size = static_cast<int>(bytes.size());
        broken_ = wolfSSL_write(session_.get(), bytes.data(), size) != size;
    }
}

void TlsSession::close() {
    seal();
    if (!broken_) {
        static_cast<void>(
            wolfSSL_shutdown(session_.get()));  // sends ours, does not wait for theirs
    }
}

Error TlsSession::failure(int result) {
    broken_ = true;
    TlsFailure failure{.error = wolfSSL_get_error(session_.get(), result),
                       .distrust = distrust_,
                       .alert_received = -1,
                       .server = context_->role() == WolfTlsContext::Role::server,
                       .host = host_};
    WOLFSSL_ALERT_HISTORY history{};
    if (wolfSSL_get_alert_history(session_.get(), &history) == WOLFSSL_SUCCESS &&
        history.last_rx.level == alert_fatal) {
        failure.alert_received = history.last_rx.code;
    }
    if (failure.server && failure.error == NO_PEER_CERT && history.last_tx.level != alert_fatal &&
        wolfSSL_version(session_.get()) == TLS1_2_VERSION) {
        // RFC 5246, Section 7.4.6, lets a server say why; wolfSSL does not. Nothing
        // it sends is encrypted at this point.
        constexpr std::array<unsigned char, 7> kHandshakeFailure{21, 3, 3, 0, 2, alert_fatal, 40};
        queue_.append(std::as_bytes(std::span(kHandshakeFailure)));
    }
    return tls_error(failure);
}

int TlsSession::receive(WOLFSSL*, char* buffer, int size, void* self) {
    ByteView& input = static_cast<TlsSession*>(self)->input_;
    if (input.empty()) {
        return WOLFSSL_CBIO_ERR_WANT_READ;
    }
    const std::size_t taken = std::min(input.size(), static_cast<std::size_t>(size));
    std::memcpy(buffer, input.data(), taken);
    input = input.subspan(taken);
    return static_cast<int>(taken);
}

int TlsSession::transmit(WOLFSSL*, char* buffer, int size, void* self) {
    const std::span<const char> bytes(buffer, static_cast<std::size_t>(size));
    static_cast<TlsSession*>(self)->queue_.append(std::as_bytes(bytes));
    return size;
}

/// Called for each certificate of the chain, the peer's own last; what it
/// returns decides.
int TlsSession::verify(int ok, WOLFSSL_X509_STORE_CTX* store) {
    auto& self = *static_cast<TlsSession*>(store->userCtx);
    forget_points(*self.context_);
    if (ok == 0) {
        if (self.distrust_ == 0) {
            self.distrust_ = store->error;
        }
        return 0;
    }
    const bool checks_address = self.context_->role() == WolfTlsContext::Role::client &&
                                store->error_depth == 0 && is_address(self.host_);
    if (checks_address && !self.address_matches(wolfSSL_X509_STORE_CTX_get_current_cert(store))) {
        self.distrust_ = IPADDR_MISMATCH;
        return 0;
    }
    return 1;
}

/// RFC 9525, Section 6.5: an address is looked for among the certificate's
/// alternative names of that kind, octet by octet, and nowhere else.
bool TlsSession::address_matches(WOLFSSL_X509* certificate) const {
    if (certificate == nullptr) {
        return false;
    }
    const auto address = boost::asio::ip::make_address(host_);
    Bytes wanted;
    const auto take = [&wanted](const auto& octets) {
        append(wanted, std::as_bytes(std::span(octets)));
    };
    if (address.is_v4()) {
        take(address.to_v4().to_bytes());
    } else {
        take(address.to_v6().to_bytes());
    }
    auto* names = static_cast<WOLFSSL_STACK*>(
        wolfSSL_X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    bool matches = false;
    for (int i = 0; i < wolfSSL_sk_GENERAL_NAME_num(names); ++i) {
        const WOLFSSL_GENERAL_NAME* name = wolfSSL_sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_IPADD && name->d.iPAddress != nullptr &&
            name->d.iPAddress->length == static_cast<int>(wanted.size()) &&
            std::memcmp(name->d.iPAddress->data, wanted.data(), wanted.size()) == 0) {
            matches = true;
        }
    }
    if (names != nullptr) {
        wolfSSL_sk_GENERAL_NAME_pop_free(names, wolfSSL_GENERAL_NAME_free);
    }
    return matches;
}

}  // namespace holdfast::net
