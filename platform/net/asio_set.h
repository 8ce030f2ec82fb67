#pragma once

#include <boost/asio/io_context.hpp>

namespace holdfast::net {

/// The descriptor of the epoll set in which the io_context waits, or -1 where that cannot be told.
/// It stays the io_context's own. Asio does not hand it out, so the kernel is asked (/proc): it is
/// the set in which `probe` is found while Asio watches it. `probe` is a descriptor that can be
/// watched and that no other set of this process watches.
[[nodiscard]] int asio_epoll_set(boost::asio::io_context& io, int probe);

}  // namespace holdfast::net
