#include "net/listen.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

namespace fwctl::net {
namespace {

namespace fs = std::filesystem;

TEST(EndpointTest, ReadsLiteralAddressesAndPorts) {
    EXPECT_EQ(parse_endpoint("127.0.0.1:9105"), (Endpoint{"127.0.0.1", 9105}));
    EXPECT_EQ(parse_endpoint("0.0.0.0:1"), (Endpoint{"0.0.0.0", 1}));
    EXPECT_EQ(parse_endpoint("[::1]:65535"), (Endpoint{"::1", 65535}));
    for (const char* text : {"127.0.0.1:9105", "[::1]:65535"}) EXPECT_EQ(parse_endpoint(text)->text(), text);
}

TEST(EndpointTest, RefusesTheRest) {
    for (const char* text :
         {"", ":9105", "9105", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+1",
          "127.0.0.1:9105x", "localhost:9105", "::1:9105", "[127.0.0.1]:9105", "[::1]", "[::1", "[]:9105",
          "127.1:9105", "[fe80::1%eth0]:9105"}) {
        const auto read = parse_endpoint(text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().exit, Exit::kUsage);
        EXPECT_EQ(read.error().message, std::string("\"") + text +
                                            "\" is no address to listen on; give ADDRESS:PORT, as "
                                            "127.0.0.1:9105 or [::1]:9105");
    }
}

class ListenTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = fs::temp_directory_path() / "fwctl-listen-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    void TearDown() override { fs::remove_all(folder_); }
    [[nodiscard]] mode_t mode_of(const std::string& path) const {
        struct stat there {};
        EXPECT_EQ(lstat(path.c_str(), &there), 0);
        return there.st_mode;
    }
    fs::path folder_;
};

TEST_F(ListenTest, OnlyTheOwnerMayUseTheSocket) {
    const std::string path = folder_ / "a.sock";
    const auto made = listen_unix(path, "");
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(mode_of(path), S_IFSOCK | 0600U);
}

TEST_F(ListenTest, WhatIsLeftBehindGivesWayAndNothingElse) {
    const std::string path = folder_ / "a.sock";
    { ASSERT_TRUE(listen_unix(path, "")); }
    const auto again = listen_unix(path, "");
    ASSERT_TRUE(again) << again.error().message;
    const auto beside = listen_unix(path, "");
    ASSERT_FALSE(beside);
    EXPECT_EQ(beside.error().exit, Exit::kConflict);
    EXPECT_EQ(beside.error().message, "another process listens on " + path + " already");
    const std::string file = folder_ / "file";
    std::ofstream(file) << "kept";
    const auto on_file = listen_unix(file, "");
    ASSERT_FALSE(on_file);
    EXPECT_EQ(on_file.error().message, file + " is there already, and is no socket");
    EXPECT_EQ(mode_of(file) & S_IFMT, S_IFREG);
}

// Of another kind, so that connect() fails although somebody reads from it.
TEST_F(ListenTest, ASocketOfAnotherKindStaysWhileItIsUsed) {
    const std::string path = folder_ / "a.sock";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    {
        const Fd other(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(bind(other.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
        const auto refused = listen_unix(path, "");
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().exit, Exit::kConflict);
        EXPECT_EQ(refused.error().message, "another process has a socket of another kind at " + path);
        EXPECT_EQ(mode_of(path) & S_IFMT, S_IFSOCK);
    }
    const auto made = listen_unix(path, "");
    EXPECT_TRUE(made) << made.error().message;
}

TEST_F(ListenTest, RefusesWhatCannotBe) {
    EXPECT_EQ(listen_unix("relative", "").error().exit, Exit::kUsage);
    EXPECT_EQ(check_path("/" + std::string(107, 'a')).error().exit, Exit::kUsage);
    EXPECT_EQ(check_group("no-such-group").error().message, "there is no group \"no-such-group\"");
    EXPECT_TRUE(check_group(""));
    EXPECT_TRUE(check_group("root"));
}

}  // namespace
}  // namespace fwctl::net
