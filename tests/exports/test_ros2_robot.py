"""The ROS 2 node, with modules in ROS's place that do what the node needs of them."""

import math
import sys
import threading
import types
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports.robots.joint_states import JointStates
from exports.robots.ros2_robot import Ros2Robot
from exports.runtime.loop import ControlLoop
from ilrobot.actors import Actor
from ilrobot.compatibility import check_policy_fits
from ilrobot.control.clock import SimulatedClock
from ilrobot.control.guard import Guard
from ilrobot.errors import UserError, WorkFailed
from ilrobot.spec import Feature, Spec
from tests.ilrobot.control.contracts import ABSOLUTE_CONTRACT

JOINTS = ("elbow", "shoulder", "wrist")


def spec(state=JOINTS, action=JOINTS, semantics="absolute"):
    return Spec(
        observations=(Feature("observation.state", (len(state),), names=state),),
        action=Feature("action", (len(action),), names=action),
        rate=50.0,
        semantics=semantics,
    )


def state(names, position=(), velocity=(), effort=(), stamp=0.0):
    seconds = types.SimpleNamespace(sec=int(stamp), nanosec=round(stamp % 1 * 1e9))
    return types.SimpleNamespace(
        header=types.SimpleNamespace(stamp=seconds),
        **{"name": names, "position": position, "velocity": velocity, "effort": effort},
    )


class Ros:
    """What rclpy and the message packages give: one node, one publisher, one subscription."""

    def __init__(self):
        self.published, self.take, self.topics = [], None, []
        self.now, self.running, self.handlers = 1000.0, False, "rclpy's"
        self._shut = threading.Event()
        self.spins = 0

    # rclpy
    def init(self, signal_handler_options):
        self.running, self.handlers = True, signal_handler_options

    def shutdown(self):
        self.running = False
        self._shut.set()

    def create_node(self, name):
        assert name == "ilrobot"
        return self

    def create_publisher(self, kind, topic, depth):
        self.topics.append((kind.__name__, topic))
        return types.SimpleNamespace(publish=self.published.append)

    def create_subscription(self, kind, topic, take, quality):
        self.topics.append((kind.__name__, topic))
        self.take = take

    def get_clock(self):
        return self

    @property
    def nanoseconds(self):
        return round(self.now * 1e9)

    def destroy_node(self):
        pass

    def executor(self):
        def spin():
            self.spins += 1
            self._shut.wait()

        return types.SimpleNamespace(add_node=lambda node: None, spin=spin, shutdown=self._shut.set)

    def install(self, monkeypatch):
        # clock().now().nanoseconds
        self.get_clock = lambda: types.SimpleNamespace(
            now=lambda: types.SimpleNamespace(nanoseconds=self.nanoseconds)
        )

        class JointTrajectory:
            pass

        class JointTrajectoryPoint:
            def __init__(self):
                self.time_from_start = types.SimpleNamespace(sec=0, nanosec=0)

        class Float64MultiArray:
            pass

        class JointState:
            pass

        modules = {
            "rclpy": {
                "init": self.init,
                "shutdown": self.shutdown,
                "create_node": self.create_node,
            },
            "rclpy.executors": {"SingleThreadedExecutor": self.executor},
            "rclpy.qos": {"qos_profile_sensor_data": "sensor data"},
            "rclpy.signals": {"SignalHandlerOptions": types.SimpleNamespace(NO="none")},
            "sensor_msgs": {},
            "sensor_msgs.msg": {"JointState": JointState},
            "std_msgs": {},
            "std_msgs.msg": {"Float64MultiArray": Float64MultiArray},
            "trajectory_msgs": {},
            "trajectory_msgs.msg": {
                "JointTrajectory": JointTrajectory,
                "JointTrajectoryPoint": JointTrajectoryPoint,
            },
        }
        for name, content in modules.items():
            module = types.ModuleType(name)
            vars(module).update(content)
            monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def ros(monkeypatch):
    ros = Ros()
    ros.install(monkeypatch)
    return ros


class Still(Actor):
    def act(self, observation, now):
        raise AssertionError("it is not asked here")


def connected(ros, topic, wanted=None, first=None, clock=lambda: 50.0):
    """Connected, with a first state that comes as soon as somebody listens."""
    robot = Ros2Robot(wanted or spec(), topic, clock=clock)
    listen = ros.create_subscription

    def speak_at_once(kind, topic, take, quality):
        listen(kind, topic, take, quality)
        take(first or state(["wrist", "elbow", "shoulder"], [3.0, 1.0, 2.0]))

    ros.create_subscription = speak_at_once
    return robot, robot.connect()


