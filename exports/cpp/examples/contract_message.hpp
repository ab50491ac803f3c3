// What of a contract the robot is to keep by itself: `limits` and `workspace` of the message `reset`.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "ilrobot.h"
#include "msgpack.hpp"

inline void write_limits(msgpack::Writer& out, const ilr_controller* policy) {
  ilr_limits limits{};
  const auto size = static_cast<std::uint16_t>(ilr_action_size(policy));
  if (!ilr_action_limits(policy, 0, &limits)) return out.nil();
  const auto row = [&](const char* name, double ilr_limits::*member) {
    out.text(name), out.array(size);
    for (std::size_t i = 0; i < size; ++i) {
      ilr_action_limits(policy, i, &limits);
      std::isfinite(limits.*member) ? out.number(limits.*member) : out.nil();
    }
  };
  out.map(6);
  out.text("mode"), out.array(size);
  for (std::size_t i = 0; i < size; ++i) {
    ilr_action_limits(policy, i, &limits);
    out.text(limits.absolute ? "absolute" : limits.moving ? "velocity" : "delta");
  }
  row("low", &ilr_limits::low), row("high", &ilr_limits::high);
  row("velocity", &ilr_limits::velocity), row("acceleration", &ilr_limits::acceleration);
  row("jerk", &ilr_limits::jerk);
}

inline void write_workspace(msgpack::Writer& out, const ilr_controller* policy) {
  double bounds[2];
  if (!ilr_action_workspace(policy, 0, &bounds[0], &bounds[1])) return out.nil();
  const std::size_t size = ilr_action_size(policy);
  out.map(2);
  for (const int side : {0, 1}) {
    out.text(side == 0 ? "low" : "high"), out.array(static_cast<std::uint16_t>(size));
    for (std::size_t i = 0; i < size; ++i) {
      ilr_action_workspace(policy, i, &bounds[0], &bounds[1]);
      std::isfinite(bounds[side]) ? out.number(bounds[side]) : out.nil();
    }
  }
}
