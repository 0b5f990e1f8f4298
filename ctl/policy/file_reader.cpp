#include "policy/file_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/fd.h"

namespace fwctl::policy {

namespace {

tl::unexpected<Error> fail_with_errno() {
    return fail(std::strerror(errno));
}

Result<std::string> read_all(int fd) {
    // One byte more than the file has, so that the end shows in the first turn.
    struct stat status {};
    std::string text;
    text.resize(::fstat(fd, &status) == 0 ? static_cast<std::size_t>(status.st_size) + 1 : 1);
    for (std::size_t size = 0;;) {
        const ssize_t count = ::read(fd, text.data() + size, text.size() - size);
        if (count < 0 && errno != EINTR) {
            return fail_with_errno();
        }
        if (count == 0) {
            text.resize(size);
            return text;
        }
        size += static_cast<std::size_t>(count < 0 ? 0 : count);
        if (size == text.size()) {
            text.resize(size + (size < 65536 ? 65536 : size));
        }
    }
}

}  // namespace

Result<std::string> DiskReader::read(const std::string& path) const {
    if (path == "-") {
        return read_all(STDIN_FILENO);
    }
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return fd ? read_all(fd.get()) : fail_with_errno();
}

Result<std::vector<std::string>> DiskReader::list(const std::string& directory) const {
    const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), ::closedir);
    if (!open) {
        return fail_with_errno();
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(open.get())) {
        names.emplace_back(entry->d_name);
    }
    return names;
}

SnapshotReader::SnapshotReader(std::vector<Source> sources) {
    for (Source& source : sources) {
        texts_.insert_or_assign(std::move(source.path), std::move(source.text));
    }
}

Result<std::string> SnapshotReader::read(const std::string& path) const {
    const auto text = texts_.find(path);
    return text == texts_.end() ? fail(std::strerror(ENOENT)) : Result<std::string>(text->second);
}

Result<std::vector<std::string>> SnapshotReader::list(const std::string& directory) const {
    const std::string folder = directory + "/";
    std::vector<std::string> names;
    for (auto text = texts_.lower_bound(folder); text != texts_.end() && text->first.rfind(folder, 0) == 0;
         ++text) {
        const std::string name = text->first.substr(folder.size());
        if (name.find('/') == std::string::npos) {
            names.push_back(name);
        }
    }
    return names;
}

std::string path_beside(const std::string& from, const std::string& path) {
    const std::size_t slash = from.rfind('/');
    const bool is_absolute = path.substr(0, 1) == "/";
    return is_absolute || slash == std::string::npos ? path : from.substr(0, slash + 1) + path;
}

}  // namespace fwctl::policy
