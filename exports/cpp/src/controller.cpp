#include "controller.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <limits>
#include <sched.h>
#include <thread>

#include "file_bytes.hpp"
#include "golden.hpp"
#include "model_file.hpp"
#include "refused.hpp"
#include "signature.hpp"

namespace ilrobot {
namespace {

using Clock = std::chrono::steady_clock;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Observation buffers(const Contract& contract, std::size_t ticks, float value) {
  Observation result;
  for (const Feature& feature : contract.observations) {
    result.emplace_back(ticks * feature.size, value);
  }
  return result;
}

// The bytes that are checked are those that run: nobody can exchange them in between.
Session opened(const std::string& path, const std::optional<std::string>& trust,
               Contract& contract) {
  std::string bytes = read_bytes(path);
  if (trust) require_signature(path, bytes, *trust);
  const ModelFile file = parse_model_file(std::move(bytes), path);
  contract = parse_contract(file.contract, path);
  try {
    return Session(file.bytes, contract);
  } catch (const Refused& error) {
    throw Refused(path + ": " + error.what());
  }
}

}  // namespace

Controller::Controller(const std::string& path, Options options)
    : path_(path),
      session_(opened(path, options.trust, contract_)),
      draw_(contract_, options.chunking.value_or(contract_.chunking)),
      execution_(draw_.execution(contract_)),
      guard_(contract_, options.rate > 0 ? options.rate : contract_.rate),
      rate_(options.rate > 0 ? options.rate : contract_.rate),
      noise_(std::move(options.noise)),
      wait_(options.wait || contract_.horizon == 1),
      newest_(buffers(contract_, 1, kNan)),
      finite_(buffers(contract_, 1, 0.0f)),
      history_(buffers(contract_, contract_.n_obs, 0.0f)),
      predicted_action_(contract_.action.size),
      taken_signals_(session_.prediction().signals),
      action_(contract_.action.size),
      signals_(contract_.signals.size(), kNan),
      plan_(contract_.horizon * contract_.action.size),
      drawn_(session_.prediction()),
      least_ahead_(execution_->ahead) {
  if (!noise_) {
    noise_ = [this](float* into, std::size_t count) { generator_.fill(into, count); };
  }
  golden_error_ = greatest_golden_error(session_, contract_);
  if (!(golden_error_ <= contract_.tolerance)) {
    throw Refused(path +
                  ": on this machine the golden inputs give other actions than at the export (" +
                  std::to_string(golden_error_) + ", at most " +
                  std::to_string(contract_.tolerance) +
                  " is allowed); try another version of onnxruntime");
  }
  const auto job = [this] {
    const auto begun = Clock::now();
    draw();
    predicting_ = std::chrono::duration<double>(Clock::now() - begun).count();
  };
  if (!wait_) worker_ = std::make_unique<Worker>(job, options.core);
  reset(0, nullptr, nullptr, nullptr);
  begun_ = false;
}

Controller::~Controller() { session_.cancel(); }

const Prediction& Controller::predict(const float* const* history, const float* noise,
                                      const float* prefix, const float* weights) {
  while (worker_ && worker_->state() == Worker::State::kAsked) sched_yield();
  return session_.run(history, noise, prefix, weights);
}

void Controller::reset(std::uint64_t seed, const double* present, const double* velocity,
                       const double* pose) {
  episode_ += begun_;
  begun_ = true;
  seed_ = seed;
  history_empty_ = true;
  seen_finite_ = false;
  for (std::vector<float>& values : newest_) std::fill(values.begin(), values.end(), kNan);
  measured_ = -std::numeric_limits<double>::infinity();
  flush();
  executes_ = false;
  guard_.reset(present, velocity, pose);
  check_start(contract_, present, velocity);
}

void Controller::observe(const float* const* observation, double measured) {
  for (std::size_t i = 0; i < newest_.size(); ++i) {
    std::copy(observation[i], observation[i] + newest_[i].size(), newest_[i].begin());
  }
  measured_ = measured;
}

bool Controller::prepare(double seconds) {
  if (!worker_) return true;
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  const auto comes = [&] {
    while (worker_->state() != Worker::State::kDone) {
      if (!(Clock::now() < until)) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  };
  if (worker_->state() != Worker::State::kIdle) {
    // What was asked for before may be under way, and reads what `begin` writes.
    if (!comes()) return false;
    if (!obsolete_) return true;  // an earlier call of this episode asked, and ran out of time
    worker_->release();
    obsolete_ = false;
  }
  for (const std::vector<float>& values : newest_) {
    for (const float value : values) {
      if (!std::isfinite(value)) return false;
    }
  }
  push(newest_);
  begin();
  return comes();
}

bool Controller::tick(double now, bool late, double* command) {
  const auto begun = logged_time();
  if (!admit(now, late, false)) {
    look();
    return keep(guard_.hold(0, command), now, late, Source::kPolicy, nullptr, command, begun);
  }
  const bool acted = act();
  const bool sent = acted ? guard_.limit(action_.data(), calls_for_help(), command)
                          : guard_.hold(kPlanRunOut, command);
  const double* wanted = acted ? action_.data() : nullptr;
  // The robot has not done what was planned, which may not be finite either.
  if (acted && guard_.flags() & kFallback) {
    flush();
    executes_ = false;
  } else if (acted) {
    executes_ = true;
  }
  return keep(sent, now, late, Source::kPolicy, wanted, command, begun);
}

bool Controller::override(double now, bool late, const double* action, double* command) {
  const auto begun = logged_time();
  const bool admitted = admit(now, late, action != nullptr);
  executes_ = executes_ || (admitted && action);
  look();
  const bool sent =
      admitted && action ? guard_.limit(action, false, command) : guard_.hold(0, command);
  return keep(sent, now, late, Source::kHuman, nullptr, command, begun);
}

bool Controller::brake(double now, bool late, double* command) {
  const auto begun = logged_time();
  std::fill(signals_.begin(), signals_.end(), kNan);
  if (!guard_.brake(command)) return false;
  return keep(true, now, late, Source::kFallback, nullptr, command, begun);
}

void Controller::log(const std::string& path, std::size_t ticks) {
  log_.reset();
  log_ = std::make_unique<TickLog>(path, contract_, rate_, ticks, path_);
}

// Nobody else asks how long a tick took.
Clock::time_point Controller::logged_time() const {
  return log_ ? Clock::now() : Clock::time_point();
}

bool Controller::keep(bool sent, double now, bool late, Source who, const double* wanted,
                      const double* command, Clock::time_point begun) {
  if (log_) {
    const double took = std::chrono::duration<double>(Clock::now() - begun).count();
    if (guard_.flags() & kFallback) who = Source::kFallback;
    // On the way to rest nothing is looked at any more.
    const bool looks = !(guard_.flags() & kComingToRest);
    log_->append(looks ? &newest_ : nullptr, sent ? command : nullptr, wanted, signals_,
                 {now, episode_, guard_.flags(), looks ? now - measured_ : kNan, took, who, late});
  }
  return sent;
}

bool Controller::admit(double now, bool late, bool driven) {
  std::fill(signals_.begin(), signals_.end(), kNan);
  const bool admitted = guard_.admit(newest_, now - measured_, measured_, late, driven);
  if (!(guard_.flags() & kObservationNotFinite)) {
    finite_ = newest_;
    seen_finite_ = true;
  }
  return admitted;
}

void Controller::look() {
  if (executes_ || guard_.moving()) flush();  // else what is asked for begins where the robot is
  executes_ = false;
  if (seen_finite_) push(finite_);
}

bool Controller::act() {
  push(newest_);
  if (execution_->takes() || obsolete_) take();
  const bool idle = !worker_ || worker_->state() == Worker::State::kIdle;
  if (execution_->asks() && idle) {
    begin();
    if (execution_->takes()) take();
  }
  if (!execution_->next(predicted_action_.data())) return false;
  std::copy(predicted_action_.begin(), predicted_action_.end(), action_.begin());
  for (std::size_t i = 0; i < signals_.size(); ++i) {
    signals_[i] = taken_signals_[i][execution_->executed];
  }
  return true;
}

bool Controller::calls_for_help() const {
  for (std::size_t i = 0; i < signals_.size(); ++i) {
    const auto& threshold = contract_.signals[i].threshold;
    if (threshold && !(signals_[i] <= *threshold)) return true;  // NaN calls, too
  }
  return false;
}

void Controller::push(const Observation& observation) {
  for (std::size_t i = 0; i < observation.size(); ++i) {
    const std::vector<float>& value = observation[i];
    std::vector<float>& window = history_[i];
    if (history_empty_) {
      for (std::size_t at = 0; at < window.size(); at += value.size()) {
        std::copy(value.begin(), value.end(), window.begin() + static_cast<std::ptrdiff_t>(at));
      }
    } else {
      const auto length = static_cast<std::ptrdiff_t>(value.size());
      std::copy(window.begin() + length, window.end(), window.begin());
      std::copy(value.begin(), value.end(), window.end() - length);
    }
  }
  history_empty_ = false;
}

void Controller::begin() {
  for (std::size_t i = 0; i < history_.size(); ++i) session_.observation(i) = history_[i];
  const Plan rest = execution_->rest();
  std::copy(rest.actions, rest.actions + rest.count * action_.size(), plan_.begin());
  planned_ = rest.count;
  delay_ = execution_->ahead;
  if (seed_) generator_.seed(*seed_);
  seed_.reset();
  if (worker_) {
    worker_->ask();
  } else {
    draw();
    predicted_ = true;
  }
  execution_->asked();
}

void Controller::draw() {
  try {
    draw_(session_, noise_, {plan_.data(), planned_}, delay_, drawn_);
  } catch (const std::exception&) {
    // The guard replaces what is not finite by the fallback, and counts it.
    std::fill(drawn_.chunk.begin(), drawn_.chunk.end(), kNan);
  }
}

void Controller::take() {
  const bool done = worker_ ? worker_->state() == Worker::State::kDone : predicted_;
  if (!done) return;
  if (worker_ && !obsolete_) {
    // The first one of an episode came while the clock stood still.
    const std::size_t waited = execution_->waited > 0
                                   ? execution_->waited
                                   : static_cast<std::size_t>(std::ceil(predicting_ * rate_));
    delays_[predictions_++ % std::size(delays_)] = waited;
    execution_->ahead = std::max(least_ahead_, *std::max_element(std::begin(delays_),
                                                                 std::end(delays_)));
  }
  if (!obsolete_) {
    if (execution_->waited >= contract_.horizon) {
      execution_->drop();
    } else {
      execution_->take(drawn_.chunk.data());
      taken_signals_ = drawn_.signals;
    }
  }
  obsolete_ = predicted_ = false;
  if (worker_) worker_->release();
}

void Controller::flush() {
  execution_->forget();
  predicted_ = false;
  obsolete_ = worker_ && worker_->state() != Worker::State::kIdle;
}

}  // namespace ilrobot
