// The thread that predicts, and the slot through which it meets the control thread.
#pragma once

#include <atomic>
#include <functional>
#include <pthread.h>
#include <semaphore.h>

namespace ilrobot {

// One job at a time. What a job reads and writes belongs to the control thread while `state` is
// idle or done, and to the worker while it is asked: the slot's owner is that one atomic number,
// so that neither side ever waits for a lock. `ask` wakes the worker by a semaphore, which is
// async-signal-safe and does not block.
class Worker {
 public:
  enum class State { kIdle, kAsked, kDone };

  // core: where it shall run (-1: anywhere). It never inherits a real-time priority.
  Worker(std::function<void()> job, int core);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  State state() const { return state_.load(std::memory_order_acquire); }

  // From idle: begin the job.
  void ask();

  // From done: the result was read.
  void release() { state_.store(State::kIdle, std::memory_order_release); }

  // Whether it got the core that it was to have.
  bool pinned() const { return pinned_; }

 private:
  static void* enter(void* self);
  void run();

  std::function<void()> job_;
  std::atomic<State> state_{State::kIdle};
  std::atomic<bool> quit_{false};
  sem_t asked_;
  pthread_t thread_{};
  bool pinned_ = false;
};

}  // namespace ilrobot
