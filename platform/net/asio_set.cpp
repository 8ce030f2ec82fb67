#include "platform/net/asio_set.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <boost/asio/posix/stream_descriptor.hpp>

namespace holdfast::net {
namespace {

namespace fs = std::filesystem;

/// proc(5): an epoll descriptor's file in `fdinfo` has a line "tfd: 7 events: …" for each
/// descriptor in the set.
bool watches(const std::string& descriptor, int watched) {
    std::ifstream lines("/proc/self/fdinfo/" + descriptor);
    std::string word;
    while (lines >> word) {
        int number = -1;
        if (word == "tfd:" && lines >> number && number == watched) {
            return true;
        }
    }
    return false;
}

}  // namespace

int asio_epoll_set(boost::asio::io_context& io, int probe) {
    boost::system::error_code failed;
    boost::asio::posix::stream_descriptor watched(io);
    watched.assign(probe, failed);
    if (failed) {
        return -1;
    }
    int found = -1;
    std::error_code error;
    fs::directory_iterator entry("/proc/self/fd", error);
    for (; found < 0 && !error && entry != fs::directory_iterator(); entry.increment(error)) {
        std::error_code gone;
        const std::string descriptor = entry->path().filename();
        if (fs::read_symlink(entry->path(), gone) == "anon_inode:[eventpoll]" &&
            watches(descriptor, probe)) {
            found = std::stoi(descriptor);
        }
    }
    watched.release();
    return found;
}

}  // namespace holdfast::net
