#include "worker.hpp"

#include <cerrno>
#include <csignal>
#include <sched.h>

#include <stdexcept>

namespace ilrobot {

Worker::Worker(std::function<void()> job, int core) : job_(std::move(job)) {
  sem_init(&asked_, 0, 0);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  sched_param ordinary{};
  pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
  pthread_attr_setschedpolicy(&attributes, SCHED_OTHER);
  pthread_attr_setschedparam(&attributes, &ordinary);
  // Signals are for the threads of the program that loaded us.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int problem = pthread_create(&thread_, &attributes, &Worker::enter, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (problem != 0) {
    sem_destroy(&asked_);
    throw std::runtime_error("no thread for the inference");
  }
  if (core >= 0) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    if (core < CPU_SETSIZE) CPU_SET(static_cast<std::size_t>(core), &cores);
    pinned_ = pthread_setaffinity_np(thread_, sizeof cores, &cores) == 0;
  }
}

Worker::~Worker() {
  quit_ = true;
  sem_post(&asked_);
  pthread_join(thread_, nullptr);
  sem_destroy(&asked_);
}

void Worker::ask() {
  state_.store(State::kAsked, std::memory_order_release);
  sem_post(&asked_);
}

void* Worker::enter(void* self) {
  static_cast<Worker*>(self)->run();
  return nullptr;
}

void Worker::run() {
  for (;;) {
    while (sem_wait(&asked_) != 0 && errno == EINTR) {
    }
    if (quit_) return;
    if (state() != State::kAsked) continue;
    job_();
    state_.store(State::kDone, std::memory_order_release);
  }
}

}  // namespace ilrobot
