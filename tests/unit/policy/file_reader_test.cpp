#include "policy/file_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace fwctl::policy {
namespace {

using Names = std::vector<std::string>;

class DiskReaderTest : public testing::Test {
protected:
    DiskReaderTest() {
        std::string name = testing::TempDir() + "fwctl-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }
    ~DiskReaderTest() override { std::filesystem::remove_all(folder_); }

    void write(const std::string& name, const std::string& text) const {
        std::ofstream(folder_ / name, std::ios::binary) << text;
    }
    [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

    std::filesystem::path folder_;
    DiskReader reader_;
};

TEST_F(DiskReaderTest, ReadsWholeFiles) {
    for (const std::size_t size : {0U, 1U, 4095U, 4096U, 70000U}) {
        std::string text(size, 'x');
        if (size > 1) {
            text[size / 2] = '\0';
        }
        write("f", text);
        EXPECT_EQ(reader_.read(path("f")).value(), text);
    }
}

TEST_F(DiskReaderTest, ReadsFilesThatDoNotSayTheirSize) {
    EXPECT_FALSE(reader_.read("/proc/self/status").value().empty());
}

TEST_F(DiskReaderTest, SaysWhyItCannot) {
    EXPECT_EQ(reader_.read(path("none")).error().message, "No such file or directory");
    EXPECT_EQ(reader_.read(path("")).error().message, "Is a directory");
    EXPECT_EQ(reader_.list(path("none")).error().message, "No such file or directory");
    write("f", "");
    EXPECT_EQ(reader_.list(path("f")).error().message, "Not a directory");
}

TEST_F(DiskReaderTest, ListsAFolder) {
    write("a", "");
    write("b.toml", "");
    Names names = reader_.list(path("")).value();
    std::sort(names.begin(), names.end());
    EXPECT_EQ(names, (Names{".", "..", "a", "b.toml"}));
}

TEST(SnapshotReader, GivesBackWhatItHolds) {
    const SnapshotReader reader(
        {{"etc/p.toml", "one"}, {"etc/d/a.toml", "two"}, {"etc/d/e/b.toml", "three"}, {"-", "in"}});
    EXPECT_EQ(reader.read("etc/p.toml").value(), "one");
    EXPECT_EQ(reader.read("-").value(), "in");
    EXPECT_EQ(reader.read("p.toml").error().message, "No such file or directory");
    EXPECT_EQ(reader.list("etc/d").value(), (Names{"a.toml"}));
    EXPECT_EQ(reader.list("etc").value(), (Names{"p.toml"}));
    EXPECT_EQ(reader.list("elsewhere").value(), Names{});
}

TEST(PathBeside, StartsFromTheFolderOfTheFile) {
    EXPECT_EQ(path_beside("/etc/fwctl/p.toml", "list.txt"), "/etc/fwctl/list.txt");
    EXPECT_EQ(path_beside("/etc/fwctl/p.toml", "/var/list.txt"), "/var/list.txt");
    EXPECT_EQ(path_beside("p.toml", "d/list.txt"), "d/list.txt");
    EXPECT_EQ(path_beside("-", "list.txt"), "list.txt");
    EXPECT_EQ(path_beside("", "list.txt"), "list.txt");
    EXPECT_EQ(path_beside("/p.toml", "list.txt"), "/list.txt");
}

}  // namespace
}  // namespace fwctl::policy
