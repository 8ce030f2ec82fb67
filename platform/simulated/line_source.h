#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "firmware/ports/line_source.h"
#include "platform/simulated/clock.h"

namespace holdfast::simulated {

class LineSource;

/// A file of lines that grows, and survives everything.
class LineFile {
public:
    explicit LineFile(std::uint64_t inode = 1) : inode_(inode) {}
    ~LineFile();
    LineFile(const LineFile&) = delete;
    LineFile& operator=(const LineFile&) = delete;

    /// `line` without its newline.
    void append(std::string line);
    [[nodiscard]] std::uint64_t inode() const { return inode_; }
    [[nodiscard]] std::size_t lines() const { return lines_.size(); }
    /// So many lines are before this offset.
    [[nodiscard]] std::size_t lines_before(std::uint64_t offset) const;

private:
    friend class LineSource;
    struct Line {
        std::string text;
        std::uint64_t end = 0;  ///< the offset behind its newline
    };
    std::uint64_t inode_;
    std::vector<Line> lines_;
    std::vector<LineSource*> followers_;
};

/// Follows a LineFile, as ports::LineSource says; it is never rotated. At most `kMostLines` are
/// handed on in one event.
class LineSource final : public ports::LineSource {
public:
    static constexpr std::size_t kMostLines = 64;

    /// `file` outlives this.
    LineSource(Clock& clock, LineFile& file, ports::LinePosition start, Handler handler);
    ~LineSource() override;
    LineSource(const LineSource&) = delete;
    LineSource& operator=(const LineSource&) = delete;

    [[nodiscard]] bool remembers() const override { return true; }
    void pause() override { paused_ = true; }
    void resume() override;

private:
    friend class LineFile;
    void look_soon();
    void look();

    Clock& clock_;
    LineFile* file_;  ///< null: it is no more
    Handler handler_;
    ports::LinePosition position_;
    bool paused_ = false;
    bool asked_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast::simulated
