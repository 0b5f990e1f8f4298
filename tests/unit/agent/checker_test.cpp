#include "agent/checker.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>

#include <filesystem>
#include <set>

#include "checker_fixture.h"
#include "servers.h"

namespace fwctl::agent {
namespace {

using policy::HealthKind;
using Events = std::vector<Event>;

bool becomes_readable(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    return poll(&waiting, 1, static_cast<int>(milliseconds(kPatience).count())) == 1;
}

std::size_t open_files() {
    const auto files = std::filesystem::directory_iterator("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

// A backend that the test plays itself, by UDP: what each check finds, and when, is its choice.
class Puppet {
public:
    explicit Puppet(std::string name) : socket_(Family::kIpv4, SOCK_DGRAM), name_(std::move(name)) {}

    [[nodiscard]] Target target() const {
        Target target = target_of(HealthKind::kUdp, Family::kIpv4, socket_.port());
        target.id.backend = name_;
        target.health.answer = "good";
        target.health.every = std::chrono::hours(2);
        target.health.timeout = std::chrono::hours(1);
        return target;
    }

    // Answers the check that has begun.
    void answer(const std::string& text) {
        ASSERT_TRUE(becomes_readable(socket_.get()));
        char got = 0;
        sockaddr_storage from{};
        socklen_t length = sizeof(from);
        auto* address = reinterpret_cast<sockaddr*>(&from);
        ASSERT_GE(recvfrom(socket_.get(), &got, 1, 0, address, &length), 0);
        ASSERT_GT(sendto(socket_.get(), text.data(), text.size(), 0, address, length), 0);
    }

    [[nodiscard]] bool is_asked() const {
        pollfd waiting{socket_.get(), POLLIN, 0};
        return poll(&waiting, 1, 0) == 1;
    }

private:
    BoundSocket socket_;
    std::string name_;
};

class PuppetTest : public CheckerTest {
protected:
    // A check of the target from its beginning to its end.
    Events round(const std::string& answer) {
        EXPECT_EQ(begin_checks({puppet_.target()}), Events{});
        puppet_.answer(answer);
        EXPECT_TRUE(becomes_readable(checker_->fd()));
        return checker_->run_once(milliseconds(0));
    }

    void bring_up() {
        checker_->set_targets({puppet_.target()});
        ASSERT_EQ(round("good"), Events{is_up()});
    }

    Event is_up() { return up(puppet_.target(), "answered"); }
    Event is_down() { return down(puppet_.target(), "another answer"); }

    Puppet puppet_{"web1"};
};

TEST_F(PuppetTest, ATargetGoesDownAfterFallAndUpAfterRise) {
    bring_up();
    EXPECT_EQ(round("bad"), Events{});
    EXPECT_EQ(round("bad"), Events{});
    EXPECT_EQ(round("bad"), Events{is_down()});
    EXPECT_EQ(round("bad"), Events{});
    EXPECT_EQ(round("good"), Events{});
    EXPECT_EQ(round("good"), Events{is_up()});
    EXPECT_EQ(round("good"), Events{});
}

TEST_F(PuppetTest, AnAnswerThatCameInTimeCountsHoweverLateItIsRead) {
    checker_->set_targets({puppet_.target()});
    EXPECT_EQ(begin_checks({puppet_.target()}), Events{});
    puppet_.answer("good");
    ASSERT_TRUE(becomes_readable(checker_->fd()));
    now_ += 10 * puppet_.target().health.timeout;
    EXPECT_EQ(checker_->run_once(milliseconds(0)), Events{is_up()});
}

TEST_F(PuppetTest, ATargetThatStaysKeepsWhatIsKnownOfIt) {
    bring_up();
    EXPECT_EQ(round("bad"), Events{});
    const Puppet other("web2");
    checker_->set_targets({other.target(), puppet_.target()});
    EXPECT_EQ(round("bad"), Events{});
    checker_->set_targets({puppet_.target()});
    EXPECT_EQ(round("bad"), Events{is_down()});
}

TEST_F(PuppetTest, ACheckUnderWayOutlivesAReplacementOfOthers) {
    const Puppet other("web2");
    checker_->set_targets({puppet_.target(), other.target()});
    begin_checks({puppet_.target()});
    checker_->set_targets({puppet_.target()});
    puppet_.answer("good");
    ASSERT_TRUE(becomes_readable(checker_->fd()));
    EXPECT_EQ(checker_->run_once(milliseconds(0)), Events{is_up()});
}

TEST_F(PuppetTest, AnotherHealthCheckKeepsTheStateAndBeginsAnew) {
    bring_up();
    EXPECT_EQ(begin_checks({puppet_.target()}), Events{});
    Target stricter = puppet_.target();
    stricter.health.answer = "very good";
    stricter.health.fall = 2;
    checker_->set_targets({stricter});
    puppet_.answer("bad");  // to the check that was broken off
    EXPECT_EQ(checker_->run_once(milliseconds(20)), Events{});
    EXPECT_EQ(round("good"), Events{});
    EXPECT_EQ(round("good"), Events{is_down()});
}

TEST_F(PuppetTest, AnotherPortIsAnotherServer) {
    bring_up();
    const Puppet other("web1");
    const Target moved = other.target();
    checker_->set_targets({moved});
    EXPECT_EQ(begin_checks({moved}), Events{});
    now_ += moved.health.timeout;
    EXPECT_EQ(checker_->run_once(milliseconds(0)), Events{down(moved, "no answer within 1h")});
}

TEST_F(PuppetTest, NothingIsToldOfATargetThatHasGone) {
    checker_->set_targets({puppet_.target()});
    begin_checks({puppet_.target()});
    checker_->set_targets({});
    puppet_.answer("good");
    now_ += 10 * puppet_.target().health.every;
    EXPECT_EQ(checker_->run_once(milliseconds(20)), Events{});
    EXPECT_FALSE(puppet_.is_asked());
}

TEST_F(PuppetTest, NoCheckBeginsBeforeItsTime) {
    bring_up();
    now_ += puppet_.target().health.every * 8 / 10;
    EXPECT_EQ(checker_->run_once(milliseconds(20)), Events{});
    EXPECT_FALSE(puppet_.is_asked());
}

// Of a target that is asked at its service's address.
class WayTest : public CheckerTest {
protected:
    WayTest() : server_(Family::kIpv4, [](Fd) {}) {
        target_ = target_of(HealthKind::kTcp, Family::kIpv4, server_.port());
        target_.id.vip_address = target_.id.address;
        target_.id.address = policy::parse_prefix("192.0.2.1").value();
        target_.mark = 7;
    }
    Event unable(const std::string& why) { return {target_.id, Event::Kind::kUnable, why}; }

    TcpServer server_;
    Target target_;
};

TEST_F(WayTest, WhatWentThereDecides) {
    checker_->set_targets({target_});
    Events events = begin_checks({target_});
    ++sent_;
    EXPECT_EQ(wait_for_events(events), Events{up(target_, "connected")});
    server_.stop();
    target_.health.fall = 1;
    checker_->set_targets({target_});
    events = begin_checks({target_});
    EXPECT_EQ(events, Events{});
    ++sent_;
    EXPECT_EQ(wait_for_events(), Events{down(target_, "connection refused")});
}

TEST_F(WayTest, WhoeverAnsweredWhatDidNotGoThereSaysNothing) {
    const std::string why = "its packets do not leave by an attached interface (tc-out)";
    EXPECT_EQ(check(target_), unable(why));
    server_.stop();
    target_.id.backend = "another";
    EXPECT_EQ(check(target_), unable(why + ": connection refused"));
}

TEST_F(PuppetTest, ACheckThatHasEndedHasNothingOpen) {
    const std::size_t before = open_files();
    bring_up();
    EXPECT_EQ(open_files(), before);
}

// By the clock of the machine: a caller waits for fd() alone, whatever is to be done.
TEST(CheckerClockTest, TheDescriptorTellsWhenAnyoneIsDue) {
    auto checker = Checker::create([] { return std::chrono::steady_clock::now(); }, nullptr, 1);
    ASSERT_TRUE(checker);
    const BoundSocket silent(Family::kIpv4, SOCK_DGRAM);
    Target target = target_of(HealthKind::kUdp, Family::kIpv4, silent.port());
    target.health.every = milliseconds(20);
    target.health.timeout = milliseconds(10);
    (*checker)->set_targets({target});
    Events events;
    while (events.empty()) {
        ASSERT_TRUE(becomes_readable((*checker)->fd()));
        events = (*checker)->run_once(milliseconds(0));
    }
    EXPECT_EQ(events[0].why, "not refused within 10ms");
}

// As many descriptors as the system grants, for as long as it lives.
class ManyFiles {
public:
    ManyFiles() {
        getrlimit(RLIMIT_NOFILE, &former_);
        const rlimit most{former_.rlim_max, former_.rlim_max};
        setrlimit(RLIMIT_NOFILE, &most);
    }
    ~ManyFiles() { setrlimit(RLIMIT_NOFILE, &former_); }

private:
    rlimit former_{};
};

TEST(CheckerLoadTest, TwoThousandTargetsAreCheckedAndNothingStaysOpen) {
    const ManyFiles limit;
    TcpServer server(Family::kIpv4, [](Fd) {});
    const std::size_t before = open_files();
    {
        auto checker = Checker::create([] { return std::chrono::steady_clock::now(); }, nullptr, 1);
        ASSERT_TRUE(checker);
        Target target = target_of(HealthKind::kTcp, Family::kIpv4, server.port());
        target.health.every = milliseconds(200);
        target.health.timeout = kPatience;
        std::vector<Target> targets(2000, target);
        for (std::size_t i = 0; i < targets.size(); ++i) targets[i].id.backend = std::to_string(i);
        (*checker)->set_targets(targets);

        std::set<std::string> up;
        const auto begin = std::chrono::steady_clock::now();
        const auto elapsed = [&] { return std::chrono::steady_clock::now() - begin; };
        while (elapsed() < std::chrono::seconds(1) || (up.size() < targets.size() && elapsed() < kPatience)) {
            for (const Event& event : (*checker)->run_once(milliseconds(50))) {
                EXPECT_EQ(event.kind, Event::Kind::kUp) << event.why;
                EXPECT_TRUE(up.insert(event.target.backend).second) << "told twice";
            }
        }
        EXPECT_EQ(up.size(), targets.size());
    }
    EXPECT_EQ(open_files(), before);
}

}  // namespace
}  // namespace fwctl::agent
