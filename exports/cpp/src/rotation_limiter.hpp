// Commands with rotations kept inside limits: as turns, which never jump. The twin of
// ilrobot/control/rotation_limiter.py, which says how, and of rotation_target.py; the same operations
// in the same order.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "limiter.hpp"
#include "turns.hpp"

namespace ilrobot {

// What limits continuous commands of which these elements are rotations that are targets.
std::unique_ptr<Limiter> command_limiter(const Limits& limits, double rate,
                                         const std::optional<Range>& workspace,
                                         const std::vector<Rotation>& rotations);

class RotationLimiter : public Limiter {
 public:
  // rotations: at least one.
  RotationLimiter(const Limits& limits, double rate, const std::optional<Range>& workspace,
                  const std::vector<Rotation>& rotations);

  bool reset(const double* present, const double* velocity, const double* pose) override;
  void locate(const double* pose) override;
  bool workspace_unknown() const override { return limiter_->workspace_unknown(); }
  Activations limit(const double* action, double* command) override;
  bool moving() const override { return limiter_->moving(); }
  bool hold(double* command) override;
  bool damp(double* command) override;
  bool retreat(const double* pose, double* command) override;

 private:
  // One commanded rotation.
  struct Target {
    Rotation rotation;
    std::array<ElementLimits, 4> bounds;
    Turn wanted;  // coordinates of what is aimed at (NaN: nothing is)
    bool aims = false, known = false;
    Quaternion goal, at;
    Values given, last;
    Turn place;

    Values of(const double* elements) const;
    bool begin(const double* held);
    bool turns_per_second(const double* velocity, double rate, double* turns) const;
    Activations aim(const double* elements);
    bool clip(Values& values, Activations& flags) const;
    void go(const double* coordinates, double* command);
    void forget();
  };

  void coordinates(const double* elements, std::vector<double>& into) const;
  bool moved(bool sent, double* command);
  void send(double* command);

  double rate_;
  std::vector<std::size_t> plain_;  // the elements that are no rotation
  std::vector<Target> targets_;
  std::unique_ptr<CommandLimiter> limiter_;
  // Plain elements, and then three numbers for each rotation.
  std::vector<double> wanted_, command_, velocity_;
};

}  // namespace ilrobot
