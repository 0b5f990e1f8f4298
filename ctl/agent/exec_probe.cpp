#include "agent/exec_probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/prefix.h"

namespace fwctl::agent {
namespace {

// The agent's own, and what the command is asked about.
std::vector<std::string> environment_for(const Target& target) {
    std::vector<std::string> all = {
        "FWCTL_VIP=" + target.id.vip,
        "FWCTL_BACKEND=" + target.id.backend,
        "FWCTL_ADDRESS=" + policy::format_prefix(target.id.address),
        "FWCTL_PORT=" + std::to_string(target.port),
    };
    const std::size_t ours = all.size();
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string_view text = *variable;
        bool replaced = false;
        for (std::size_t i = 0; i < ours; ++i)
            replaced |= text.starts_with(all[i].substr(0, all[i].find('=') + 1));
        if (!replaced) all.emplace_back(text);
    }
    return all;
}

// The two structures that posix_spawn() takes, freed with their owner.
class SpawnSettings {
public:
    SpawnSettings() {
        posix_spawn_file_actions_init(&files_);
        posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&files_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_adddup2(&files_, STDOUT_FILENO, STDERR_FILENO);
        posix_spawn_file_actions_addclosefrom_np(&files_, STDERR_FILENO + 1);

        // Signals that the agent blocks or ignores are not the command's.
        sigset_t none;
        sigset_t all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_init(&attributes_);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setsigdefault(&attributes_, &all);
        posix_spawnattr_setpgroup(&attributes_, 0);
        posix_spawnattr_setflags(&attributes_,
                                 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
    SpawnSettings(SpawnSettings&&) = delete;
    SpawnSettings& operator=(SpawnSettings&&) = delete;
    ~SpawnSettings() {
        posix_spawn_file_actions_destroy(&files_);
        posix_spawnattr_destroy(&attributes_);
    }

    [[nodiscard]] const posix_spawn_file_actions_t* files() const { return &files_; }
    [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

private:
    posix_spawn_file_actions_t files_{};
    posix_spawnattr_t attributes_{};
};

// An errno, or 0 and the process.
int spawn(const Target& target, pid_t& pid) {
    std::vector<std::string> environment = environment_for(target);
    std::vector<char*> variables;
    for (std::string& variable : environment) variables.push_back(variable.data());
    variables.push_back(nullptr);
    std::string shell = "/bin/sh";
    std::string option = "-c";
    std::string command = target.health.command;
    const std::array<char*, 4> arguments = {shell.data(), option.data(), command.data(), nullptr};
    const SpawnSettings settings;
    return posix_spawn(&pid, shell.c_str(), settings.files(), settings.attributes(), arguments.data(),
                       variables.data());
}

// How it has ended; nullopt: not yet.
std::optional<Outcome> reap(pid_t pid) {
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) != 0) return failure(errno);
    if (info.si_pid == 0) return std::nullopt;
    if (info.si_code != CLD_EXITED)
        return Outcome{Finding::kBad, fmt::format("killed by signal {}", info.si_status)};
    return Outcome{info.si_status == 0 ? Finding::kGood : Finding::kBad,
                   fmt::format("exit status {}", info.si_status)};
}

}  // namespace

class Commands::ExecProbe : public Probe {
public:
    ExecProbe(Commands& commands, TargetId id, pid_t pid, Done done)
        : commands_(commands), id_(std::move(id)), done_(std::move(done)) {
        child_.pid = pid;
    }
    ExecProbe(const ExecProbe&) = delete;
    ExecProbe& operator=(const ExecProbe&) = delete;
    ExecProbe(ExecProbe&&) = delete;
    ExecProbe& operator=(ExecProbe&&) = delete;
    ~ExecProbe() override {
        if (!ended_) commands_.kill(id_, std::move(child_));
    }

    void await(Poller& poller) {
        // By number: glibc 2.36 declares pidfd_open() for C alone.
        child_.pidfd = Fd(static_cast<int>(syscall(SYS_pidfd_open, child_.pid, 0)));
        if (!child_.pidfd) return done_(failure(errno));
        auto watch = poller.watch(child_.pidfd.get(), EPOLLIN, [this](std::uint32_t) { ready(); });
        if (!watch) return done_({Finding::kUnable, watch.error().message});
        child_.watch = std::move(*watch);
    }

private:
    void ready() {
        auto outcome = reap(child_.pid);
        if (!outcome) return;
        ended_ = true;
        done_(std::move(*outcome));
    }

    Commands& commands_;
    TargetId id_;
    Child child_;
    Done done_;
    bool ended_ = false;
};

std::unique_ptr<Probe> Commands::start(const Target& target, Done done) {
    if (const auto former = killed_.find(target.id); former != killed_.end()) {
        if (!reap(former->second.pid)) {
            done({Finding::kBad, "the former command cannot be killed"});
            return nullptr;
        }
        killed_.erase(former);
    }
    pid_t pid = -1;
    if (const int error = spawn(target, pid); error != 0) {
        done(failure(error));
        return nullptr;
    }
    auto probe = std::make_unique<ExecProbe>(*this, target.id, pid, std::move(done));
    probe->await(poller_);
    return probe;
}

// It is the leader of its group and not reaped yet: the number can be no other's.
void Commands::kill(const TargetId& id, Child child) {
    ::kill(-child.pid, SIGKILL);
    child.watch = {};  // was the probe's
    if (reap(child.pid)) return;
    const pid_t pid = child.pid;
    auto watch = poller_.watch(child.pidfd.get(), EPOLLIN, [this, id, pid](std::uint32_t) {
        if (reap(pid)) killed_.erase(id);
    });
    if (watch) child.watch = std::move(*watch);
    killed_.insert_or_assign(id, std::move(child));
}

}  // namespace fwctl::agent
