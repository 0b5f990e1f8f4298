#include "engine/ssh_session.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace fwctl::engine {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTitles = "  sl  local_address rem_address   st tx_queue ...\n";

// 203.0.113.1:22 with 198.51.100.7:50000, as the kernel prints it on a little-endian machine.
constexpr const char* kEnds = "017100CB:0016 076433C6:C350";
constexpr const char* kMappedEnds =
    "0000000000000000FFFF0000017100CB:0016 0000000000000000FFFF0000076433C6:C350";
constexpr const char* kVariable = "SSH_CONNECTION=198.51.100.7 50000 203.0.113.1 22";
constexpr const char* kDescribed = "from 198.51.100.7 port 50000 to 203.0.113.1 port 22";

// A /proc of files.
class SshSessionTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = fs::temp_directory_path() / "fwctl-proc-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        proc_ = pattern;
    }
    void TearDown() override { fs::remove_all(proc_); }

    void write(const std::string& name, const std::string& text) {
        fs::create_directories((proc_ / name).parent_path());
        std::ofstream(proc_ / name) << text;
    }
    void process(int id, int parent, const std::string& name, const std::string& environment = {}) {
        const std::string directory = std::to_string(id);
        write(directory + "/stat", directory + " (" + name + ") S " + std::to_string(parent) + " 1 1 0\n");
        write(directory + "/comm", name + "\n");
        write(directory + "/environ", environment);
    }
    void holds(int id, const std::string& inode) {
        const fs::path directory = proc_ / std::to_string(id) / "fd";
        fs::create_directories(directory);
        fs::create_symlink("socket:[" + inode + "]", directory / inode);
    }
    static std::string socket(const std::string& ends, const std::string& state, const std::string& inode) {
        return "   0: " + ends + " " + state + " 00000000:00000000 00:00000000 00000000     0        0 " +
               inode + " 1 0000000000000000 100 0 0 10 0\n";
    }
    std::vector<std::string> found(int self) {
        std::vector<std::string> texts;
        for (const SshSession& session : find_ssh_sessions(proc_, self)) texts.push_back(describe(session));
        return texts;
    }

    fs::path proc_;
};

using Texts = std::vector<std::string>;

TEST_F(SshSessionTest, WithoutSshThereIsNone) {
    process(10, 1, "fwctl", std::string("HOME=/root\0PATH=/bin\0", 21));
    process(1, 0, "init");
    EXPECT_EQ(found(10), Texts{});
}

TEST_F(SshSessionTest, TheEnvironmentOfAnAncestorIsEnough) {
    process(12, 11, "fwctl", "SUDO_USER=alice");
    process(11, 10, "sudo (x) S 99");  // a name that looks like more of the line
    process(10, 1, "bash", std::string("HOME=/root\0", 11) + kVariable + std::string("\0A=b\0", 5));
    EXPECT_EQ(found(12), Texts{kDescribed});
}

TEST_F(SshSessionTest, AnEstablishedSessionOfTheEnvironmentComesBeforeOthers) {
    process(10, 1, "fwctl", kVariable);
    write("10/net/tcp", kTitles + socket(kEnds, "01", "500") +
                            socket("017100CB:0016 086433C6:C350", "01", "501") +
                            socket("00000000:0016 00000000:0000", "0A", "400"));
    process(20, 1, "sshd");
    holds(20, "400");
    EXPECT_EQ(found(10), Texts{kDescribed});
}

TEST_F(SshSessionTest, WithoutAnEnvironmentTheConnectionsOfSshdAreTaken) {
    process(10, 1, "fwctl");
    write("10/net/tcp", kTitles + socket("00000000:0016 00000000:0000", "0A", "400") +
                            socket("00000000:0050 00000000:0000", "0A", "401") + socket(kEnds, "01", "500") +
                            socket("017100CB:0050 076433C6:C351", "01", "501"));
    EXPECT_EQ(found(10), Texts{}) << "nobody called sshd";
    process(20, 1, "nginx");
    holds(20, "401");
    process(21, 1, "sshd");
    holds(21, "400");
    EXPECT_EQ(found(10), Texts{kDescribed});
}

TEST_F(SshSessionTest, ASocketOfBothFamiliesSpeaksIpv4) {
    process(10, 1, "fwctl");
    write("10/net/tcp6",
          kTitles +
              socket("00000000000000000000000000000000:0016 00000000000000000000000000000000:0000", "0A",
                     "400") +
              socket(kMappedEnds, "01", "500") +
              socket("B80D0120000000000000000001000000:0016 B80D0120000000000000000007000000:C350", "01",
                     "502"));
    process(21, 1, "sshd");
    holds(21, "400");
    EXPECT_EQ(found(10), (Texts{kDescribed, "from 2001:db8::7 port 50000 to 2001:db8::1 port 22"}));
}

TEST_F(SshSessionTest, ASessionThatWasHandedOverIsOfSshd) {
    process(10, 1, "fwctl");
    write("10/net/tcp", kTitles + socket("00000000:0016 00000000:0000", "0A", "400") +
                            socket(kEnds, "01", "500") + socket("017100CB:9C40 096433C6:0016", "01", "503"));
    process(1, 0, "systemd");
    holds(1, "400");
    process(22, 1, "sshd-session");
    holds(22, "500");
    holds(22, "503");  // a tunnel that goes elsewhere
    EXPECT_EQ(found(10), Texts{kDescribed});
}

TEST_F(SshSessionTest, AnOldEnvironmentGivesWayToWhatIsEstablished) {
    process(10, 1, "fwctl", "SSH_CONNECTION=198.51.100.99 1 203.0.113.1 22");
    write("10/net/tcp",
          kTitles + socket("00000000:0016 00000000:0000", "0A", "400") + socket(kEnds, "01", "500"));
    process(21, 1, "sshd");
    holds(21, "400");
    EXPECT_EQ(found(10), Texts{kDescribed});
}

TEST(ParseSshConnectionTest, ReadsFourWords) {
    EXPECT_EQ(describe(*parse_ssh_connection("198.51.100.7 50000 203.0.113.1 22")), kDescribed);
    EXPECT_EQ(describe(*parse_ssh_connection("::ffff:198.51.100.7 50000 203.0.113.1 22")), kDescribed);
    EXPECT_EQ(describe(*parse_ssh_connection("fe80::7%eth0 1 fe80::1%eth0 22")),
              "from fe80::7 port 1 to fe80::1 port 22");
    for (const char* wrong : {"", "198.51.100.7 50000 203.0.113.1", "198.51.100.7 x 203.0.113.1 22",
                              "198.51.100.0/24 1 203.0.113.1 22", "198.51.100.7 1 203.0.113.1 22 more"})
        EXPECT_FALSE(parse_ssh_connection(wrong)) << wrong;
}

}  // namespace
}  // namespace fwctl::engine
