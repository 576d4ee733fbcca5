// SPDX-License-Identifier: GPL-2.0
#include "output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace testexp {

namespace fs = std::filesystem;

namespace {

/* Files of mkstemp() belong to the owner alone; a result is for everyone. */
void set_default_mode(int fd) {
    const mode_t mask = umask(0);
    umask(mask);
    fchmod(fd, 0666 & ~mask);
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

} // namespace

OutputFile::OutputFile(fs::path path, std::string temporary, Fd fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(std::move(fd)) {
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})),
      fd_(std::move(other.fd_)) {
}

OutputFile::~OutputFile() {
    if (!temporary_.empty())
        unlink(temporary_.c_str());
}

Result<OutputFile> OutputFile::open(const fs::path& path) {
    std::error_code none;
    const fs::path target = fs::is_symlink(path, none) ? fs::weakly_canonical(path, none) : path;

    if (fs::exists(path, none) && !fs::is_regular_file(path, none)) {
        Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
        if (!fd)
            return errno_error("cannot write " + path.string());
        return OutputFile(path, "", std::move(fd));
    }

    std::string temporary = target.string() + ".XXXXXX";
    Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd)
        return errno_error("cannot write " + path.string());
    set_default_mode(fd.get());
    return OutputFile(target, std::move(temporary), std::move(fd));
}

Status OutputFile::commit(std::string_view text) {
    if (!write_all(fd_.get(), text))
        return errno_error("cannot write " + path_.string());
    if (temporary_.empty())
        return std::monostate{};
    if (fsync(fd_.get()) || rename(temporary_.c_str(), path_.c_str()))
        return errno_error("cannot write " + path_.string());
    temporary_.clear();
    return std::monostate{};
}

Status write_file(const fs::path& path, std::string_view text) {
    Result<OutputFile> file = OutputFile::open(path);

    if (!file)
        return file.error();
    return file.value().commit(text);
}

} // namespace testexp
