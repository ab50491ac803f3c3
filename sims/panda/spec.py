"""The Panda's URDF as MuJoCo models: the arm alone for kinematics, and the whole scene."""

import mujoco
import numpy as np

from sims.panda import model as panda

VISUAL_GROUP = 2
COLLISION_GROUP = 3
_HIDDEN_GROUP = 4

# By default a contact is a spring of 20 ms whose stiffness scales with the lighter body: a hand
# pressing on the 100 g cube sinks 10 mm into it. Three integration steps keep that below 1 mm.
CONTACT_SOLREF = (3 * panda.PHYSICS_DT, 1.0)
CONTACT_SOLIMP = (0.95, 0.99, 0.001, 0.5, 2.0)


def arm_spec() -> mujoco.MjSpec:
    """The URDF with a site ``tcp``; no actuators, nothing around it."""
    folder = panda.urdf_folder()
    text = (folder / "panda.urdf").read_text().replace("package://meshes/", "meshes/")
    spec = mujoco.MjSpec.from_string(text)
    spec.meshdir = str(folder)
    # A mesh that touches nothing would count as a picture and be dropped.
    spec.compiler.discardvisual = False
    spec.body(panda.TCP_LINK).add_site(name="tcp", group=_HIDDEN_GROUP)
    return spec


def kinematic_model() -> mujoco.MjModel:
    """The seven joints and the site ``tcp``, without fingers: the model for kinematics."""
    spec = arm_spec()
    for name in ("panda_leftfinger", "panda_rightfinger"):
        spec.delete(spec.body(name))
    return spec.compile()


def scene_model(scene: panda.Scene) -> mujoco.MjModel:
    """Arm, servos, table and what the scene names.

    Only the hand, the fingers and the cube can touch anything; the workspace keeps the other
    links away from the table.
    """
    spec = arm_spec()
    spec.option.timestep = panda.PHYSICS_DT
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    # Pyramidal cones let a grasped cube creep out of the fingers.
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    _dress_arm(spec)
    _add_servos(spec)
    _add_surroundings(spec, scene)
    for geom in spec.geoms:
        geom.solref, geom.solimp = CONTACT_SOLREF, CONTACT_SOLIMP
    if scene.fixture is not None:
        scene.fixture(spec)
    return spec.compile()


def _dress_arm(spec: mujoco.MjSpec) -> None:
    for body in spec.bodies:
        if not body.name.startswith("panda_"):
            continue
        body.gravcomp = 1.0
        hand = body.name == "panda_hand"
        for geom in body.geoms:
            geom.group = VISUAL_GROUP
            geom.rgba = panda.DARK if "finger" in body.name else panda.WHITE
            geom.contype, geom.conaffinity = 0, int(hand)
        if "finger" in body.name:
            side = 1.0 if body.name == "panda_leftfinger" else -1.0
            _, half_y, half_z = panda.FINGER_BOX_HALF
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=panda.FINGER_BOX_HALF,
                pos=(0.0, side * half_y, half_z),
                friction=(panda.FINGER_FRICTION, 0.005, 0.0001),
                condim=4,
                contype=0,
                conaffinity=1,
                group=COLLISION_GROUP,
            )


def _add_servos(spec: mujoco.MjSpec) -> None:
    def add(joint: str, stiffness: float, force: float) -> None:
        # The URDF's effort became a limit of the joint; `model.ARM_TORQUE` says why not.
        spec.joint(joint).actfrcrange = (-force, force)
        servo = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.set_to_position(kp=stiffness, kv=stiffness * panda.SERVO_LAG)

    for joint, stiffness, torque in zip(
        panda.ARM_JOINTS, panda.ARM_STIFFNESS, panda.ARM_TORQUE, strict=True
    ):
        add(joint, float(stiffness), float(torque))
    for joint in panda.FINGER_JOINTS:
        add(joint, panda.FINGER_STIFFNESS, panda.FINGER_FORCE)


def _add_surroundings(spec: mujoco.MjSpec, scene: panda.Scene) -> None:
    world = spec.worldbody
    # A plane, so that a cube that slips out of the fingers cannot fall for ever.
    world.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=(1.0, 1.0, 1.0),
        friction=(panda.TABLE_FRICTION, 0.005, 0.0001),
        contype=1,
        conaffinity=0,
        group=COLLISION_GROUP,
    )
    world.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=panda.TABLE_CENTRE,
        size=panda.TABLE_HALF,
        rgba=panda.WOOD,
        contype=0,
        conaffinity=0,
        group=VISUAL_GROUP,
    )
    world.add_light(pos=(0.9, 0.9, 2.0), dir=(-0.3, -0.4, -1.0), castshadow=False)
    spec.visual.headlight.ambient = (0.35, 0.35, 0.35)
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
        rgb1=panda.SKY[:3],
        rgb2=panda.SKY[:3],
        width=16,
        height=16,
    )
    for name, camera in panda.CAMERAS.items():
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, camera.axes().ravel())
        body = spec.body(panda.TCP_LINK) if camera.on_hand else world
        body.add_camera(name=name, pos=camera.eye, quat=quaternion, fovy=camera.fov)
    for index, colour in enumerate(panda.CUBE_COLOURS[: scene.cubes]):
        name = "cube" if index == 0 else f"cube{index + 1}"
        cube = world.add_body(name=name, pos=(0.5, 0.2 * index, panda.CUBE_HALF))
        cube.add_freejoint(name=name)
        cube.add_geom(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=(panda.CUBE_HALF,) * 3,
            mass=panda.CUBE_MASS,
            rgba=colour,
            friction=(panda.TABLE_FRICTION, 0.005, 0.0001),
            contype=1,
            conaffinity=1,
        )
    if scene.goal:
        # A site compiled at its body's origin counts as fixed there, and would never move.
        world.add_site(
            name="goal",
            pos=(0.5, 0.0, 0.3),
            type=mujoco.mjtGeom.mjGEOM_SPHERE,
            size=(0.02,) * 3,
            rgba=panda.GREEN,
        )
    spec.visual.global_.offwidth = panda.IMAGE_WIDTH
    spec.visual.global_.offheight = panda.IMAGE_HEIGHT
    # Multisampling and shadows cost more than everything else on a software renderer.
    spec.visual.quality.offsamples = 0
    spec.visual.quality.shadowsize = 0
