// Commands kept inside position, velocity, acceleration and jerk limits, tick by tick. The twin of
// ilrobot/control/limiter.py: the same operations on doubles, so that both give the same bits.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "activation.hpp"
#include "contract.hpp"
#include "element.hpp"

namespace ilrobot {

// The limits of one element, per tick; workspace: where its target may be (none: anywhere).
ElementLimits element_limits(const Limits& limits, std::size_t i, double rate,
                             const std::optional<Range>& workspace);

class Limiter {
 public:
  virtual ~Limiter() = default;

  // Begins from what the robot does now: the command that it holds, how fast that moves in units
  // per second, and where the target of each delta element is (null, or NaN: not known). False,
  // and nothing begins: what it holds, or its velocity, is not finite, or no rotation.
  virtual bool reset(const double* present, const double* velocity, const double* pose) = 0;

  // Corrects where the target of each delta element is (NaN: not known), which else is summed up;
  // their velocities go on as they were commanded. A choice has no place.
  virtual void locate(const double* /*pose*/) {}

  // Whether a workspace cannot be kept, because nobody said where the target is.
  virtual bool workspace_unknown() const { return false; }

  // Writes the nearest command that keeps the limits, and says what was limited. Where the action
  // is not finite nothing is written and the state is unchanged.
  virtual Activations limit(const double* action, double* command) = 0;

  // Whether the commanded target moved at the last tick (of a choice that is not known).
  virtual bool moving() const { return false; }

  // Each writes a command; false: nothing was commanded yet. Hold: come to rest as fast as the
  // limits allow; damp: let the velocity fall; retreat: go to a pose (NaN: that element holds).
  virtual bool hold(double* command) = 0;
  virtual bool damp(double* command) { return hold(command); }
  virtual bool retreat(const double* /*pose*/, double* command) { return hold(command); }
};

class CommandLimiter : public Limiter {
 public:
  CommandLimiter(const Limits& limits, double rate, const std::optional<Range>& workspace);

  bool reset(const double* present, const double* velocity, const double* pose) override;
  Activations limit(const double* action, double* command) override;
  void locate(const double* pose) override;
  bool workspace_unknown() const override;
  bool moving() const override;
  bool hold(double* command) override;
  bool damp(double* command) override;
  bool retreat(const double* pose, double* command) override;

 private:
  // One element with everything that is remembered of it.
  struct Element {
    ElementLimits anywhere, bounded;  // without and with the workspace
    Motion motion;
    double base = 0, last_step = 0, last_change = 0;  // of the command that left last
    double place = 0;                                 // of a delta's target, where it is known
    bool known = false;
    bool moving = false;  // a velocity is commanded
    // Bounds of a state that is safe without looking ahead: value, step, change, jerk.
    double lower[4] = {}, upper[4] = {}, place_low = 0, place_high = 0;
    double value = 0;

    const ElementLimits& limits() const {
      return bounded.delta && !known ? anywhere : bounded;
    }
    bool at_ease() const;
    void look();
    void find_ease();
    double command(double change) const;
    void send(bool located);
  };

  Activations first(double* command);
  Activations limit_values(double* command);
  template <typename Choose>
  bool move(const Choose& choose, double* command);

  double rate_, kept_by_damping_;
  std::vector<Element> elements_;
  bool started_ = false, behind_ = false, located_ = false;
};

// The same for one of `choices` discrete actions: there is nothing but the range.
class ChoiceLimiter : public Limiter {
 public:
  explicit ChoiceLimiter(std::size_t choices) : choices_(choices) {}

  bool reset(const double* present, const double* velocity, const double* pose) override;
  Activations limit(const double* action, double* command) override;
  bool hold(double* command) override;

 private:
  std::size_t choices_;
  double command_ = 0.0;
};

}  // namespace ilrobot
