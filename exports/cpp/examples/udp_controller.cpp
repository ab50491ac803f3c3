// Drives a robot over UDP (docs/robots.md) by an exported policy, at absolute deadlines.
//
//     udp_controller policy.onnx 127.0.0.1:5555 [--ticks N] [--seed N] [--chunks WORD] [--log FILE]
//         [--trust KEY.pub] [--realtime]
//
// Ends with one line of JSON. Exit code 0; 1: the robot failed us; 2: it was asked wrongly;
// 128 + signal.
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <utility>

#include "robot_link.hpp"

namespace {

constexpr int kResetsWithin = 30;  // s: a real robot has to go to its start
constexpr double kRefusesFor = 3;  // s in which another controller may let go of it
constexpr double kRestWithin = 5;  // s that an episode which ends in motion brakes for at most
constexpr double kLogged = 600;  // s of ticks that a log holds where nobody says how many there are
volatile std::sig_atomic_t received = 0;

void remember(int number) {
  // A terminal that goes away sends it twice; the second one is not to end the coming to rest.
  if (number == SIGHUP) std::signal(SIGHUP, SIG_IGN);
  received = number;
}

struct Arguments {
  const char *policy = nullptr, *address = nullptr, *chunks = nullptr, *log = nullptr;
  const char* trust = nullptr;
  std::uint64_t ticks = 0, seed = 0;  // 0 ticks: until the episode ends
  bool realtime = false;
};

int refuse(const std::string& why) {
  std::fprintf(stderr, "udp_controller: %s\n", why.c_str());
  return 2;
}

bool parse(int count, char** words, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const char* next = i + 1 < count ? words[i + 1] : nullptr;
    if (word == "--realtime") {
      arguments.realtime = true;
    } else if (word == "--chunks" && next) {
      arguments.chunks = next, ++i;
    } else if (word == "--trust" && next) {
      arguments.trust = next, ++i;
    } else if (word == "--log" && next) {
      arguments.log = next, ++i;
    } else if ((word == "--ticks" || word == "--seed") && next) {
      char* end = nullptr;
      errno = 0;
      (word == "--ticks" ? arguments.ticks : arguments.seed) = std::strtoull(next, &end, 10);
      if (*next < '0' || *next > '9' || *end != '\0' || errno != 0) return false;
      ++i;
    } else if (word.rfind("--", 0) == 0) {
      return false;
    } else if (!arguments.policy) {
      arguments.policy = words[i];
    } else if (!arguments.address) {
      arguments.address = words[i];
    } else {
      return false;
    }
  }
  return arguments.address != nullptr;
}

// Sends until it is answered; false: it was not, in time.
bool ask(RobotLink& robot, const std::function<void()>& send, const std::function<bool()>& answered,
         double within) {
  const double until = now() + within;
  while (!received && now() < until) {
    send();
    for (int i = 0; i < 50; ++i) {
      robot.hear();
      if (answered()) return true;
      usleep(1000);
    }
  }
  return false;
}

// Whatever signal there was; where the robot does not hear it in time, it holds by itself.
void stop(RobotLink& robot) {
  received = 0;
  robot.expect_status();
  ask(robot, [&] { robot.send_stop(); }, [&] { return robot.stopped(); }, 0.1);
}

// Empty, or why the robot begins none; a signal ends the waiting, too.
std::string begin_episode(RobotLink& robot, std::uint64_t seed) {
  robot.begin_episode();
  const double began = now();
  const auto reset = [&] {
    robot.refusal.clear();  // what is refused after this is refused still
    robot.send_reset(seed);
  };
  const auto answered = [&] {
    return robot.begun() || (!robot.refusal.empty() && now() - began > kRefusesFor);
  };
  ask(robot, reset, answered, kResetsWithin);
  std::string refusal = std::exchange(robot.refusal, {});
  if (robot.begun()) return {};
  if (!refusal.empty()) return refusal;
  return "it did not begin within " + std::to_string(kResetsWithin) + " s";
}

void sleep_until(double time) {
  timespec deadline{};
  deadline.tv_sec = static_cast<time_t>(time);
  deadline.tv_nsec = static_cast<long>(1e9 * (time - static_cast<double>(deadline.tv_sec)));
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR) {
  }
}

double percentile(std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(
                                                share * static_cast<double>(sorted.size())))];
}

}  // namespace

