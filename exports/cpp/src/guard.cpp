#include "guard.hpp"

#include "rotation_limiter.hpp"

namespace ilrobot {

Guard::Guard(const Contract& contract, double rate)
    : watch_(contract, rate),
      late_watch_(contract),
      damps_(contract.fallback == "damp"),
      most_calling_(ticks(contract.fallback_calling, rate)) {
  if (contract.fallback == "retreat") retreat_ = contract.retreat;
  if (contract.limits) {
    limiter_ = command_limiter(*contract.limits, rate, contract.workspace,
                               contract.target_rotations());
  } else {
    limiter_ = std::make_unique<ChoiceLimiter>(contract.choices);
  }
}

void Guard::reset(const double* present, const double* velocity, const double* pose) {
  watch_.reset();
  late_watch_.reset();
  calling_ = 0;
  lost_ = !limiter_->reset(present, velocity, pose);
}

bool Guard::admit(const Observation& observation, double age, double measured, bool late,
                  bool driven) {
  flags_ = 0;
  const bool moved = watch_.watches_bits() && limiter_->moving();
  Activations found = 0;
  bool admitted = watch_.look(observation, age, measured, moved, driven, found);
  if (pressed_.load(std::memory_order_relaxed)) {
    found |= kEmergencyStop;
    admitted = false;
  }
  if (late) found |= kDeadlineMissed;
  if (late_watch_.look(late)) {
    found |= kOverrun;
    admitted = false;
  }
  raise(found);
  return admitted;
}

bool Guard::limit(const double* action, bool calling, double* command) {
  if (lost_) return hold(0, command);
  calling_ = calling ? calling_ + 1 : 0;
  if (calling) raise(kCallsForHelp);
  if (calling && calling_ >= most_calling_) return hold(0, command);
  const Activations activation = limiter_->limit(action, command);
  if (activation & kActionNotFinite) return hold(kActionNotFinite, command);
  raise(activation);
  return true;
}

bool Guard::hold(Activations cause, double* command) {
  raise(cause | kFallback);
  if (lost_) return false;
  if (!(flags_ & kEmergencyStop)) {
    if (damps_) return limiter_->damp(command);
    if (retreat_) return limiter_->retreat(retreat_->data(), command);
  }
  return limiter_->hold(command);
}

bool Guard::brake(double* command) {
  flags_ = 0;
  if (lost_ || !limiter_->moving()) return false;
  raise(kComingToRest);
  return limiter_->hold(command);
}

void Guard::raise(Activations kinds) {
  for (std::size_t i = 0; i < kActivations; ++i) {
    if (kinds & ~flags_ & 1u << i) ++counts_[i];
  }
  flags_ |= kinds;
}

}  // namespace ilrobot