def test_positions_as_an_array_in_the_order_of_the_action(ros):
    robot, capabilities = connected(ros, "/arm/commands")
    assert capabilities.any_rate
    assert capabilities.spec.action.names == JOINTS
    assert ros.topics == [("Float64MultiArray", "/arm/commands"), ("JointState", "joint_states")]
    assert ros.handlers == "none"  # a Ctrl-C is the loop's
    np.testing.assert_array_equal(robot.reset(0).command, [1.0, 2.0, 3.0])
    reading = robot.read(50.0)
    np.testing.assert_array_equal(reading.observation["observation.state"], [1.0, 2.0, 3.0])
    robot.write(np.array([0.5, 0.25, 0.125], np.float32))
    assert ros.published[-1].data == [0.5, 0.25, 0.125]
    robot.stop()
    assert ros.published[-1].data == [0.5, 0.25, 0.125]
    robot.close()
    assert not ros.running
    robot.close()
    robot.stop()
    assert len(ros.published) == 2


def test_it_can_be_read_while_somebody_else_leads_it_and_then_publishes_nothing(ros):
    robot, capabilities = connected(ros, "/arm/commands")
    assert capabilities.led
    for _ in range(3):
        robot.read(50.0)
    robot.close()
    assert ros.published == []


def test_positions_as_a_trajectory_of_one_point(ros):
    robot, _ = connected(ros, "/arm_controller/joint_trajectory")
    robot.write(np.array([0.5, 0.25, 0.125]))
    (message,) = ros.published
    assert message.joint_names == ["elbow", "shoulder", "wrist"]
    (point,) = message.points
    assert point.positions == [0.5, 0.25, 0.125]
    assert (point.time_from_start.sec, point.time_from_start.nanosec) == (0, 20_000_000)
    robot.close()


def test_a_point_lies_as_far_ahead_as_the_next_command(ros):
    robot, _ = connected(ros, "/arm_controller/joint_trajectory")
    ControlLoop(robot, Still(), Guard(ABSOLUTE_CONTRACT), SimulatedClock(10.0))
    robot.write(np.array([0.5, 0.25, 0.125]))
    (point,) = ros.published[0].points
    assert (point.time_from_start.sec, point.time_from_start.nanosec) == (0, 100_000_000)
    robot.close()


def test_no_episode_begins_where_nobody_knows_where_the_arm_is_now(ros):
    now = [50.0]
    robot, _ = connected(ros, "/arm/commands", clock=lambda: now[0])
    assert robot.reset(0) is not None
    now[0] = 110.0
    with pytest.raises(WorkFailed, match="60 s old, so no episode begins"):
        robot.reset(1)
    robot.close()


def test_a_state_is_as_old_as_its_stamp_says(ros):
    robot, _ = connected(ros, "/arm/commands")
    assert robot.read(0.0).measured == 50.0  # no stamp: when it came
    ros.take(state(["elbow", "shoulder", "wrist"], [1.0, 2.0, 3.0], stamp=999.75))
    assert robot.read(0.0).measured == 50.0  # older than what is known already
    ros.take(state(["elbow", "shoulder", "wrist"], [4.0, 5.0, 6.0], stamp=1000.5))
    assert robot.read(0.0).measured == 50.0  # from the future: when it came
    assert robot.read(0.0).observation["observation.state"].tolist() == [4.0, 5.0, 6.0]
    robot.close()


def test_an_old_stamp_makes_an_old_reading(ros):
    first = state(list(JOINTS), [1.0] * 3, stamp=999.75)
    robot, _ = connected(ros, "/arm/commands", first=first)
    assert robot.read(0.0).measured == pytest.approx(49.75)
    robot.close()


def test_velocities_and_efforts_are_read_by_their_names(ros):
    wanted = spec(state=("elbow.pos", "elbow.vel", "elbow.eff"), action=("elbow.pos",))
    robot, _ = connected(ros, "/arm/commands", wanted, state(["elbow"], [1.0], [2.0], [3.0]))
    assert robot.read(0.0).observation["observation.state"].tolist() == [1.0, 2.0, 3.0]
    assert robot.reset(0).command.tolist() == [1.0]
    robot.close()


def test_a_robot_that_does_not_measure_what_it_is_commanded(ros):
    wanted = spec(state=("elbow",), action=("gripper",))
    robot, _ = connected(ros, "/arm/commands", wanted, state(["elbow"], [1.0]))
    assert robot.reset(0) is None
    robot.close()


