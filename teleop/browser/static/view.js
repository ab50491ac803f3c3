// What is seen: the pictures, the HUD, the flashes.

const $ = (id) => document.getElementById(id);
const RUMBLE = { leash: [0.4, 80], takeover: [0.8, 160], call: [1.0, 400], saved: [0.6, 240] };
const KEYCAPS = {
  " ": "Space", enter: "⏎", backspace: "⌫", delete: "Del", shift: "⇧",
  arrowleft: "←", arrowright: "→", arrowup: "↑", arrowdown: "↓",
};

export class View {
  constructor(hands) {
    this.hands = hands;
    this.chosen = null;       // a camera that was tapped
    this.camera = "";
    this.shown = [];
    this.bitmaps = new Map();
    this.counts = null;
    this.small = new Map();
  }

  // Label each button with its key; leave out what this task has no use for.
  label(hello) {
    const keyOf = Object.fromEntries(
      Object.entries(hello.button_keys).map(([key, button]) => [button, KEYCAPS[key] ?? key.toUpperCase()]));
    const chosen = Object.entries(hello.choices).map(([button, what]) => `${keyOf[button] ?? button} ${what}`);
    this.keys = chosen.length ? `keys: ${chosen.join(", ")}` : "keys: WASD and IJKL steer, arrows tilt, C is finer";
    for (const element of document.querySelectorAll("[data-control]")) {
      const button = hello.controls[element.dataset.control];
      element.hidden = !button;
      element.querySelector("kbd")?.remove();
      if (keyOf[button]) element.append(Object.assign(document.createElement("kbd"), { textContent: keyOf[button] }));
    }
  }

  // Pictures ---------------------------------------------------------------------------------

  async draw(packet, header) {
    let start = 4 + new DataView(packet).getUint32(0, true);
    const decoded = [];
    for (const { camera, size } of header.new) {
      const jpeg = new Blob([new Uint8Array(packet, start, size)], { type: "image/jpeg" });
      decoded.push(createImageBitmap(jpeg).then((bitmap) => [camera, bitmap]));
      start += size;
    }
    for (const [camera, bitmap] of await Promise.all(decoded)) {
      this.bitmaps.get(camera)?.close();
      this.bitmaps.set(camera, bitmap);
    }
    this.shown = header.shown;
    if (header.hud.camera !== this.camera) {
      this.camera = header.hud.camera;
      this.chosen = null;
    }
    this.paint();
  }

  paint() {
    const large = this.shown.includes(this.chosen) ? this.chosen : this.shown[0];
    for (const camera of this.shown) {
      const canvas = camera === large ? $("large") : this.inset(camera);
      const bitmap = this.bitmaps.get(camera);
      if (!bitmap) continue;
      if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
        canvas.width = bitmap.width;
        canvas.height = bitmap.height;
      }
      canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
    }
    for (const [camera, figure] of this.small) {
      figure.hidden = camera === large || !this.shown.includes(camera);
    }
  }

  inset(camera) {
    if (!this.small.has(camera)) {
      const figure = document.createElement("figure");
      figure.append(document.createElement("canvas"),
        Object.assign(document.createElement("figcaption"), { textContent: camera }));
      figure.addEventListener("click", () => { this.chosen = camera; this.paint(); });
      $("small").append(figure);
      this.small.set(camera, figure);
    }
    return this.small.get(camera).firstChild;
  }

  // Words ------------------------------------------------------------------------------------

  tell(header) {
    const { hud } = header;
    const headline = header.mine ? hud.headline : hud.headline.replace(": you", ": another page");
    this.say(this.state(hud), headline + (hud.message && hud.connected ? ` · ${hud.message}` : ""));
    $("task").textContent = hud.task || "ilrobot";
    document.title = `${hud.task || "ilrobot"} · ${hud.counter}`;
    $("counter").textContent = hud.counter;
    $("recording").hidden = !hud.recording;
    $("rate").textContent = hud.rate ? `${hud.rate.toFixed(0)} Hz${hud.missed ? ` · ${hud.missed} late` : ""}` : "";
    $("rate").classList.toggle("late", hud.missed > 0);
    const begin = document.querySelector("[data-control=success]").firstChild;
    begin.textContent = hud.source === null ? "Begin" : "Success";
    this.gauges(hud);
    this.seat(header);
    this.flash(header.feedback);
  }

  state(hud) {
    if (!hud.connected) return "lost";
    if (hud.source === null) return "ready";
    if (hud.paused || hud.rewinding || hud.source === "paused") return "held";
    return hud.source === "policy" ? "policy" : "you";
  }

  say(state, words) {
    document.body.dataset.state = state;
    $("headline").lastChild.textContent = words;
  }

  gauges(hud) {
    const rows = [];
    if (hud.speed !== 1) rows.push([`speed ${Math.round(100 * hud.speed)} %`]);
    if (hud.frame) rows.push([`${hud.frame} frame`]);
    for (const name of ["leash", "doubt"]) {
      if (hud[name] !== null && (name !== "leash" || hud.leash > 0)) rows.push([name, hud[name]]);
    }
    const words = JSON.stringify(rows);
    if (words === this.gauged) return;
    this.gauged = words;
    $("gauges").replaceChildren(...rows.map(([text, value]) => {
      const row = Object.assign(document.createElement("span"), { textContent: text });
      if (value !== undefined) {
        row.append(Object.assign(document.createElement("meter"), { max: 1, high: 0.8, value }));
      }
      return row;
    }));
  }

  seat({ mine, seat }) {
    $("let_go").hidden = !mine;
    document.body.classList.toggle("watching", !mine);
    if (mine) { $("curtain").hidden = true; return; }
    const free = seat !== "taken";
    this.curtain(free ? "Nobody is in control. The robot holds." : "You are watching: somebody else is in control.", free);
  }

  curtain(words, takeable) {
    $("curtain").hidden = false;
    $("curtain").firstChild.textContent = words;
    $("take").hidden = !takeable;
  }

  flash(counts) {
    for (const [kind, count] of Object.entries(counts)) {
      if (!this.counts || count === this.counts[kind]) continue;
      const main = document.querySelector("main");
      delete main.dataset.flash;
      void main.offsetWidth;      // so that the same flash starts again
      main.dataset.flash = kind;
      this.hands.rumble(...RUMBLE[kind]);
    }
    this.counts = counts;
  }

  delay(milliseconds) {
    this.smooth = this.smooth === undefined ? milliseconds : 0.9 * this.smooth + 0.1 * milliseconds;
    $("delay").textContent = `${this.smooth.toFixed(0)} ms`;
  }

  device(name, strange) {
    const unknown = `this browser does not know the buttons of ${strange}: try another one, or --device gamepad`;
    $("device").textContent = name ? `pad: ${name}` : strange ? unknown : this.keys;
  }
}
