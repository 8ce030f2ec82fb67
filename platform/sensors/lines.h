#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "firmware/ports/line_source.h"

namespace holdfast::sensors {

using ports::LinePosition;
using ports::LineSource;

/// Lines of a file that is followed from `start`, of a FIFO, or of standard input (`path` is "-").
/// A file is looked at when inotify says so and at least once a second. A FIFO is opened without
/// blocking and kept open for reading and writing, so that writers may come and go. Lines longer
/// than `line_limit_bytes` are skipped.
[[nodiscard]] std::unique_ptr<LineSource> open_lines(boost::asio::io_context& io, std::string path,
                                                     LinePosition start,
                                                     LineSource::Handler handler,
                                                     std::size_t line_limit_bytes = 64 << 10);

}  // namespace holdfast::sensors
