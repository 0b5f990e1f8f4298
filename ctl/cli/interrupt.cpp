#include "cli/interrupt.h"

#include <csignal>
#include <ctime>

#include <sys/select.h>

namespace fwctl::cli {
namespace {

volatile std::sig_atomic_t g_interrupts = 0;

sigset_t ending_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    return signals;
}

}  // namespace

void end_when_interrupted(OnSignal on_signal) {
    struct sigaction action {};
    action.sa_handler = [](int) { g_interrupts = g_interrupts + 1; };
    if (on_signal != OnSignal::kInterruptsWriting) action.sa_flags = SA_RESTART;
    if (on_signal == OnSignal::kEndsAtSecond) action.sa_flags |= static_cast<int>(SA_RESETHAND);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    if (on_signal == OnSignal::kGoesOn) sigaction(SIGHUP, &action, nullptr);
}

int times_interrupted() {
    return g_interrupts;
}

// Blocked outside of the pause itself, so that none comes just before it and is slept over.
void pause_unless_interrupted(std::chrono::milliseconds time, int input) {
    const sigset_t signals = ending_signals();
    sigset_t before;
    sigprocmask(SIG_BLOCK, &signals, &before);
    if (times_interrupted() == 0) {
        const timespec wait{time.count() / 1000, time.count() % 1000 * 1'000'000};
        fd_set inputs;
        FD_ZERO(&inputs);
        if (input >= 0) FD_SET(input, &inputs);
        pselect(input + 1, &inputs, nullptr, nullptr, &wait, &before);
    }
    sigprocmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace fwctl::cli