def test_joints_that_nobody_states_are_named(ros, monkeypatch):
    monkeypatch.setattr("exports.robots.ros2_robot._STATES_WITHIN", 0.05)
    with pytest.raises(UserError, match="no state of wrist on the topic 'joint_states'"):
        connected(ros, "/arm/commands", first=state(["elbow", "shoulder"], [1.0, 2.0]))


@pytest.mark.parametrize(
    ("wanted", "topic", "line"),
    [
        (spec(), "/arm/position", "must end in /joint_trajectory or /commands"),
        (spec(state=(), action=JOINTS), "/arm/commands", "names no elements"),
        (spec(action=("elbow.vel",)), "/arm/commands", "'elbow.vel' is none"),
        (spec(semantics="delta"), "/arm/commands", "the policy's actions are delta"),
    ],
)
def test_what_it_cannot_do_is_told(ros, wanted, topic, line):
    with pytest.raises(UserError, match=line):
        Ros2Robot(wanted, topic)


def test_without_ros_one_line_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "rclpy", None)
    with pytest.raises(UserError, match=r"needs ROS 2 \(rclpy is missing\): source its setup.bash"):
        Ros2Robot(spec(), "/arm/commands")


def test_states_may_come_in_parts_and_the_oldest_counts():
    states = JointStates(JOINTS)
    assert states.missing == list(JOINTS)
    states.add(state(["wrist"], [3.0]), 5.0)
    states.add(state(["other", "shoulder"], [9.0, 2.0]), 6.0)
    assert states.missing == ["elbow"]
    states.add(state(["elbow"], [1.0]), 7.0)
    assert states.measured == 5.0
    assert states.values.tolist() == [1.0, 2.0, 3.0]
    states.add(state(["wrist"], [0.0]), 4.0)  # came late
    assert states.values.tolist() == [1.0, 2.0, 3.0]


def test_lists_that_do_not_belong_together_are_dropped():
    states = JointStates(("elbow",))
    states.add(state(["elbow", "wrist"], [1.0]), 1.0)
    assert states.malformed == 1
    assert states.missing == ["elbow"]
    states.add(state(["elbow"], [], [2.0]), 1.0)  # a velocity alone
    assert states.missing == ["elbow"]
    states.add(state(["elbow"], [math.nan]), 1.0)  # the guard's to judge
    assert states.missing == []


@settings(max_examples=100, deadline=None)
@given(st.permutations(JOINTS), st.lists(st.floats(-3, 3, width=32), min_size=3, max_size=3))
def test_the_order_of_the_joints_does_not_matter(order, positions):
    states = JointStates(JOINTS)
    states.add(state(list(order), positions), 0.0)
    expected = [positions[order.index(joint)] for joint in JOINTS]
    assert states.values.tolist() == expected


def in_units(wanted, seen, told):
    (feature,), action = wanted.observations, wanted.action
    seen, told = replace(feature, units=seen), replace(action, units=told)
    return replace(wanted, observations=(seen,), action=told)


def test_what_is_recorded_is_in_the_units_of_the_policy(ros):
    """Else a policy that is trained on it would not know which joints turn."""
    wanted = in_units(spec(), ("rad", "m", "rad"), ("rad", "m", "rad"))
    robot, capabilities = connected(ros, "/arm/commands", wanted)
    assert capabilities.spec.feature("observation.state").angles == (0, 2)
    assert capabilities.spec.action.units == ("rad", "m", "rad")
    check_policy_fits(wanted, capabilities.spec, "policy.onnx")
    robot.close()


@pytest.mark.usefixtures("ros")
def test_a_policy_in_other_units_than_those_of_ros_is_refused():
    """One in degrees would be commanded 57 times as far."""
    joints = ("elbow", "finger.pos", "elbow.vel", "elbow.eff")
    wanted = spec(state=joints, action=("elbow", "finger"))
    Ros2Robot(in_units(wanted, ("rad", "m", "rad/s", "Nm"), ("rad", "m")), "/arm/commands")
    for seen, told, said in (
        (("rad", "m", "rad/s", ""), ("deg", "m"), "'elbow' in 'action' of the policy is in deg"),
        (("deg", "m", "rad/s", ""), ("rad", "m"), "'elbow' in 'observation.state'"),
        (("rad", "m", "deg/s", ""), ("rad", "m"), "'elbow.vel' in 'observation.state'"),
        (("rad", "mm", "rad/s", ""), ("rad", "m"), "'finger.pos'"),
    ):
        with pytest.raises(UserError, match=said):
            Ros2Robot(in_units(wanted, seen, told), "/arm/commands")
