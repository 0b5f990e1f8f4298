#include "agent/journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "base/fd.h"

namespace fwctl::agent {
namespace {

namespace fs = std::filesystem;
using observe::News;
using observe::Priority;
using namespace std::string_literals;

const News kNews = {Priority::kNotice, "ban", "set banned: 192.0.2.1 is a member now", {{"SET", "banned"}}};

TEST(JournalTest, ADatagramHasAFieldALine) {
    EXPECT_EQ(journal_datagram(kNews),
              "MESSAGE=set banned: 192.0.2.1 is a member now\nPRIORITY=5\nSYSLOG_IDENTIFIER=fwctl-agent\n"
              "FWCTL_EVENT=ban\nFWCTL_SET=banned\n");
}

// "If the value includes a newline": the size in 64 bits, little-endian (systemd's Native Journal Protocol).
TEST(JournalTest, AValueOfTwoLinesCannotAddAField) {
    EXPECT_EQ(journal_datagram({Priority::kWarning, "e", "one\nPRIORITY=0", {}}),
              "MESSAGE\n\x0e\0\0\0\0\0\0\0one\nPRIORITY=0\nPRIORITY=4\nSYSLOG_IDENTIFIER=fwctl-agent\n"
              "FWCTL_EVENT=e\n"s);
}

class JournalSocketTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = fs::temp_directory_path() / "fwctl-journal-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
        path_ = folder_ / "socket";
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path_.data(), path_.size());
        socket_ = Fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
        errors_ = Fd(open((folder_ / "errors").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        struct stat there {};
        ASSERT_EQ(fstat(errors_.get(), &there), 0);
        stream_ = std::to_string(there.st_dev) + ":" + std::to_string(there.st_ino);
    }
    void TearDown() override { fs::remove_all(folder_); }

    [[nodiscard]] Journal journal(const char* stream, const std::string& path) const {
        return Journal([stream](const char*) { return stream; }, errors_.get(), path);
    }
    [[nodiscard]] std::string heard() const {
        char text[512];
        const ssize_t size = recv(socket_.get(), text, sizeof(text), MSG_DONTWAIT);
        return size < 0 ? "nothing" : std::string(text, static_cast<std::size_t>(size));
    }
    [[nodiscard]] std::string said() const {
        char text[512];
        const ssize_t size = pread(errors_.get(), text, sizeof(text), 0);
        return {text, static_cast<std::size_t>(size)};
    }

    fs::path folder_;
    std::string path_;
    Fd socket_;
    Fd errors_;
    std::string stream_;
};

TEST_F(JournalSocketTest, TheJournalGetsFields) {
    journal(stream_.c_str(), path_).tell(kNews);
    EXPECT_EQ(heard(), journal_datagram(kNews));
    EXPECT_EQ(said(), "");
}

TEST_F(JournalSocketTest, ATerminalGetsALine) {
    for (const char* stream : {static_cast<const char*>(nullptr), "1:1", ""}) {
        ASSERT_EQ(ftruncate(errors_.get(), 0), 0);
        lseek(errors_.get(), 0, SEEK_SET);
        journal(stream, path_).tell({Priority::kInfo, "e", "one\ntwo", {}});
        EXPECT_EQ(said(), "one two\n");
    }
    EXPECT_EQ(heard(), "nothing");
}

TEST_F(JournalSocketTest, AJournalThatCannotBeReachedByItsSocketGetsThePriority) {
    journal(stream_.c_str(), folder_ / "none").tell(kNews);
    EXPECT_EQ(said(), "<5>set banned: 192.0.2.1 is a member now\n");
}

}  // namespace
}  // namespace fwctl::agent
