// Keys, pads and touch sticks as one pad with named axes and buttons.

const PAD_BUTTONS = ["a", "b", "x", "y", "leftshoulder", "rightshoulder", "lefttrigger",
  "righttrigger", "back", "start", "leftstick", "rightstick", "dpup", "dpdown", "dpleft",
  "dpright", "guide"];
const PAD_AXES = ["leftx", "lefty", "rightx", "righty"];
const TRIGGERS = ["lefttrigger", "righttrigger"];
const TOUCH = "touch";
const MAX_EDGES = 32;

const clamp = (value, low) => Math.min(Math.max(Number.isFinite(value) ? value : 0, low), 1);

export class Hands {
  // `changed` is called at each change; true: it is worth a message at once.
  constructor(changed) {
    this.changed = changed;
    this.down = new Map();      // button -> set of what holds it down
    this.pressed = [];
    this.released = [];
    this.keys = new Map();      // code of a key that is down -> what it does
    this.sticks = new Map();    // touch stick -> its axes and where it stands
    this.pad = { axes: {}, index: null };
    this.lost = false;          // the pad is gone, and nothing else has been touched since
    this.torn = false;          // what was held came up, and no hand has let go of it
    this.strange = null;        // a pad that somebody presses and nobody knows the buttons of
    this.keymap = { sticks: {}, buttons: {}, fine: ["", 1] };
    this.listen();
  }

  configure(hello) {
    this.keymap = { sticks: hello.stick_keys, buttons: hello.button_keys, fine: hello.fine };
  }

  // Buttons --------------------------------------------------------------------------------

  press(button, by) {
    if (!button) return;
    const holders = this.down.get(button) ?? new Set();
    if (holders.has(by)) return;
    this.lost = false;
    holders.add(by);
    this.down.set(button, holders);
    if (holders.size > 1) return;
    if (this.pressed.length < MAX_EDGES) this.pressed.push(button);
    this.changed(true);
  }

  release(button, by) {
    const holders = this.down.get(button);
    if (!holders?.delete(by) || holders.size) return;
    this.down.delete(button);
    if (this.released.length < MAX_EDGES) this.released.push(button);
    this.changed(true);
  }

  releaseAll(by) {
    for (const [button, holders] of [...this.down]) {
      for (const holder of [...holders]) if (holder.startsWith(by)) this.release(button, holder);
    }
  }

  // Keys and touch -------------------------------------------------------------------------

