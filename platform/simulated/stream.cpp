#include "platform/simulated/stream.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "firmware/base/check.h"

namespace holdfast::simulated {

namespace {

/// What was sent is cut off the front of the queue when it is more than this.
constexpr std::size_t kCompactBytes = 64u << 10;

}  // namespace

class Stream::Core final : public Handler, public std::enable_shared_from_this<Core> {
public:
    Core(Clock& clock, Network& network, SocketId socket, const SimulatedStreamOptions& options,
         Bytes early)
        : clock_(clock),
          network_(network),
          socket_(socket),
          send_limit_bytes_(options.stream.send_limit_bytes),
          kernel_bytes_(options.kernel_bytes),
          heard_(options.heard),
          early_(std::move(early)),
          bytes_received_(early_.size()) {
        network_.limit(socket_, kernel_bytes_);
        network_.pause(socket_);
    }

    // ---- What the owner asks for

    void start(ports::StreamHandler& handler) {
        HOLDFAST_CHECK(handler_ == nullptr);
        handler_ = &handler;
        if (phase_ == Phase::idle) {
            phase_ = Phase::open;
            listen();
        }
        ask_turn();
    }

    bool send(ByteView bytes) {
        if (!takes_output()) {
            return true;
        }
        append(queue_, bytes);
        return account();
    }

    [[nodiscard]] Bytes& cork() {
        scratch_.clear();
        return takes_output() ? queue_ : scratch_;
    }

    bool account() {
        if (!takes_output()) {
            return true;
        }
        ask_turn();
        if (unsent_bytes() <= send_limit_bytes_) {
            return true;
        }
        full_ = true;
        resume_at_bytes_ = unsent_bytes() / 2;
        return false;
    }

    [[nodiscard]] std::size_t unsent_bytes() const { return queue_.size() - queue_sent_; }

    void pause() {
        paused_ = true;
        if (phase_ == Phase::open) {
            network_.pause(socket_);
        }
    }

    void resume() {
        if (std::exchange(paused_, false) && phase_ == Phase::open) {
            listen();
            ask_turn();
        }
    }

    void shutdown(Duration linger) {
        if (phase_ != Phase::idle && phase_ != Phase::open) {
            return;
        }
        phase_ = Phase::draining;
        early_.clear();
        network_.resume(socket_);  // what still comes is passed over, up to the peer's end
        clock_.after(linger, [weak = weak_from_this()] {
            const std::shared_ptr<Core> self = weak.lock();
            if (self && self->phase_ == Phase::draining) {
                self->waited_for_long();
            }
        });
        ask_turn();
    }

    void abort() {
        handler_ = nullptr;
        end_.reset();
        if (std::exchange(phase_, Phase::ended) != Phase::ended) {
            const Network::Progress progress = network_.progress(socket_);
            unsent_bytes() > 0 || progress.acknowledged_bytes < progress.sent_bytes
                ? network_.abort(socket_)
                : network_.shut(socket_);
        }
    }

    [[nodiscard]] std::uint64_t bytes_received() const { return bytes_received_; }
    [[nodiscard]] std::uint64_t bytes_sent() const { return bytes_sent_; }
    [[nodiscard]] std::uint64_t bytes_acknowledged() const {
        return phase_ == Phase::ended
                   ? bytes_sent_
                   : bytes_sent_ - (network_.progress(socket_).sent_bytes -
                                    network_.progress(socket_).acknowledged_bytes);
    }

    // ---- Events

    void received(SocketId, std::span<std::byte> bytes) override {
        const std::shared_ptr<Core> self = shared_from_this();
        bytes_received_ += bytes.size();
        in_event_ = true;
        hand_over(bytes);
        settle();
    }

    void writable(SocketId) override {
        const std::shared_ptr<Core> self = shared_from_this();
        blocked_ = false;
        in_event_ = true;
        settle();
    }

    bool finished(SocketId) override {
        const std::shared_ptr<Core> self = shared_from_this();
        in_event_ = true;
        settle();  // what the last bytes were answered with
        fin_received_ = true;
        return phase_ != Phase::draining || unsent_bytes() == 0;
    }

    void ended(SocketId, const Error& error) override {
        const std::shared_ptr<Core> self = shared_from_this();
        phase_ = Phase::ended;
        tell_end(error);
    }

private:
    enum class Phase : std::uint8_t { idle, open, draining, ended };

    [[nodiscard]] bool takes_output() const {
        return phase_ == Phase::idle || phase_ == Phase::open;
    }

    void hand_over(std::span<std::byte> bytes) {
        if (handler_ != nullptr && phase_ == Phase::open) {
            if (heard_) {
                heard_(socket_, bytes);
            }
            handler_->on_bytes(bytes);
        }
    }

    /// What came before the stream was made is heard first.
    void listen() {
        if (!paused_ && early_.empty()) {
            network_.resume(socket_);
        }
    }

