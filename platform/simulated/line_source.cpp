#include "platform/simulated/line_source.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace holdfast::simulated {

LineFile::~LineFile() {
    for (LineSource* const follower : followers_) {
        follower->file_ = nullptr;
    }
}

void LineFile::append(std::string line) {
    const std::uint64_t begin = lines_.empty() ? 0 : lines_.back().end;
    const std::uint64_t end = begin + line.size() + 1;
    lines_.push_back({std::move(line), end});
    for (LineSource* const follower : followers_) {
        follower->look_soon();
    }
}

std::size_t LineFile::lines_before(std::uint64_t offset) const {
    const auto end = std::ranges::upper_bound(lines_, offset, {}, &Line::end);
    return static_cast<std::size_t>(end - lines_.begin());
}

LineSource::LineSource(Clock& clock, LineFile& file, ports::LinePosition start, Handler handler)
    : clock_(clock), file_(&file), handler_(std::move(handler)), position_(start) {
    const std::uint64_t size = file.lines_.empty() ? 0 : file.lines_.back().end;
    if (position_.inode != file.inode_ || position_.offset > size) {
        position_ = {0, file.inode_};
    }
    file.followers_.push_back(this);
    look_soon();
}

LineSource::~LineSource() {
    *alive_ = false;
    if (file_ != nullptr) {
        std::erase(file_->followers_, this);
    }
}

void LineSource::resume() {
    if (std::exchange(paused_, false)) {
        look_soon();
    }
}

void LineSource::look_soon() {
    if (!paused_ && !std::exchange(asked_, true)) {
        clock_.at(clock_.now(), [this, alive = alive_] {
            if (*alive) {
                asked_ = false;
                look();
            }
        });
    }
}

void LineSource::look() {
    if (paused_ || file_ == nullptr) {
        return;
    }
    const std::vector<LineFile::Line>& lines = file_->lines_;
    const std::size_t first = file_->lines_before(position_.offset);
    const std::size_t end = std::min(lines.size(), first + kMostLines);
    if (first == end) {
        return;
    }
    position_.offset = lines[end - 1].end;
    std::vector<std::string_view> texts;
    for (std::size_t i = first; i < end; ++i) {
        texts.push_back(lines[i].text);
    }
    look_soon();                          // there may be more
    handler_.on_lines(texts, position_);  // may destroy this
}

}  // namespace holdfast::simulated
