#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "platform/sensors/line_splitter.h"
#include "platform/sensors/lines.h"

namespace holdfast::sensors {

/// What a followed file and a pipe have in common: reading in turns, pausing, and telling what is
/// wrong once.
class LineSourceBase : public LineSource {
public:
    void pause() override { paused_ = true; }
    void resume() override;

protected:
    /// A turn reads at most this many chunks, then others of the network thread have theirs.
    static constexpr int kChunksPerTurn = 4;
    static constexpr std::chrono::seconds kLookInterval{1};

    LineSourceBase(boost::asio::io_context& io, std::string path, Handler handler,
                   std::size_t line_limit_bytes);

    /// Reads what there is, up to a turn's worth; if that was not all, asks for another turn.
    virtual void take_turn() = 0;
    /// A turn as soon as the others had theirs. Asked for twice, it is one.
    void ask_for_turn();
    /// A turn every `kLookInterval` from now on.
    void look_regularly();
    /// Runs `then` with an error or without when `descriptor` can be read, unless this has ended by
    /// then.
    template <class Then>
    void when_readable(boost::asio::posix::stream_descriptor& descriptor, Then then) {
        descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              [alive = std::weak_ptr(alive_),
                               then = std::move(then)](const boost::system::error_code& error) {
                                  if (!alive.expired()) {
                                      then(error);
                                  }
                              });
    }

    /// `size` bytes were read into the splitter's room: hands on what is complete.
    /// False: the handler has ended this source; nothing of it may be touched.
    [[nodiscard]] bool hand_on(std::size_t size, std::uint64_t inode);
    /// The end of what will come: hands on the last line, if its newline is missing. As `hand_on`.
    [[nodiscard]] bool hand_on_rest(std::uint64_t inode);
    /// Reports an error unless it is the last one reported. As `hand_on`.
    bool report(ErrorCode code, const std::string& sentence);
    /// All is well: the next error is news.
    void recovered() { reported_.clear(); }

    boost::asio::io_context& io_;
    std::string path_;
    Handler handler_;
    LineSplitter splitter_;
    bool paused_ = false;

private:
    [[nodiscard]] bool deliver(std::uint64_t inode);

    std::size_t limit_;
    std::vector<std::string_view> lines_;
    std::vector<std::uint64_t> too_long_;
    std::string reported_;
    boost::asio::steady_timer timer_;
    bool turn_asked_ = false;
    /// Shared with handlers that asio may still hold when this is gone: they look whether it is.
    std::shared_ptr<char> alive_ = std::make_shared<char>();
};

/// Standard input ("-") or a FIFO.
[[nodiscard]] std::unique_ptr<LineSource> open_pipe(boost::asio::io_context& io, std::string path,
                                                    LineSource::Handler handler,
                                                    std::size_t line_limit_bytes);
/// A file that is followed. Should a FIFO stand there when it appears, it is read as such.
[[nodiscard]] std::unique_ptr<LineSource> open_file(boost::asio::io_context& io, std::string path,
                                                    LinePosition start, LineSource::Handler handler,
                                                    std::size_t line_limit_bytes);

}  // namespace holdfast::sensors
