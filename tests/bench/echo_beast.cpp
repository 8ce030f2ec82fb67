// An echo server over Boost.Beast, as fast as its documentation and options let one make it: one
// thread, one io_context without locks, callbacks, a socket without type-erased executor and
// without time-outs, TCP_NODELAY, a buffer for each connection that is used again, no splitting of
// messages. With --fan-out each message goes to all connections instead, as one shared string.

#include <iostream>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <unordered_set>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;

namespace {

class Session;
/// Those that hear what is said; nullptr: an echo server.
using Audience = std::unordered_set<Session*>;

class Session : public std::enable_shared_from_this<Session> {
public:
    Session(Socket&& socket, const websocket::permessage_deflate& deflate, Audience* audience)
        : stream_(std::move(socket)), audience_(audience) {
        stream_.set_option(websocket::stream_base::timeout{websocket::stream_base::none(),
                                                           websocket::stream_base::none(), false});
        stream_.set_option(deflate);
        stream_.auto_fragment(false);
        stream_.write_buffer_bytes(kWriteBufferBytes);
        stream_.read_message_max(kMessageMaxBytes);
    }
    ~Session() {
        if (audience_ != nullptr) {
            audience_->erase(this);
        }
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void start() {
        stream_.async_accept([self = shared_from_this()](beast::error_code error) {
            if (!error) {
                if (self->audience_ != nullptr) {
                    self->audience_->insert(self.get());
                }
                self->read();
            }
        });
    }

    void tell(std::shared_ptr<const std::string> message) {
        waiting_.push_back(std::move(message));
        if (waiting_.size() == 1) {
            tell_next();
        }
    }

private:
    static constexpr std::size_t kWriteBufferBytes = 64u << 10;
    static constexpr std::size_t kMessageMaxBytes = 64u << 20;

    void read() {
        stream_.async_read(buffer_,
                           [self = shared_from_this()](beast::error_code error, std::size_t) {
                               if (!error && self->audience_ != nullptr) {
                                   self->tell_all();
                               } else if (!error) {
                                   self->write();
                               }
                           });
    }

    void write() {
        stream_.text(stream_.got_text());
        stream_.async_write(buffer_.data(),
                            [self = shared_from_this()](beast::error_code error, std::size_t) {
                                if (!error) {
                                    self->buffer_.clear();
                                    self->read();
                                }
                            });
    }

    void tell_all() {
        const auto message =
            std::make_shared<const std::string>(beast::buffers_to_string(buffer_.data()));
        buffer_.clear();
        for (Session* session : *audience_) {
            session->tell(message);
        }
        read();
    }

    void tell_next() {
        stream_.text(true);
        stream_.async_write(asio::buffer(*waiting_.front()),
                            [self = shared_from_this()](beast::error_code error, std::size_t) {
                                self->waiting_.erase(self->waiting_.begin());
                                if (!error && !self->waiting_.empty()) {
                                    self->tell_next();
                                }
                            });
    }

    websocket::stream<Socket, true> stream_;
    Audience* audience_;
    std::vector<std::shared_ptr<const std::string>> waiting_;
    beast::flat_buffer buffer_;
};

class Server {
public:
    Server(asio::io_context& io, std::uint16_t port, const websocket::permessage_deflate& deflate,
           Audience* audience)
        : acceptor_(io, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port)),
          deflate_(deflate),
          audience_(audience) {
        acceptor_.listen(4096);
    }

    void accept() {
        acceptor_.async_accept([this](beast::error_code error, Socket socket) {
            if (!error) {
                socket.set_option(asio::ip::tcp::no_delay(true));
                std::make_shared<Session>(std::move(socket), deflate_, audience_)->start();
            }
            accept();
        });
    }

private:
    Acceptor acceptor_;
    websocket::permessage_deflate deflate_;
    Audience* audience_;
};

}  // namespace

int main(int argc, char** argv) {
    std::uint16_t port = 0;
    bool fan_out = false;
    websocket::permessage_deflate deflate;
    deflate.server_enable = false;
    deflate.server_no_context_takeover = true;
    deflate.compLevel = 6;
    deflate.memLevel = 8;
    CLI::App line("Boost.Beast's echo server");
    line.add_option("--port", port)->required();
    line.add_flag("--deflate", deflate.server_enable);
    line.add_option("--level", deflate.compLevel)->capture_default_str();
    line.add_option("--memory-level", deflate.memLevel)->capture_default_str();
    line.add_option("--window-bits", deflate.server_max_window_bits)->capture_default_str();
    line.add_option("--threshold", deflate.msg_size_threshold,
                    "smaller messages are sent uncompressed")
        ->capture_default_str();
    line.add_flag("--fan-out", fan_out, "each message goes to all connections");
    CLI11_PARSE(line, argc, argv);
    rlimit descriptors{};
    ::getrlimit(RLIMIT_NOFILE, &descriptors);
    descriptors.rlim_cur = descriptors.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &descriptors);
    asio::io_context io(1);
    Audience audience;
    Server server(io, port, deflate, fan_out ? &audience : nullptr);
    server.accept();
    std::cout << "listening on 127.0.0.1:" << port << std::endl;
    io.run();
    return 0;
}
