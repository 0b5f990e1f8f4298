// Where the texts of a policy come from: the disk, or a snapshot that was taken of it.
//
// Promises: a policy that was read through a DiskReader is read again, the same, through a SnapshotReader of
// its sources.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "base/result.h"

namespace fwctl::policy {

class FileReader {
public:
    FileReader() = default;
    FileReader(const FileReader&) = delete;
    FileReader(FileReader&&) = delete;
    FileReader& operator=(const FileReader&) = delete;
    FileReader& operator=(FileReader&&) = delete;
    virtual ~FileReader() = default;

    // The whole file. Errors say why, not which file: "No such file or directory".
    [[nodiscard]] virtual Result<std::string> read(const std::string& path) const = 0;

    // The names of what is in a folder, in no order.
    [[nodiscard]] virtual Result<std::vector<std::string>> list(const std::string& directory) const = 0;
};

// The file system. "-" is the standard input.
class DiskReader : public FileReader {
public:
    [[nodiscard]] Result<std::string> read(const std::string& path) const override;
    [[nodiscard]] Result<std::vector<std::string>> list(const std::string& directory) const override;
};

// Texts by path. Every folder exists; those without texts are empty.
class SnapshotReader : public FileReader {
public:
    explicit SnapshotReader(std::vector<Source> sources);
    [[nodiscard]] Result<std::string> read(const std::string& path) const override;
    [[nodiscard]] Result<std::vector<std::string>> list(const std::string& directory) const override;

private:
    std::map<std::string, std::string> texts_;
};

// `path` as seen from the file `from`: beside it, unless it is absolute.
std::string path_beside(const std::string& from, const std::string& path);

}  // namespace fwctl::policy