    void ask_turn() {
        if (!in_event_ && !std::exchange(listed_, true)) {
            clock_.at(clock_.now(), [weak = weak_from_this()] {
                if (const std::shared_ptr<Core> self = weak.lock()) {
                    self->turn();
                }
            });
        }
    }

    void turn() {
        listed_ = false;
        if (phase_ == Phase::ended) {
            if (end_) {
                tell_end(*std::exchange(end_, std::nullopt));
            }
            return;
        }
        in_event_ = true;
        if (phase_ == Phase::open && !paused_ && !early_.empty()) {
            Bytes early = std::exchange(early_, {});
            hand_over(early);
            if (phase_ == Phase::open) {
                listen();
            }
        }
        settle();
    }

    void settle() {
        flush();
        in_event_ = false;
    }

    void flush() {
        while (true) {
            while (!blocked_ && unsent_bytes() > 0 && phase_ != Phase::ended) {
                write();
            }
            if (phase_ != Phase::open || !full_ || unsent_bytes() > resume_at_bytes_) {
                break;
            }
            full_ = false;
            handler_->on_writable();
        }
        if (phase_ == Phase::draining && unsent_bytes() == 0) {
            end_output();
        }
    }

    /// As much as the kernel takes.
    void write() {
        const std::size_t in_kernel = network_.unsent_bytes(socket_);
        const std::size_t room = kernel_bytes_ - std::min(in_kernel, kernel_bytes_) + 1;
        const std::size_t size = std::min(room, unsent_bytes());
        blocked_ = !network_.send(socket_, ByteView(queue_).subspan(queue_sent_, size));
        bytes_sent_ += size;
        queue_sent_ += size;
        if (queue_sent_ == queue_.size() || queue_sent_ > kCompactBytes) {
            queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(queue_sent_));
            queue_sent_ = 0;
        }
    }

    void end_output() {
        if (fin_received_) {
            network_.shut(socket_);
            finish({ErrorCode::closed, "shut down"});
        } else {
            network_.shut_output(socket_);
        }
    }

    void waited_for_long() {
        if (unsent_bytes() > 0) {
            network_.abort(socket_);
            finish({ErrorCode::timeout, "shut down, but the peer did not take the last " +
                                            std::to_string(unsent_bytes()) + " bytes in time"});
        } else {
            network_.shut(socket_);
            finish({ErrorCode::closed, "shut down; the peer did not end its side in time"});
        }
    }

    void finish(Error error) {
        phase_ = Phase::ended;
        tell_end(std::move(error));
    }

    void tell_end(Error error) {
        if (handler_ != nullptr) {
            std::exchange(handler_, nullptr)->on_closed(error);
        } else {
            end_ = std::move(error);
        }
    }

    Clock& clock_;
    Network& network_;
    SocketId socket_;
    std::size_t send_limit_bytes_;
    std::size_t kernel_bytes_;
    std::function<void(SocketId, ByteView)> heard_;
    ports::StreamHandler* handler_ = nullptr;
    Phase phase_ = Phase::idle;
    Bytes queue_;                 ///< what the owner gave
    std::size_t queue_sent_ = 0;  ///< so much of its front has left
    Bytes scratch_;               ///< where answers go that nobody hears any more
    Bytes early_;
    std::optional<Error> end_;  ///< before it was started
    std::size_t resume_at_bytes_ = 0;
    std::uint64_t bytes_received_ = 0;
    std::uint64_t bytes_sent_ = 0;
    bool paused_ = false;
    bool full_ = false;
    bool blocked_ = false;
    bool listed_ = false;
    bool in_event_ = false;
    bool fin_received_ = false;
};

Stream::Stream(Clock& clock, Network& network, SocketId socket, std::string peer,
               const SimulatedStreamOptions& options, Bytes early, std::shared_ptr<void> lease)
    : peer_(std::move(peer)),
      core_(std::make_shared<Core>(clock, network, socket, options, std::move(early))),
      lease_(std::move(lease)) {}

Stream::~Stream() {
    core_->abort();
}

Handler& Stream::socket_handler() {
    return *core_;
}
void Stream::start(ports::StreamHandler& handler) {
    core_->start(handler);
}
bool Stream::send(ByteView bytes) {
    return core_->send(bytes);
}
bool Stream::send(SharedBytes bytes) {
    return !bytes || core_->send(*bytes);
}
Bytes& Stream::cork() {
    return core_->cork();
}
bool Stream::send_corked() {
    return core_->account();
}
std::size_t Stream::unsent_bytes() const {
    return core_->unsent_bytes();
}
void Stream::pause() {
    core_->pause();
}
void Stream::resume() {
    core_->resume();
}
void Stream::shutdown(Duration linger) {
    core_->shutdown(linger);
}
void Stream::abort() {
    core_->abort();
}
std::uint64_t Stream::bytes_received() const {
    return core_->bytes_received();
}
std::uint64_t Stream::bytes_sent() const {
    return core_->bytes_sent();
}
std::uint64_t Stream::bytes_acknowledged() const {
    return core_->bytes_acknowledged();
}

}  // namespace holdfast::simulated
