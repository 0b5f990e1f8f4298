#include "agent/notify.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>

#include "base/fd.h"

namespace fwctl::agent {
namespace {

namespace fs = std::filesystem;
using Variables = std::map<std::string, std::string>;

ServiceManager manager_with(const Variables& variables) {
    return ServiceManager([&](const char* name) {
        const auto found = variables.find(name);
        return found == variables.end() ? nullptr : found->second.c_str();
    });
}

// A service manager that hears one datagram after the other. "@" stands for an abstract socket.
class Manager {
public:
    explicit Manager(const std::string& path) : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        if (path[0] == '@') address.sun_path[0] = '\0';
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
        EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length), 0) << strerror(errno);
    }
    std::string hear() {
        char text[128];
        const ssize_t size = recv(socket_.get(), text, sizeof(text), MSG_DONTWAIT);
        return size < 0 ? "nothing" : std::string(text, static_cast<std::size_t>(size));
    }

private:
    Fd socket_;
};

class NotifyTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = fs::temp_directory_path() / "fwctl-notify-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    void TearDown() override { fs::remove_all(folder_); }
    fs::path folder_;
};

TEST_F(NotifyTest, WhatIsToldIsHeard) {
    const std::string path = folder_ / "socket";
    Manager heard(path);
    const ServiceManager manager = manager_with({{"NOTIFY_SOCKET", path}});
    EXPECT_TRUE(manager.ready());
    EXPECT_EQ(heard.hear(), "READY=1");
    EXPECT_TRUE(manager.alive());
    EXPECT_EQ(heard.hear(), "WATCHDOG=1");
    EXPECT_TRUE(manager.stopping());
    EXPECT_EQ(heard.hear(), "STOPPING=1");
}

TEST_F(NotifyTest, AnAbstractSocketIsOneToo) {
    const std::string name = "@fwctl-notify-" + std::to_string(getpid());
    Manager heard(name);
    EXPECT_TRUE(manager_with({{"NOTIFY_SOCKET", name}}).ready());
    EXPECT_EQ(heard.hear(), "READY=1");
}

TEST_F(NotifyTest, WithoutAServiceManagerNothingFails) {
    EXPECT_TRUE(manager_with({}).ready());
    EXPECT_TRUE(manager_with({{"NOTIFY_SOCKET", ""}}).ready());
}

TEST_F(NotifyTest, AServiceManagerThatIsNotThereIsAnError) {
    const std::string path = folder_ / "nobody";
    const Status told = manager_with({{"NOTIFY_SOCKET", path}}).ready();
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().message,
              "cannot tell the service manager at " + path + ": No such file or directory");
    EXPECT_FALSE(manager_with({{"NOTIFY_SOCKET", std::string(200, '/')}}).ready());
}

TEST_F(NotifyTest, TheWatchdogIsForTheProcessThatItNames) {
    using std::chrono::microseconds;
    const std::string own = std::to_string(getpid());
    EXPECT_EQ(manager_with({{"WATCHDOG_USEC", "30000000"}}).watchdog(), microseconds(30'000'000));
    EXPECT_EQ(manager_with({{"WATCHDOG_USEC", "5"}, {"WATCHDOG_PID", own}}).watchdog(), microseconds(5));
    EXPECT_EQ(manager_with({{"WATCHDOG_USEC", "5"}, {"WATCHDOG_PID", "1"}}).watchdog(), std::nullopt);
    EXPECT_EQ(manager_with({{"WATCHDOG_USEC", "0"}}).watchdog(), std::nullopt);
    EXPECT_EQ(manager_with({{"WATCHDOG_USEC", "5s"}}).watchdog(), std::nullopt);
    EXPECT_EQ(manager_with({}).watchdog(), std::nullopt);
}

}  // namespace
}  // namespace fwctl::agent
