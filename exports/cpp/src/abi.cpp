// The C ABI over `Controller`: no exception leaves it.
#include "ilrobot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <limits>
#include <new>

#include "controller.hpp"
#include "refused.hpp"

using ilrobot::Controller;

struct ilr_controller {
  Controller controller;
};

namespace {

void tell(char* error, std::size_t size, const std::string& message) {
  if (error != nullptr && size > 0) std::snprintf(error, size, "%s", message.c_str());
}

ilrobot::Options converted(const ilr_options* given) {
  ilrobot::Options options;
  if (given == nullptr) return options;
  if (!(given->rate >= 0 && std::isfinite(given->rate))) {
    throw ilrobot::Refused("the rate must be a finite number of Hz, or 0 for the contract's");
  }
  options.rate = given->rate;
  if (given->chunking != nullptr) options.chunking = ilrobot::parse_chunking(given->chunking);
  options.wait = given->wait != 0;
  options.core = given->inference_core;
  if (const ilr_noise noise = given->noise; noise != nullptr) {
    options.noise = [noise, user = given->noise_user](float* into, std::size_t count) {
      noise(user, into, count);
    };
  }
  if (given->trust != nullptr) options.trust = given->trust;
  return options;
}

}  // namespace

ilr_controller* ilr_load(const char* path, const ilr_options* options, char* error,
                         size_t error_size) {
  try {
    return new ilr_controller{Controller(path, converted(options))};
  } catch (const std::exception& problem) {
    tell(error, error_size, problem.what());
  } catch (...) {
    tell(error, error_size, "the policy cannot be loaded");
  }
  return nullptr;
}

void ilr_free(ilr_controller* controller) { delete controller; }

int ilr_reset(ilr_controller* controller, uint64_t seed, const double* present,
              const double* velocity, const double* pose, char* error, size_t error_size) {
  try {
    controller->controller.reset(seed, present, velocity, pose);
    return 1;
  } catch (const std::exception& problem) {
    tell(error, error_size, problem.what());
    return 0;
  }
}

int ilr_workspace_unknown(const ilr_controller* controller) {
  return controller->controller.guard().workspace_unknown() ? 1 : 0;
}

void ilr_locate(ilr_controller* controller, const double* pose) {
  controller->controller.locate(pose);
}

void ilr_observe(ilr_controller* controller, const float* const* observations, double measured) {
  controller->controller.observe(observations, measured);
}

int ilr_tick(ilr_controller* controller, double now, int late, double* command) {
  return controller->controller.tick(now, late != 0, command) ? 1 : 0;
}

int ilr_prepare(ilr_controller* controller, double seconds) {
  return controller->controller.prepare(seconds) ? 1 : 0;
}

int ilr_override(ilr_controller* controller, double now, int late, const double* action,
                 double* command) {
  return controller->controller.override(now, late != 0, action, command) ? 1 : 0;
}

int ilr_brake(ilr_controller* controller, double now, int late, double* command) {
  return controller->controller.brake(now, late != 0, command) ? 1 : 0;
}

void ilr_stop(ilr_controller* controller) { controller->controller.guard().press(); }

void ilr_release(ilr_controller* controller) { controller->controller.guard().release(); }

int ilr_log(ilr_controller* controller, const char* path, size_t ticks, char* error,
            size_t error_size) {
  try {
    controller->controller.log(path, ticks);
    return 1;
  } catch (const std::exception& problem) {
    tell(error, error_size, problem.what());
    return 0;
  }
}

uint32_t ilr_flags(const ilr_controller* controller) {
  return controller->controller.guard().flags();
}

size_t ilr_activation_count(void) { return ilrobot::kActivations; }

const char* ilr_activation_name(size_t activation) {
  return activation < ilrobot::kActivations ? ilrobot::kActivationNames[activation] : nullptr;
}

uint64_t ilr_activation_ticks(const ilr_controller* controller, size_t activation) {
  if (activation >= ilrobot::kActivations) return 0;
  return controller->controller.guard().counts()[activation];
}

size_t ilr_signal_count(const ilr_controller* controller) {
  return controller->controller.contract().signals.size();
}

const char* ilr_signal_name(const ilr_controller* controller, size_t signal) {
  const auto& signals = controller->controller.contract().signals;
  return signal < signals.size() ? signals[signal].name.c_str() : nullptr;
}

double ilr_signal(const ilr_controller* controller, size_t signal) {
  const auto& signals = controller->controller.signals();
  return signal < signals.size() ? signals[signal] : std::numeric_limits<double>::quiet_NaN();
}

double ilr_rate(const ilr_controller* controller) {
  return controller->controller.contract().rate;
}

size_t ilr_history(const ilr_controller* controller) {
  return controller->controller.contract().n_obs;
}

size_t ilr_horizon(const ilr_controller* controller) {
  return controller->controller.contract().horizon;
}

size_t ilr_choices(const ilr_controller* controller) {
  return controller->controller.contract().choices;
}

size_t ilr_observation_count(const ilr_controller* controller) {
  return controller->controller.contract().observations.size();
}

const char* ilr_observation_name(const ilr_controller* controller, size_t observation) {
  const auto& features = controller->controller.contract().observations;
  return observation < features.size() ? features[observation].name.c_str() : nullptr;
}

size_t ilr_observation_size(const ilr_controller* controller, size_t observation) {
  const auto& features = controller->controller.contract().observations;
  return observation < features.size() ? features[observation].size : 0;
}

size_t ilr_action_size(const ilr_controller* controller) {
  return controller->controller.contract().action.size;
}

int ilr_action_limits(const ilr_controller* controller, size_t element, ilr_limits* limits) {
  const auto& given = controller->controller.contract().limits;
  if (!given || element >= given->low.size()) return 0;
  *limits = {given->absolute[element] ? 1 : 0, given->low[element],          given->high[element],
             given->velocity[element],         given->acceleration[element], given->jerk[element],
             given->moving[element] ? 1 : 0};
  return 1;
}

int ilr_action_workspace(const ilr_controller* controller, size_t element, double* low,
                         double* high) {
  const auto& given = controller->controller.contract().workspace;
  if (!given || element >= given->low.size()) return 0;
  *low = given->low[element];
  *high = given->high[element];
  return 1;
}

int ilr_check_names(const ilr_controller* controller, const char* feature,
                    const char* const* names, size_t count, char* error, size_t error_size) {
  const std::string problem = controller->controller.contract().differing(feature, names, count);
  tell(error, error_size, problem);
  return problem.empty() ? 1 : 0;
}

int ilr_check_units(const ilr_controller* controller, const char* feature,
                    const char* const* units, size_t count, char* error, size_t error_size) {
  const auto& contract = controller->controller.contract();
  const std::string problem = contract.differing_units(feature, units, count);
  tell(error, error_size, problem);
  return problem.empty() ? 1 : 0;
}

const char* ilr_semantics(const ilr_controller* controller) {
  return controller->controller.contract().semantics.c_str();
}

double ilr_golden_error(const ilr_controller* controller) {
  return controller->controller.golden_error();
}

int ilr_predict(ilr_controller* controller, const float* const* history, const float* noise,
                const float* prefix, const float* prefix_weights, float* chunk) {
  try {
    const auto& drawn =
        controller->controller.predict(history, noise, prefix, prefix_weights).chunk;
    std::copy(drawn.begin(), drawn.end(), chunk);
    return 1;
  } catch (const std::exception&) {
    return 0;
  }
}
