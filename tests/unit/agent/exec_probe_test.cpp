#include "agent/exec_probe.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "checker_fixture.h"
#include "servers.h"

namespace fwctl::agent {
namespace {

using policy::HealthKind;
namespace fs = std::filesystem;

class ExecProbeTest : public CheckerTest {
protected:
    void SetUp() override {
        CheckerTest::SetUp();
        std::string pattern = fs::temp_directory_path() / "fwctl-exec-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    void TearDown() override {
        checker_.reset();
        fs::remove_all(folder_);
    }

    static Target running(const std::string& command) {
        Target target = target_of(HealthKind::kExec, Family::kIpv4, 80);
        target.health.command = command;
        return target;
    }

    // The numbers in a file of the folder, once there are so many.
    std::vector<long> numbers(const std::string& name, std::size_t count) {
        const auto end = std::chrono::steady_clock::now() + kPatience;
        std::vector<long> found;
        while (found.size() < count && std::chrono::steady_clock::now() < end) {
            std::this_thread::sleep_for(milliseconds(5));
            found.clear();
            std::ifstream file(folder_ / name);
            for (long number = 0; file >> number;) found.push_back(number);
        }
        return found;
    }

    // Whether a child of this process ends and is reaped, while the Checker has nothing to tell.
    bool is_reaped(long pid) {
        const auto end = std::chrono::steady_clock::now() + kPatience;
        while (::kill(static_cast<pid_t>(pid), 0) == 0) {
            if (std::chrono::steady_clock::now() > end) return false;
            EXPECT_EQ(checker_->run_once(milliseconds(20)), std::vector<Event>{});
        }
        return true;
    }

    // Whether a process ends; when it is reaped is for others to say.
    static bool ends(long pid) {
        const auto end = std::chrono::steady_clock::now() + kPatience;
        while (std::chrono::steady_clock::now() < end) {
            std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
            std::string number, name, state;
            if (!(file >> number >> name >> state) || state == "Z" || state == "X") return true;
            std::this_thread::sleep_for(milliseconds(5));
        }
        return false;
    }

    fs::path folder_;
};

TEST_F(ExecProbeTest, StatusZeroIsGood) {
    const Target target = running("exit 0");
    EXPECT_EQ(check(target), up(target, "exit status 0"));
}

TEST_F(ExecProbeTest, AnotherStatusIsBad) {
    const Target target = running("exit 3");
    EXPECT_EQ(check(target), down(target, "exit status 3"));
}

TEST_F(ExecProbeTest, ACommandThatIsNotThereIsBad) {
    const Target target = running("/nowhere/at-all");
    EXPECT_EQ(check(target), down(target, "exit status 127"));
}

TEST_F(ExecProbeTest, ADeathBySignalIsBad) {
    const Target target = running("kill -9 $$");
    EXPECT_EQ(check(target), down(target, "killed by signal 9"));
}

TEST_F(ExecProbeTest, TheEnvironmentSaysWhatIsAskedAbout) {
    setenv("FWCTL_PORT", "1", 1);  // of the agent's own environment: not the command's
    setenv("FWCTL_OTHER", "kept", 1);
    const Target target = running(
        "test \"$FWCTL_VIP $FWCTL_BACKEND $FWCTL_ADDRESS $FWCTL_PORT $FWCTL_OTHER\" = "
        "'web web1 127.0.0.1 80 kept'");
    EXPECT_EQ(check(target), up(target, "exit status 0"));
    unsetenv("FWCTL_PORT");
    unsetenv("FWCTL_OTHER");
}

TEST_F(ExecProbeTest, NothingOfTheAgentsIsOpenInIt) {
    const Fd open(dup(STDIN_FILENO) < 0 ? -1 : fcntl(STDERR_FILENO, F_DUPFD, 50));
    ASSERT_TRUE(open);
    const Target target = running("test -e /proc/self/fd/2 && test ! -e /proc/self/fd/" +
                                  std::to_string(open.get()) + " && ! read line");
    EXPECT_EQ(check(target), up(target, "exit status 0"));
}

// Signals that the agent blocks are not blocked in the command.
TEST_F(ExecProbeTest, SignalsAreAsInAShell) {
    sigset_t blocked;
    sigset_t former;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &former);
    const Target target = running("kill $$; exit 0");
    EXPECT_EQ(check(target), down(target, "killed by signal 15"));
    pthread_sigmask(SIG_SETMASK, &former, nullptr);
}

TEST_F(ExecProbeTest, WhatHangsIsKilledWithItsGroup) {
    // The shell ignores SIGTERM and has a child.
    const Target target =
        running("trap '' TERM; sleep 1000 & echo $$ $! > " + (folder_ / "pids").string() + "; wait");
    checker_->set_targets({target});
    EXPECT_EQ(begin_checks({target}), std::vector<Event>{});
    const auto pids = numbers("pids", 2);
    ASSERT_EQ(pids.size(), 2U);
    now_ += target.health.timeout;
    EXPECT_EQ(checker_->run_once(milliseconds(0)),
              std::vector<Event>{down(target, "still running after 1s")});
    EXPECT_TRUE(is_reaped(pids[0]));
    EXPECT_TRUE(ends(pids[1]));
}

TEST_F(ExecProbeTest, WhatIsNoLongerWantedIsKilled) {
    const Target target = running("echo $$ > " + (folder_ / "pids").string() + "; sleep 1000; exit 0");
    checker_->set_targets({target});
    begin_checks({target});
    const auto pids = numbers("pids", 1);
    ASSERT_EQ(pids.size(), 1U);
    checker_->set_targets({});
    EXPECT_TRUE(is_reaped(pids[0]));
}

TEST_F(ExecProbeTest, ChecksOfATargetDoNotOverlap) {
    Target target = running("echo $$ >> " + (folder_ / "pids").string() + "; sleep 1000; exit 0");
    target.health.every = milliseconds(1000);
    target.health.timeout = milliseconds(60'000);
    checker_->set_targets({target});
    begin_checks({target});
    ASSERT_EQ(numbers("pids", 1).size(), 1U);
    for (int i = 0; i < 20; ++i) {
        now_ += milliseconds(1000);
        EXPECT_EQ(checker_->run_once(milliseconds(5)), std::vector<Event>{});
    }
    EXPECT_EQ(numbers("pids", 1).size(), 1U);
}

}  // namespace
}  // namespace fwctl::agent