  listen() {
    addEventListener("keydown", (event) => this.key(event, true));
    addEventListener("keyup", (event) => this.key(event, false));
    addEventListener("blur", () => this.forget());
    addEventListener("gamepaddisconnected", (event) => {
      if (event.gamepad.index === this.pad.index) this.losePad();
    });
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.forget(); });
  }

  key(event, isDown) {
    // While Cmd is down, macOS does not tell of other keys that come up.
    if (event.key === "Meta") return this.forgetKeys();
    if (!isDown) {
      const does = this.keys.get(event.code);
      if (does === undefined) return;
      this.keys.delete(event.code);
      if (does.button) this.release(does.button, `key ${event.code}`);
      else this.changed(true);
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const name = event.key.toLowerCase();
    const does = {
      stick: this.keymap.sticks[name],
      button: event.code === "ShiftRight" ? undefined : this.keymap.buttons[name],
      fine: name === this.keymap.fine[0],
    };
    if (!does.stick && !does.button && !does.fine) return;
    event.preventDefault();
    if (event.repeat || this.keys.has(event.code)) return;
    this.keys.set(event.code, does);
    this.lost = false;
    if (does.button) this.press(does.button, `key ${event.code}`);
    else this.changed(true);
  }

  // What is held may come up while nobody tells this page.
  forget() {
    const holders = [...this.down.values()].flatMap((each) => [...each]);
    // At first, so that no message says of what is let go here that a hand did it.
    this.torn ||= this.keys.size > 0 || holders.some((by) => by.startsWith("touch"));
    for (const stick of this.sticks.values()) stick.rest();
    // A pad is read, not told of: what it holds is known, and letting go would press it anew.
    this.releaseAll("touch");
    this.forgetKeys();
  }

  forgetKeys() {
    this.torn ||= this.keys.size > 0;
    this.keys.clear();
    this.releaseAll("key");
    this.changed(true);
  }

  addStick(element) {
    const stick = { axes: element.dataset.axes.split(" "), x: 0, y: 0, pointer: null };
    const by = `touch ${element.id}`;
    stick.rest = () => {
      stick.pointer = null;
      stick.x = stick.y = 0;
      element.classList.remove("down");
      element.style.removeProperty("--x");
      element.style.removeProperty("--y");
      this.release(TOUCH, by);
      this.changed(true);
    };
    const move = (event) => {
      if (event.pointerId !== stick.pointer) return;
      const box = element.getBoundingClientRect();
      const radius = box.width * 0.36;
      let x = (event.clientX - box.left - box.width / 2) / radius;
      let y = (event.clientY - box.top - box.height / 2) / radius;
      const length = Math.hypot(x, y);
      if (length > 1) { x /= length; y /= length; }
      stick.x = x;
      stick.y = y;
      element.style.setProperty("--x", `${x * radius}px`);
      element.style.setProperty("--y", `${y * radius}px`);
      this.changed(false);
    };
    element.addEventListener("pointerdown", (event) => {
      if (stick.pointer !== null) return;
      event.preventDefault();
      stick.pointer = event.pointerId;
      element.setPointerCapture(event.pointerId);
      element.classList.add("down");
      // A thumb on a stick is a hand on the deadman's switch, whatever the engage button does.
      this.press(TOUCH, by);
      move(event);
    });
    element.addEventListener("pointermove", move);
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
      element.addEventListener(kind, (event) => {
        if (event.pointerId === stick.pointer) stick.rest();
      });
    }
    this.sticks.set(element, stick);
  }

  // `button` gives the name when it is pressed: the page learns it after it is drawn.
  addButton(element, button) {
    const held = new Map();
    element.tabIndex = -1;
    element.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      element.setPointerCapture(event.pointerId);
      const by = `touch ${event.pointerId}`;
      held.set(event.pointerId, button());
      this.press(button(), by);
    });
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
      element.addEventListener(kind, (event) => {
        this.release(held.get(event.pointerId), `touch ${event.pointerId}`);
        held.delete(event.pointerId);
      });
    }
  }

  // Pads -----------------------------------------------------------------------------------

  losePad() {
    this.pad = { axes: {}, index: null };
    this.lost = true;
    this.releaseAll("pad");
    this.changed(true);
  }

  readPad() {
    const pads = navigator.getGamepads ? [...navigator.getGamepads()] : [];
    const others = pads.filter((pad) => pad?.connected && pad.mapping !== "standard");
    this.strange = others.find((each) => each.buttons.some((button) => button.pressed))
      ?? others.find((each) => each.index === this.strange?.index) ?? null;
    const usable = pads.filter((pad) => pad?.connected && pad.mapping === "standard");
    let pad = usable.find((each) => each.index === this.pad.index);
    if (this.pad.index !== null && !pad) this.losePad();
    // The pad that somebody touches is the one; two people's pads do not mix.
    if (!pad) {
      pad = usable.find((each) => each.buttons.some((button) => button.pressed)
        || each.axes.slice(0, 4).some((value) => Math.abs(value) > 0.3));
      if (!pad) return;
      this.pad = { axes: {}, index: pad.index };
      this.lost = false;
    }
    PAD_AXES.forEach((name, i) => {
      const value = clamp(pad.axes[i], -1);
      if (value === this.pad.axes[name]) return;
      this.pad.axes[name] = value;
      this.changed(false);
    });
    PAD_BUTTONS.forEach((name, i) => {
      const button = pad.buttons[i];
      if (!button) return;
      if (TRIGGERS.includes(name)) {
        // A trigger is a button too, with a gap between down and up so that it cannot chatter.
        this.pad.axes[name] = clamp(button.value, 0);
        if (button.value > 0.6) this.press(name, "pad");
        else if (button.value < 0.4) this.release(name, "pad");
      } else if (button.pressed) this.press(name, "pad");
      else this.release(name, "pad");
    });
  }

  rumble(strength, duration) {
    navigator.vibrate?.(duration);
    const pad = this.pad.index === null ? null : navigator.getGamepads()[this.pad.index];
    pad?.vibrationActuator?.playEffect?.("dual-rumble",
      { duration, strongMagnitude: strength, weakMagnitude: strength });
  }

  get device() {
    if (this.pad.index === null) return "";
    return navigator.getGamepads()[this.pad.index]?.id ?? "";
  }

  // ----------------------------------------------------------------------------------------

  axes() {
    const axes = { leftx: 0, lefty: 0, rightx: 0, righty: 0, lefttrigger: 0, righttrigger: 0 };
    const codes = [...this.keys.values()];
    const share = codes.some((does) => does.fine) ? this.keymap.fine[1] : 1;
    for (const { stick } of codes) if (stick) axes[stick[0]] += share * stick[1];
    for (const stick of this.sticks.values()) {
      axes[stick.axes[0]] += stick.x;
      axes[stick.axes[1]] += stick.y;
    }
    for (const [name, value] of Object.entries(this.pad.axes)) axes[name] += value;
    for (const name of Object.keys(axes)) axes[name] = clamp(axes[name], TRIGGERS.includes(name) ? 0 : -1);
    return axes;
  }

  // Nobody is told: what was pressed is forgotten.
  drop() {
    this.pressed = [];
    this.released = [];
  }

  // Everything since the last call; edges are handed over once.
  take() {
    const said = {
      axes: this.axes(),
      held: [...this.down.keys()],
      pressed: this.pressed,
      released: this.released,
      present: !document.hidden && !this.lost && !this.torn,
    };
    this.torn = false;
    this.drop();
    return said;
  }
}
