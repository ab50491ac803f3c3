// The WebSocket: inputs out at 60 Hz, the newest frame in, drawn before the next is asked for.

import { Hands } from "./hands.js";
import { View } from "./view.js";

const HEARTBEAT = 16;         // ms between inputs when nothing changes
const LEAST = 7;              // ms between inputs when sticks move
const CLOGGED = 4096;         // bytes that the network has not taken: old inputs are of no use
const QUIET = 1500;           // ms without a frame until the page says so

const $ = (id) => document.getElementById(id);
let socket = null;
let wanted = true;            // the person wants control
let sequence = 0;
let sentAt = 0;
let heardAt = 0;
let moved = false;
let buttons = {};
let ended = "";
const sent = new Map();       // sequence -> when it was sent

const hands = new Hands((urgent) => {
  if (urgent || performance.now() - sentAt >= LEAST) input();
  else moved = true;
});
const view = new View(hands);

function say(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function input() {
  // What was pressed at a page that is not heard would be news to the robot when it is.
  if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > CLOGGED) {
    hands.drop();
    return;
  }
  sentAt = performance.now();
  moved = false;
  sequence += 1;
  sent.set(sequence, sentAt);
  sent.delete(sequence - 256);
  say({ type: "input", sequence, time: sentAt / 1000, ...hands.take() });
}

function beat() {
  if (!document.hidden) hands.readPad();
  const now = performance.now();
  if (now - sentAt >= HEARTBEAT - 1 || (moved && now - sentAt >= LEAST)) input();
  if (socket?.readyState === WebSocket.OPEN && heardAt && now - heardAt > QUIET) {
    view.say("waiting", "no picture comes: the session is busy, or stuck");
  }
}

function connect() {
  const link = new WebSocket(`ws://${location.host}/socket${location.search}`);
  socket = link;
  link.binaryType = "arraybuffer";
  link.onopen = () => {
    heardAt = performance.now();
    ended = "";
    if (wanted) say({ type: "take" });
    input();
  };
  link.onmessage = ({ data }) => (typeof data === "string" ? greet(JSON.parse(data)) : frame(data));
  link.onclose = (event) => {
    ended = event.reason || ended;
    view.say("lost", ended || "the link is lost: the robot holds");
    view.curtain(ended ? `${ended}.` : "Connecting again…", false);
    setTimeout(connect, event.reason ? 2000 : 500);
  };
}

function greet(hello) {
  buttons = hello.controls;
  hands.configure(hello);
  view.label(hello);
  view.say("waiting", "waiting for the first picture");
}

async function frame(packet) {
  const link = socket;
  heardAt = performance.now();
  const length = new DataView(packet).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(packet, 4, length)));
  try {
    await view.draw(packet, header);
  } finally {
    if (link === socket) say({ type: "drawn", frame: header.frame });
  }
  const delay = header.mine && sent.has(header.sequence) ? performance.now() - sent.get(header.sequence) : null;
  sent.delete(header.sequence);
  document.dispatchEvent(new CustomEvent("drawn", { detail: { frame: header.frame, sequence: header.sequence, delay } }));
  // Who finds the seat taken watches; who had it takes it again when the link is back.
  wanted = header.mine || (wanted && header.seat === "free");
  if (delay !== null) view.delay(delay);
  view.tell(header);
  view.device(hands.device, hands.strange?.id);
}

document.querySelectorAll(".stick").forEach((element) => hands.addStick(element));
document.querySelectorAll("[data-control]").forEach((element) => hands.addButton(element, () => buttons[element.dataset.control]));
document.querySelectorAll("[data-button]").forEach((element) => hands.addButton(element, () => element.dataset.button));
$("take").addEventListener("click", () => { wanted = true; say({ type: "take" }); });
$("let_go").addEventListener("click", () => { wanted = false; say({ type: "let_go" }); });
addEventListener("contextmenu", (event) => event.preventDefault());
addEventListener("pointerdown", (event) => {
  if (event.pointerType === "touch") document.body.classList.add("touch");
}, { capture: true });
if (matchMedia("(pointer: coarse)").matches) document.body.classList.add("touch");

connect();
setInterval(beat, 4);
