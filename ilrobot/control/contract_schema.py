"""The contract's text: what each of its keys says, and which versions of it are read.

It stands in the .onnx file as one ``metadata_props`` entry with the key ``ilrobot.contract``, as
JSON (`ilrobot.control.model_file` says where, and how it is hashed). Schema 1.6; what was added
since 1.0 may be missing, and its default stands beside it:

``schema``
    ``"major.minor"``. A reader refuses another major version and ignores keys it does not know.
``sha256``
    ``model``: digest of graph and weights; ``contract``: digest of this text. Hexadecimal.
``task``
    The `ilrobot.spec.Spec` that the policy was trained on: ``observations`` and ``action``, each
    with ``name``, ``shape``, ``dtype``, ``names``, ``units``, ``low``, ``high`` and ``frame``, in
    order; ``rate`` in Hz; ``semantics``; ``controller``; ``choices``; ``task``; ``task_options``;
    ``task_frame``, ``[origin, goal]`` where the task states one.
``n_obs``, ``horizon``, ``execute``
    Ticks of history that the graph reads, actions that it predicts, actions executed of those.
``chunking``
    How the chunks are executed, see `ilrobot.control.chunking`: ``receding`` where an older file
    (schema 1.0) does not say.
``noise_shape``
    Shape of the standard normal input ``noise`` without the batch axis, or null: it takes none.
``sampler_steps``
    Steps of the sampler that the inputs ``prefix`` (shape (horizon, *action shape), in physical
    units) and ``prefix_weights`` (shape (sampler_steps, horizon)) lead, see
    `ilrobot.control.drawing.Guide`; null: there are no such inputs, as in files of schema 1.0.
``doubt``
    Of an ensemble, what its outputs ``doubt`` and ``novelty``, shape (horizon,), are to be held
    against; see `ilrobot.ensemble` for the two. ``scale``: what each element's disagreement was
    measured by, in the action's units, null for choices; ``usual``: greatest doubt about the
    present tick in 95 % of the real observations of the export; ``threshold``: the doubt from which
    the gate of the policy's own DAgger run calls for help, or null; ``novelty_threshold``: the
    novelty likewise. Null, or not there: no such outputs.
``critics``
    For each further output of shape (horizon,), ``risk`` or ``unsafe`` (see
    `ilrobot.control.signals`), its ``usual`` and its ``threshold``, as of doubt. Not there: none.
``joints``
    Of the arm that the task states behind its controller, one value each: ``names``; ``units`` of
    position; ``stiffness`` and ``damping`` (kp and kd, in N m or N per unit, and per unit/s) of its
    servos, null where they have none; ``pose``: where it begins. Null, or not there: not stated.
``policy_frame``
    The frame of the task in which the policy sees and acts within the graph: ``origin``, the thing
    where it begins, ``goal``, towards which its first axis points, ``turned``, names of the
    action's elements that are predicted in it. What is read and given is along the axes of
    ``task`` all the same. Null, or not there, as in files of schema 1.4: in none, or not known.
``limits``
    Per action element, null for discrete actions. ``mode``: ``absolute`` (a target, held by
    repeating it), ``delta`` (a displacement per tick, held by zero) or ``velocity`` (one, held by
    zero; since 1.5). ``low``, ``high``: least and greatest command, in the action's units.
    ``velocity``, ``acceleration``, ``jerk``: greatest speed (units/s), acceleration (units/s²) and
    jerk (units/s³) of the commanded target, of a velocity in its own units, units/s and units/s²;
    null: not limited, as jerk is not where an older file lacks it. Of a rotation that is a target
    these are angular, in rad/s and so on, see `ilrobot.control.rotation_limiter`.
``workspace``
    ``low``, ``high``: where the commanded target may be, per action element, in the action's units
    (null: anywhere); of a delta, the sum of its commands from where the robot says it begins. Null,
    or not there: anywhere.
``training_range``
    For each vector, ``low`` and ``high`` per element over the training data, in its units; pictures
    (features of three axes, which the graph reads as uint8; since 1.6) have none.
    ``action``: of the demonstrated actions likewise, not of choices; older files lack it.
``stale_after``
    Age in seconds from which an observation is too old to act on.
``fallback``
    What to do then: ``hold``, ``damp`` or ``retreat``, see `ilrobot.control.limiter`; choices are
    held.
``fallback_after``
    When else, see `ilrobot.control.contract_guards.FallbackAfter`: ``out_of_range``, ``frozen`` and
    ``calling`` in seconds, ``late`` in ticks. Null, or not there: never.
``retreat``
    Where ``retreat`` goes: a position for each action element, null: that one holds. Null, or not
    there: nowhere.
``provenance``
    ``data``, ``checkpoint``, ``code``: digests of what it was made from; ``version`` of ilrobot;
    ``limits``: digest of the data that the limits come from, which older files do not state.
``golden``
    Inputs (``observations``: arrays of shape (n_obs, *feature shape), pictures as the base64 of
    their bytes, compressed by zlib; ``noise``) and the ``action`` chunk that they give, in physical
    units; and each further output by its name.
``golden_led``
    The same with the ``prefix`` and ``prefix_weights`` by which whoever executes the chunks leads
    the sampler. Not there: none, as in files of schema 1.3.
``quantized``
    Of a file with weights of 8 bits, what it and the file of full precision did in closed loop:
    ``bits``, ``task``, ``episodes``, ``first_seed``, ``success``, ``full_success``. Null, or not
    there: full precision.
``tolerance``
    Greatest error of an element of a golden chunk, as a fraction of that element's command range,
    see `Contract.scale`; 0 for discrete actions, which must be equal. Further outputs may differ by
    as much, and by `ilrobot.control.signals.ROUNDING` at least.

Numbers are written with the shortest decimal that reads back as the same double.
"""

from __future__ import annotations

from typing import Any

from ilrobot.errors import UserError

SCHEMA = "1.6"
METADATA_KEY = "ilrobot.contract"


def check_schema(data: Any, where: str) -> None:
    """Refuse a contract of another major version.

    Raises:
        UserError: That, or it is no contract at all.
    """
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema is None:
        raise UserError(f"{where}: the contract lacks the key 'schema'; export the policy again")
    major = str(schema).split(".", 1)[0]
    if major != SCHEMA.split(".", 1)[0]:
        raise UserError(
            f"{where}: the contract has schema {schema}, but this version of ilrobot reads "
            f"{SCHEMA}; export the policy again, or install the ilrobot that wrote it"
        )