int main(int count, char** words) {
  Arguments arguments;
  if (!parse(count, words, arguments)) {
    return refuse(
        "POLICY HOST:PORT [--ticks N] [--seed N] [--chunks WORD] [--log FILE] [--trust KEY.pub] "
        "[--realtime]");
  }
  if (std::max(arguments.ticks, arguments.seed) > INT64_MAX) {
    return refuse("--ticks and --seed are at most 9223372036854775807");
  }
  const std::string address = arguments.address;
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return refuse("'" + address + "' is no HOST:PORT");

  char error[1000];
  ilr_options options = ILR_DEFAULT_OPTIONS;
  options.chunking = arguments.chunks;
  options.trust = arguments.trust;
  ilr_controller* const policy = ilr_load(arguments.policy, &options, error, sizeof error);
  if (!policy) return refuse(error);
  const std::unique_ptr<ilr_controller, void (*)(ilr_controller*)> owner(policy, &ilr_free);
  RobotLink robot(policy);
  if (const std::string why = robot.open(address.substr(0, colon), address.substr(colon + 1));
      !why.empty()) {
    return refuse(why);
  }
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, remember);
  // Under nohup it stays ignored.
  if (std::signal(SIGHUP, SIG_IGN) != SIG_IGN) std::signal(SIGHUP, remember);

  if (!ask(robot, [&] { robot.send_hello(); }, [&] { return robot.described(); }, 3)) {
    if (received) return 128 + received;
    return refuse("no robot answers at " + address);
  }
  const double rate = ilr_rate(policy);
  if (!robot.any_rate && std::abs(robot.rate / rate - 1) > 1e-3) robot.misfit = "it has another rate";
  if (!robot.misfit.empty()) return refuse("the robot does not fit the policy: " + robot.misfit);
  if (arguments.log) {
    const std::uint64_t braking = static_cast<std::uint64_t>(std::ceil(kRestWithin * rate));
    const std::uint64_t room =
        braking + (arguments.ticks ? arguments.ticks : static_cast<std::uint64_t>(kLogged * rate));
    if (!ilr_log(policy, arguments.log, room, error, sizeof error)) return refuse(error);
  }
  const bool locked = mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
  sched_param priority{};
  priority.sched_priority = 50;
  const bool fifo = arguments.realtime && sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
  if (const std::string why = begin_episode(robot, arguments.seed); !why.empty()) {
    const int signal = received;
    stop(robot);  // it may be on its way to its start
    if (signal) return 128 + signal;
    std::fprintf(stderr, "udp_controller: the robot begins no episode: %s\n", why.c_str());
    return 1;
  }
  if (!ilr_reset(policy, arguments.seed, robot.held.empty() ? nullptr : robot.held.data(),
                 robot.velocity.empty() ? nullptr : robot.velocity.data(),
                 robot.pose(), error, sizeof error)) {
    stop(robot);
    std::fprintf(stderr, "udp_controller: %s\n", error);
    return 1;
  }
  if (ilr_workspace_unknown(policy)) {
    std::fprintf(stderr, "udp_controller: the workspace is NOT kept: this robot does not say where "
                         "its target is\n");
  }
  // The first chunk; without it the fallback acts until one is there.
  const auto prepared = [&] {
    ilr_observe(policy, robot.values(), robot.measured());
    return ilr_prepare(policy, 0) != 0;
  };
  ask(robot, [&] { robot.send_heartbeat(); }, prepared, 10);

  std::vector<double> command(ilr_action_size(policy)), errors;
  errors.reserve(1 << 20);
  std::uint64_t ticks = 0, missed = 0;
  std::string problem;
  bool late = false;
  double deadline = now(), last = 0;
  for (; !received && (arguments.ticks == 0 || ticks < arguments.ticks); ++ticks) {
    const double start = now();
    if (ticks > 0 && errors.size() < errors.capacity()) {
      errors.push_back(std::abs(start - last - 1 / rate));
    }
    last = start;
    robot.hear();
    if (!robot.refusal.empty()) problem = "refuses: " + robot.refusal;
    if (start - robot.heard_at > 2) problem = "has been silent for 2 s";
    if (robot.restarted) problem = "was restarted in the middle of an episode";
    if (!problem.empty() || robot.state == RobotLink::State::kEnded) break;
    ilr_observe(policy, robot.values(), robot.measured());
    if (const double* pose = robot.pose()) ilr_locate(policy, pose);
    if (ilr_tick(policy, now(), late, command.data())) {
      robot.send_command(command.data());
    } else {
      robot.send_stop();
    }
    deadline += 1 / rate;
    late = now() > deadline;
    missed += late;
    if (late && now() - deadline > 1 / rate) deadline = now();
    sleep_until(deadline);
  }
  const bool ended = robot.state == RobotLink::State::kEnded;
  const int signal = received;
  received = 0;
  // What ends in motion comes to rest within the limits; another signal ends that, too.
  const double until = now() + (!problem.empty() || ended ? 0 : kRestWithin);
  while (!received && now() < until && ilr_brake(policy, now(), 0, command.data())) {
    robot.send_command(command.data());
    robot.hear();
    sleep_until(deadline += 1 / rate);
  }
  if (!ended) stop(robot);

  std::sort(errors.begin(), errors.end());
  std::printf("{\"ticks\": %llu, \"ended\": %s, \"success\": %s, \"missed_deadlines\": %llu, "
              "\"period_error_ms\": {\"p50\": %.6f, \"p99\": %.6f, \"max\": %.6f}, "
              "\"memory_locked\": %s, \"sched_fifo\": %s, \"workspace_unknown\": %s, "
              "\"dropped_messages\": %llu, \"guard\": {",
              static_cast<unsigned long long>(ticks), ended ? "true" : "false",
              robot.success ? "true" : "false", static_cast<unsigned long long>(missed),
              1e3 * percentile(errors, 0.5), 1e3 * percentile(errors, 0.99),
              1e3 * percentile(errors, 1), locked ? "true" : "false", fifo ? "true" : "false",
              ilr_workspace_unknown(policy) ? "true" : "false",
              static_cast<unsigned long long>(robot.dropped));
  for (std::size_t i = 0; i < ilr_activation_count(); ++i) {
    std::printf("%s\"%s\": %llu", i ? ", " : "", ilr_activation_name(i),
                static_cast<unsigned long long>(ilr_activation_ticks(policy, i)));
  }
  std::printf("}}\n");
  if (!problem.empty()) {
    std::fprintf(stderr, "udp_controller: the robot %s; it holds by itself\n", problem.c_str());
    return 1;
  }
  return signal ? 128 + signal : 0;
}
