// fwctl_bench_stopwatch NETNS GROUP SECONDS COMMAND...: runs the command in a network namespace and, unless
// GROUP is "-", in the control group whose file `cgroup.procs` that is. Both are paths.
//
// Promises: its standard error is one line, "NANOSECONDS CPU-MICROSECONDS KILOBYTES STATUS": from before the
// fork until the command is reaped; what it took of processors meanwhile; the most memory that one process of
// it had; its exit status, 128 + signal where that ended it. What the command says goes to the standard
// output. After SECONDS it is killed, as it is when this process or the one that started it ends.
//
// It is a small program of its own because Linux counts the memory of the process that forks into the peak of
// the one that is executed: started by Python, each command would seem to take what Python takes.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

constexpr int kNotRun = 127;
pid_t child = 0;

void end_child(int /*signal*/) {
    kill(child, SIGKILL);
}

long nanoseconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000L + now.tv_nsec;
}

long microseconds(const timeval& time) {
    return time.tv_sec * 1'000'000L + time.tv_usec;
}

bool enter(const char* netns, const char* group) {
    const int space = open(netns, O_RDONLY | O_CLOEXEC);
    if (space < 0 || setns(space, CLONE_NEWNET) != 0) return false;
    close(space);
    if (std::strcmp(group, "-") == 0) return true;
    const int members = open(group, O_WRONLY | O_CLOEXEC);
    const bool entered = members >= 0 && write(members, "0", 1) == 1;  // "0" is whoever writes
    close(members);
    return entered;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // This process enters, not the child: entering is not to be counted, and the child is born there.
    if (!enter(argv[1], argv[2])) {
        std::perror("stopwatch");
        return 1;
    }
    const long began = nanoseconds();
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(STDOUT_FILENO, STDERR_FILENO);
        execvp(argv[4], argv + 4);
        _exit(kNotRun);
    }
    if (child < 0) return 1;
    std::signal(SIGALRM, end_child);
    alarm(static_cast<unsigned>(std::atoi(argv[3])));
    int status = 0;
    rusage usage{};
    if (wait4(child, &status, 0, &usage) != child) return 1;
    const long took = nanoseconds() - began;
    std::fprintf(stderr, "%ld %ld %ld %d\n", took,
                 microseconds(usage.ru_utime) + microseconds(usage.ru_stime), usage.ru_maxrss,
                 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}
